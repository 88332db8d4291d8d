import Testing

@testable import ApusBench

@Suite struct ComparisonTests {
    private let sqlite = Variant(backend: "sqlite", durability: "full")
    private let memory = Variant(backend: "memory", durability: "none")

    private func row(_ variant: Variant, _ work: Work, _ amount: Double, raw: Double? = nil) -> Row {
        var row = Row(variant: variant, work: work)
        row.amount = amount
        row.unit = "reads/s"
        row.raw = raw
        return row
    }

    @Test func `rows of one work stand together, each with its multiple of the first storage's rate`() {
        let comparison = Comparison([
            row(sqlite, .read(clients: 64), 100), row(sqlite, .read(clients: 1), 10),
            row(memory, .read(clients: 64), 250), row(memory, .read(clients: 1), 5),
        ])
        #expect(
            comparison.rows.map(\.work) == [
                "read, 64 clients", "read, 64 clients", "read, 1 client", "read, 1 client",
            ])
        #expect(comparison.rows.map(comparison.ratio) == [nil, 2.5, nil, 0.5])
    }

    @Test func `a storage that is not there is named and is no row`() {
        var missing = Row(variant: Variant(backend: "lmdb", durability: "full"), failing: "(all)", "there is none")
        missing.isUnavailable = true
        let text = Table(rows: [row(sqlite, .read(clients: 64), 100), missing]).text
        #expect(text.split(separator: "\n").count == 3)
        #expect(text.contains("not available: lmdb full (all): there is none"))
        #expect(!text.contains("FAILED"))
    }

    @Test func `the table says how much of the raw limit was reached, and the command that makes the row`() throws {
        let text = Table(rows: [row(sqlite, .upsert(size: 10), 100, raw: 400)]).text
        let cells = try #require(text.split(separator: "\n").last)
        #expect(cells.contains(" 400 ") && cells.contains(" 0.25 "))
        #expect(cells.hasSuffix("upsert --sizes 10"))
    }

    @Test func `a row in which nothing moved for long is marked as such`() {
        var latencies = Latencies()
        latencies.record(800_000_000)
        var stalled = row(sqlite, .read(clients: 64), 10)
        stalled.measurement = Measurement(amount: 30, latencies: latencies, seconds: 3)
        #expect(Table(rows: [stalled]).text.contains("note: sqlite full read, 64 clients: stood still"))
        stalled.measurement?.seconds = 4
        #expect(!Table(rows: [stalled]).text.contains("stood still"))
    }

    @Test func `percentiles are those of the observations, to three digits`() {
        var latencies = Latencies()
        for millisecond in 1...1000 { latencies.record(Int64(millisecond) * 1_000_000) }
        for (percent, milliseconds) in [(50, 500), (90, 900), (99, 990), (99.9, 999)] as [(Double, Double)] {
            #expect(abs(Double(latencies.percentile(percent)) / 1e6 - milliseconds) <= milliseconds / 500)
        }
        #expect(latencies.percentile(100) <= latencies.maximum && latencies.maximum == 1_000_000_000)
        #expect(Latencies().percentile(50) == 0)
    }
}
