/// Writes rows as JSON for programs: an object with the settings of the run and its rows, latencies in nanoseconds.
struct ResultFile {
    let settings: [(name: String, value: String)]
    let rows: [Row]

    var text: String {
        let settingsText = settings.map { "\(Self.quoted($0.name)):\(Self.quoted($0.value))" }.joined(separator: ",")
        let rowsText = rows.map(Self.object).joined(separator: ",\n")
        return "{\"settings\":{\(settingsText)},\n\"rows\":[\n\(rowsText)\n]}\n"
    }

    private static func object(_ row: Row) -> String {
        var fields = [
            ("backend", quoted(row.variant.backend)), ("durability", quoted(row.variant.durability)),
            ("work", quoted(row.work)), ("command", quoted(row.command)),
        ]
        if let failure = row.failure {
            fields.append((row.isUnavailable ? "not_available" : "failure", quoted(failure)))
        } else {
            fields.append(("amount", decimal(row.amount, places: 3)))
            fields.append(("unit", quoted(row.unit)))
            fields.append(("resident_bytes", String(row.residentBytes)))
            fields.append(("disk_bytes", String(row.diskBytes)))
        }
        if let raw = row.raw { fields.append(("raw_limit", decimal(raw, places: 3))) }
        if let rawSyncs = row.rawSyncs { fields.append(("raw_fsyncs_per_second", decimal(rawSyncs, places: 1))) }
        if let measurement = row.measurement {
            fields.append(("seconds", decimal(measurement.seconds, places: 6)))
            fields.append(("server_cpu_seconds", decimal(measurement.serverProcessorSeconds, places: 2)))
            fields.append(("client_cpu_seconds", decimal(measurement.clientProcessorSeconds, places: 6)))
            fields.append(("client_bound", String(measurement.isClientBound)))
            let histogram = measurement.latencies
            if histogram.count > 0 {
                for (name, share) in [("p50_ns", 50), ("p90_ns", 90), ("p99_ns", 99), ("p999_ns", 99.9)] {
                    fields.append((name, String(histogram.percentile(share))))
                }
                fields.append(("max_ns", String(histogram.maximum)))
            }
        }
        return "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case _ where scalar.value < 0x20: quoted += " "
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
