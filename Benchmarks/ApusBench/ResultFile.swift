import Glibc

/// Writes rows as JSON for programs: an object with the settings of the run and its rows, latencies in nanoseconds.
struct ResultFile {
    let settings: [(name: String, value: String)]
    let rows: [Row]

    func write(to path: String) throws {
        let content = Array(text.utf8)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw BenchError.system("open \(path)") }
        defer { close(descriptor) }
        var written = 0
        while written < content.count {
            let length = content.withUnsafeBytes { bytes in
                Glibc.write(descriptor, bytes.baseAddress.map { $0 + written }, content.count - written)
            }
            guard length > 0 else { throw BenchError.system("write \(path)") }
            written += length
        }
    }

    var text: String {
        let settingsText = settings.map { "\(Self.quoted($0.name)):\(Self.quoted($0.value))" }.joined(separator: ",")
        let rowsText = rows.map(Self.object).joined(separator: ",\n")
        return "{\"settings\":{\(settingsText)},\n\"rows\":[\n\(rowsText)\n]}\n"
    }

    private static func object(_ row: Row) -> String {
        var fields = [
            ("backend", quoted(row.backend)), ("durability", quoted(row.durability)), ("work", quoted(row.work)),
        ]
        if let failure = row.failure {
            fields.append(("failure", quoted(failure)))
        } else {
            fields.append(("amount", decimal(row.amount, places: 3)))
            fields.append(("unit", quoted(row.unit)))
            fields.append(("resident_bytes", String(row.residentBytes)))
            fields.append(("disk_bytes", String(row.diskBytes)))
        }
        if let rawSyncs = row.rawSyncs { fields.append(("raw_fsyncs_per_second", decimal(rawSyncs, places: 1))) }
        if let measurement = row.measurement {
            fields.append(("seconds", decimal(measurement.seconds, places: 6)))
            fields.append(("server_cpu_seconds", decimal(measurement.serverProcessorSeconds, places: 2)))
            fields.append(("client_cpu_seconds", decimal(measurement.clientProcessorSeconds, places: 6)))
            fields.append(("client_bound", String(measurement.isClientBound)))
            let histogram = measurement.latencies
            if histogram.count > 0 {
                for (name, share) in [("p50_ns", 0.5), ("p90_ns", 0.9), ("p99_ns", 0.99), ("p999_ns", 0.999)] {
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
