/// One line of the result: one kind of work against one backend.
struct Row {
    let backend: String
    let durability: String
    let work: String
    /// The figure itself, in `unit`.
    var amount = 0.0
    var unit = ""
    /// What it was computed from; none for a size or a failure.
    var measurement: Measurement?
    /// Of the server, after the work.
    var residentBytes = 0
    /// Of the server's folder, after the work.
    var diskBytes = 0
    /// 4 KiB appends with `fdatasync` a second on the same disk, just before.
    var rawSyncs: Double?
    /// Why there is no figure.
    var failure: String?
}

/// Writes rows as a table for people.
struct Table {
    private static let headings = [
        "backend", "durability", "work", "rate", "unit", "p50 ms", "p90 ms", "p99 ms", "max ms", "server CPU s",
        "client CPU s", "of s", "RSS MB", "disk MB", "raw fsync/s",
    ]

    let rows: [Row]

    var text: String {
        let cells = [Self.headings] + rows.filter { $0.failure == nil }.map(Self.cells)
        let widths = Self.headings.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        var lines = cells.map { line in
            zip(line, widths).enumerated().map { column, cell in
                let gap = String(repeating: " ", count: cell.1 - cell.0.count)
                // Words to the left, figures to the right.
                return column < 3 || column == 4 ? cell.0 + gap : gap + cell.0
            }.joined(separator: "  ")
        }
        for row in rows where row.measurement?.isClientBound ?? false {
            lines.append("note: \(row.backend) \(row.work): apus-bench had its core full; the server may be faster.")
        }
        for row in rows {
            if let failure = row.failure { lines.append("FAILED: \(row.backend) \(row.work): \(failure)") }
        }
        return lines.joined(separator: "\n")
    }

    private static func cells(_ row: Row) -> [String] {
        var latencies = [String](repeating: "-", count: 4)
        var costs = [String](repeating: "-", count: 3)
        if let measurement = row.measurement {
            let histogram = measurement.latencies
            if histogram.count > 0 {
                let values = [0.5, 0.9, 0.99].map { histogram.percentile($0) } + [histogram.maximum]
                latencies = values.map { decimal(Double($0) / 1e6, places: 3) }
            }
            let seconds = [
                measurement.serverProcessorSeconds, measurement.clientProcessorSeconds, measurement.seconds,
            ]
            costs = seconds.map { decimal($0, places: 2) }
        }
        let places = row.amount < 100 ? 1 : 0
        return [row.backend, row.durability, row.work, decimal(row.amount, places: places), row.unit] + latencies
            + costs
            + [
                decimal(Double(row.residentBytes) / 1e6, places: 1), decimal(Double(row.diskBytes) / 1e6, places: 1),
                row.rawSyncs.map { decimal($0, places: 0) } ?? "-",
            ]
    }
}

/// A number in decimal notation, rounded to so many places.
func decimal(_ number: Double, places: Int) -> String {
    var scale = 1
    for _ in 0..<places { scale *= 10 }
    let scaled = Int((abs(number) * Double(scale)).rounded())
    let sign = number < 0 && scaled > 0 ? "-" : ""
    guard places > 0 else { return sign + String(scaled) }
    let digits = String(scaled % scale)
    return sign + String(scaled / scale) + "." + String(repeating: "0", count: places - digits.count) + digits
}
