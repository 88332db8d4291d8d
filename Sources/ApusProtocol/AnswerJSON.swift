public import ApusCore
public import NIOCore

extension ByteBuffer {
    /// Appends what one item's single call answers, or `{"error":problem}`.
    public mutating func writeResult(_ result: WriteResult, requestID: String) {
        switch result {
        case .applied(let record):
            writeStaticString("{\"applied\":true,\"data\":")
            writeRecord(record)
        case .lost(let reason, let stored):
            writeStaticString("{\"applied\":false,\"reason\":")
            writeJSON(reason.rawValue)
            writeStaticString(",\"data\":")
            writeRecord(stored)
        case .failed(let error):
            writeStaticString("{\"error\":")
            writeProblem(error, requestID: requestID)
        }
        writeStaticString("}")
    }

    /// Appends a bulk's answer: how many were applied, and each item's result in the order sent.
    public mutating func writeBulkAnswer(_ results: [WriteResult], requestID: String) {
        let applied = results.reduce(0) { count, result in
            if case .applied = result { count + 1 } else { count }
        }
        writeStaticString("{\"applied\":")
        writeDecimal(Int64(applied))
        writeStaticString(",\"results\":")
        writeJSONArray(results) { buffer, result in buffer.writeResult(result, requestID: requestID) }
        writeStaticString("}")
    }

    /// Appends a page of records with its cursor.
    public mutating func writePage(_ records: [Record], nextCursor: String?, hasMore: Bool) {
        writeStaticString("{\"data\":")
        writeJSONArray(records) { buffer, record in buffer.writeRecord(record) }
        writeStaticString(",\"next_cursor\":")
        writeJSON(nextCursor)
        writeStaticString(hasMore ? ",\"has_more\":true}" : ",\"has_more\":false}")
    }
}
