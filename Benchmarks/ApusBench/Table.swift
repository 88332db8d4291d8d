/// Writes rows as a table for people.
struct Table {
    private struct Column {
        let heading: String
        /// Words stand to the left, figures to the right.
        var isWords = false
        let cell: (Row) -> String
    }

    private let rows: [Row]
    private let comparison: Comparison

    init(rows: [Row]) {
        self.rows = rows
        comparison = Comparison(rows)
    }

    var text: String {
        let columns = columns
        let cells = [columns.map(\.heading)] + comparison.rows.map { row in columns.map { $0.cell(row) } }
        let widths = columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        let lines = cells.map { line in
            let padded = line.indices.map { column in
                let gap = String(repeating: " ", count: widths[column] - line[column].count)
                return columns[column].isWords ? line[column] + gap : gap + line[column]
            }
            return padded.joined(separator: "  ").trimmingEnd()
        }
        return (comparison.rows.isEmpty ? notes : lines + notes).joined(separator: "\n")
    }

    private var columns: [Column] {
        var columns = [
            Column(heading: "work", isWords: true) { $0.work },
            Column(heading: "storage", isWords: true) { $0.variant.description },
            Column(heading: "rate") { decimal($0.amount, places: $0.places) },
            Column(heading: "unit", isWords: true) { $0.unit },
        ]
        if comparison.isComparing {
            let base = comparison.baseline?.description ?? ""
            columns.append(Column(heading: "x \(base)") { Self.optional(comparison.ratio($0), places: 2) })
        }
        columns += [
            Column(heading: "raw limit") { Self.optional($0.raw, places: 0) },
            Column(heading: "of raw") { Self.optional($0.shareOfRaw, places: 2) },
            Column(heading: "fsync/s") { Self.optional($0.rawSyncs, places: 0) },
            latency("p50 ms") { $0.percentile(50) }, latency("p90 ms") { $0.percentile(90) },
            latency("p99 ms") { $0.percentile(99) }, latency("p99.9 ms") { $0.percentile(99.9) },
            latency("max ms") { $0.maximum },
            cost("server CPU s") { $0.serverProcessorSeconds }, cost("client CPU s") { $0.clientProcessorSeconds },
            cost("of s") { $0.seconds },
            Column(heading: "RSS MB") { decimal(Double($0.residentBytes) / 1e6, places: 1) },
            Column(heading: "disk MB") { decimal(Double($0.diskBytes) / 1e6, places: 1) },
            Column(heading: "apus-bench …", isWords: true) { $0.command },
        ]
        return columns
    }

    private var notes: [String] {
        var notes: [String] = []
        for row in rows where row.measurement?.isClientBound ?? false {
            notes.append("note: \(row.variant) \(row.work): apus-bench had its core full; the server may be faster.")
        }
        for row in rows where row.measurement?.hasStoodStill ?? false {
            notes.append(
                "note: \(row.variant) \(row.work): stood still for a quarter of the time or longer; measure again.")
        }
        for row in rows {
            guard let failure = row.failure else { continue }
            notes.append("\(row.isUnavailable ? "not available" : "FAILED"): \(row.variant) \(row.work): \(failure)")
        }
        return notes
    }

    private func latency(_ heading: String, _ value: @escaping (Latencies) -> Int64) -> Column {
        Column(heading: heading) { row in
            guard let latencies = row.measurement?.latencies, latencies.count > 0 else { return "-" }
            return decimal(Double(value(latencies)) / 1e6, places: 3)
        }
    }

    private func cost(_ heading: String, _ value: @escaping (Measurement) -> Double) -> Column {
        Column(heading: heading) { Self.optional($0.measurement.map(value), places: 2) }
    }

    private static func optional(_ number: Double?, places: Int) -> String {
        number.map { decimal($0, places: places) } ?? "-"
    }
}

extension String {
    /// Without the spaces at the end.
    fileprivate func trimmingEnd() -> String {
        var text = self
        while text.hasSuffix(" ") { text.removeLast() }
        return text
    }
}
