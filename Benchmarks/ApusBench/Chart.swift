import Glibc

/// Draws rates as bars in an SVG that reads well on light and on dark: one bar for each storage at each work, on a
/// logarithmic scale, and a mark where the raw limit is.
struct Chart {
    private static let labelWidth = 250.0
    private static let plotWidth = 560.0
    private static let valueWidth = 190.0
    private static let figureWidth = 130.0
    private static let barHeight = 14.0
    private static let groupGap = 10.0
    private static let top = 64.0
    private static let coloursMax = 6

    let title: String
    private let rows: [Row]
    private let variants: [Variant]

    /// Sizes and failures are left out.
    init(title: String, rows: [Row]) {
        self.title = title
        self.rows = Comparison(rows).rows.filter { $0.unit.hasSuffix("/s") && $0.amount > 0 }
        var variants: [Variant] = []
        for row in self.rows where !variants.contains(row.variant) { variants.append(row.variant) }
        self.variants = variants
    }

    var text: String {
        var body: [String] = []
        var y = Self.top
        var work = ""
        for row in rows {
            if row.work != work {
                y += work.isEmpty ? 0 : Self.groupGap
                work = row.work
                body.append(
                    Self.label(row.work, x: Self.labelWidth - 8, y: y + Self.barHeight - 3, anchor: "end"))
            }
            body += bar(row, y: y)
            y += Self.barHeight
        }
        let height = y + 12
        let width = Self.labelWidth + Self.plotWidth + Self.valueWidth
        let size = "\(Self.number(width)) \(Self.number(height))"
        let head = """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(size)" role="img" aria-label="\(Self.escaped(title))">
            <style>
            .paper { fill: #ffffff }
            text { font: 11px system-ui, sans-serif; fill: #1f2328 }
            .grid { stroke: #d1d9e0 } .raw { stroke: #1f2328; stroke-width: 2 }
            .c0 { fill: #2f6fde } .c1 { fill: #1a9e6b } .c2 { fill: #c77f0a } .c3 { fill: #b2478f }
            .c4 { fill: #6b5bd2 } .c5 { fill: #7a828a }
            @media (prefers-color-scheme: dark) {
            .paper { fill: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #3d444d } .raw { stroke: #e6edf3 }
            }
            </style>
            <rect class="paper" width="100%" height="100%"/>
            """
        let lines = [head, Self.label(title, x: 8, y: 18)] + legend + grid(bottom: y) + body + ["</svg>", ""]
        return lines.joined(separator: "\n")
    }

    private func bar(_ row: Row, y: Double) -> [String] {
        let end = x(of: row.amount)
        let colour = (variants.firstIndex(of: row.variant) ?? 0) % Self.coloursMax
        let left = Self.labelWidth
        var lines = [
            """
            <rect class="c\(colour)" x="\(Self.number(left))" y="\(Self.number(y + 1))" \
            width="\(Self.number(max(1, end - left)))" height="\(Self.number(Self.barHeight - 3))"/>
            """
        ]
        var after = end
        if let raw = row.raw, raw > 0 {
            let place = Self.number(x(of: raw))
            // The figure is the bar's: it stands at its end, where the mark leaves room for it.
            if x(of: raw) < end + Self.figureWidth { after = max(after, x(of: raw)) }
            lines.append(
                """
                <line class="raw" x1="\(place)" y1="\(Self.number(y))" x2="\(place)" \
                y2="\(Self.number(y + Self.barHeight - 1))"/>
                """)
        }
        let figure = decimal(row.amount, places: row.amount < 100 ? 1 : 0) + " " + row.unit
        lines.append(Self.label(figure, x: after + 6, y: y + Self.barHeight - 3))
        return lines
    }

    private var legend: [String] {
        var lines: [String] = []
        var x = 8.0
        for (place, variant) in variants.enumerated() {
            lines.append(
                "<rect class=\"c\(place % Self.coloursMax)\" x=\"\(Self.number(x))\" y=\"28\" width=\"11\" height=\"11\"/>"
            )
            lines.append(Self.label(variant.description, x: x + 16, y: 38))
            x += 36 + 7 * Double(variant.description.count)
        }
        guard rows.contains(where: { $0.raw != nil }) else { return lines }
        lines.append("<line class=\"raw\" x1=\"\(Self.number(x))\" y1=\"28\" x2=\"\(Self.number(x))\" y2=\"39\"/>")
        lines.append(Self.label("raw limit", x: x + 8, y: 38))
        return lines
    }

    private func grid(bottom: Double) -> [String] {
        decades.flatMap { decade in
            let place = Self.number(x(of: decade))
            return [
                """
                <line class="grid" x1="\(place)" y1="\(Self.number(Self.top - 4))" x2="\(place)" \
                y2="\(Self.number(bottom))"/>
                """,
                Self.label(Self.short(decade), x: x(of: decade), y: Self.top - 8, anchor: "middle"),
            ]
        }
    }

    /// Powers of ten from below the least figure to above the greatest.
    private var decades: [Double] {
        let figures = rows.flatMap { [$0.amount] + ($0.raw.map { [$0] } ?? []) }.filter { $0 > 0 }
        var first = 1.0
        while let least = figures.min(), first * 10 <= least { first *= 10 }
        var decades = [first, first * 10]
        while let greatest = figures.max(), let last = decades.last, last < greatest, decades.count < 15 {
            decades.append(last * 10)
        }
        return decades
    }

    private func x(of amount: Double) -> Double {
        let decades = decades
        guard let first = decades.first, amount > first else { return Self.labelWidth }
        return Self.labelWidth + Self.plotWidth * log10(amount / first) / Double(decades.count - 1)
    }

    private static func label(_ text: String, x: Double, y: Double, anchor: String = "start") -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\">\(escaped(text))</text>"
    }

    private static func short(_ decade: Double) -> String {
        if decade >= 1e6 { return decimal(decade / 1e6, places: 0) + "M" }
        return decade >= 1e3 ? decimal(decade / 1e3, places: 0) + "k" : decimal(decade, places: 0)
    }

    private static func number(_ value: Double) -> String { decimal(value, places: 1) }

    /// Text as it may stand in an element or in a quoted attribute; XML allows no control characters at all.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF: escaped += " "
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
