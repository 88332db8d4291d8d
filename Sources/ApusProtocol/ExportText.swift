public import ApusCore
public import NIOCore

/// An export as text, piece by piece: a JSON array with a row a line, or CSV with a row for the names.
public struct ExportText: Sendable {
    private let isCSV: Bool
    private var isEmpty = true

    public init(_ query: ExportQuery) {
        switch query {
        case .users, .records: isCSV = false
        case .audit: isCSV = true
        }
    }

    public var contentType: String { isCSV ? "text/csv; charset=utf-8; header=present" : "application/json" }

    /// Appends what is new with `rows`.
    public mutating func write(_ rows: ExportRows, to bytes: inout ByteBuffer) {
        switch rows {
        case .users(let users): for user in users { write(to: &bytes) { $0.writeUser(user) } }
        case .records(let records): for record in records { write(to: &bytes) { $0.writeRecord(record) } }
        case .audit(let entries):
            for entry in entries {
                write(to: &bytes) { bytes in
                    bytes.writeCSVRow([
                        entry.at.text, entry.origin.actor, entry.action, entry.target, entry.origin.ip,
                        entry.origin.requestID, entry.outcome, entry.detail,
                    ])
                }
            }
        }
    }

    /// Appends what stands behind the last row.
    public mutating func writeEnd(to bytes: inout ByteBuffer) {
        if isEmpty { writeBeginning(to: &bytes) }
        guard !isCSV else { return }
        bytes.writeStaticString(isEmpty ? "]\n" : "\n]\n")
    }

    private mutating func write(to bytes: inout ByteBuffer, _ row: (inout ByteBuffer) -> Void) {
        if isEmpty { writeBeginning(to: &bytes) }
        if !isCSV { bytes.writeStaticString(isEmpty ? "\n" : ",\n") }
        isEmpty = false
        row(&bytes)
    }

    private func writeBeginning(to bytes: inout ByteBuffer) {
        if isCSV {
            bytes.writeCSVRow(["at", "actor", "action", "target", "ip", "request_id", "outcome", "detail"])
        } else {
            bytes.writeStaticString("[")
        }
    }
}
