import Testing

@testable import ApusBench

@Suite struct ChartTests {
    @Test func `names and titles cannot break out of the drawing`() {
        #expect(Chart.escaped("<a href=\"x\" & 'y'>\n") == "&lt;a href=&quot;x&quot; &amp; &#39;y&#39;&gt; ")
        let variant = Variant(backend: "<script>", durability: "full")
        var row = Row(variant: variant, work: .read(clients: 64))
        row.amount = 1000
        row.unit = "reads/s"
        let text = Chart(title: "\"><script>", rows: [row]).text
        #expect(!text.contains("<script>"))
        #expect(text.hasPrefix("<svg ") && text.hasSuffix("</svg>\n"))
    }

    @Test func `ten times the rate is a bar longer by one decade, and sizes are not drawn`() {
        let variant = Variant(backend: "sqlite", durability: "full")
        let rows = [(Work.read(clients: 64), 1000.0, "reads/s"), (.read(clients: 1), 100, "reads/s")].map {
            var row = Row(variant: variant, work: $0)
            (row.amount, row.unit) = ($1, $2)
            return row
        }
        var size = Row(variant: variant, work: .idle(sockets: 10))
        (size.amount, size.unit) = (5000, "B/socket")
        let text = Chart(title: "", rows: rows + [size]).text
        #expect(text.contains("1000 reads/s") && text.contains("100 reads/s"))
        #expect(!text.contains("B/socket"))
        // One decade is the whole width here; the least figure keeps a visible bar.
        #expect(text.contains("width=\"560.0\"") && text.contains("width=\"1.0\""))
    }
}
