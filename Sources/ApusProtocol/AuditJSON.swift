public import ApusCore
public import NIOCore

extension ByteBuffer {
    /// Appends the entry in the contract's form.
    public mutating func writeAuditEntry(_ entry: AuditEntry) {
        writeStaticString("{\"number\":")
        writeDecimal(entry.number)
        writeStaticString(",\"at\":")
        writeTime(entry.at)
        writeStaticString(",\"actor\":")
        writeJSON(entry.origin.actor)
        writeStaticString(",\"action\":")
        writeJSON(entry.action)
        writeStaticString(",\"target\":")
        writeJSON(entry.target)
        writeStaticString(",\"ip\":")
        writeJSON(entry.origin.ip)
        writeStaticString(",\"request_id\":")
        writeJSON(entry.origin.requestID)
        writeStaticString(",\"outcome\":")
        writeJSON(entry.outcome)
        writeStaticString(",\"detail\":")
        writeJSON(entry.detail)
        writeStaticString("}")
    }

    /// Appends a page of entries; there are more if there is a cursor.
    public mutating func writeAuditPage(_ entries: [AuditEntry], nextCursor: String?) {
        writeStaticString("{\"data\":")
        writeJSONArray(entries) { buffer, entry in buffer.writeAuditEntry(entry) }
        writeStaticString(",\"next_cursor\":")
        writeJSON(nextCursor)
        writeStaticString(nextCursor == nil ? ",\"has_more\":false}" : ",\"has_more\":true}")
    }
}
