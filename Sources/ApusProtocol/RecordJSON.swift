public import ApusCore
public import NIOCore

extension ByteBuffer {
    /// Appends the record in the contract's form, its value spliced in as it was sent.
    public mutating func writeRecord(_ record: Record) {
        writeStaticString("{")
        writeAddress(record.address)
        writeStaticString(",\"value\":")
        if let value = record.value { writeImmutableBuffer(value.bytes) } else { writeStaticString("null") }
        writeStaticString(",\"updated_at\":")
        writeTime(record.updatedAt)
        writeStaticString(",\"deleted_at\":")
        writeTime(record.deletedAt)
        writeStaticString(",\"expires_at\":")
        writeTime(record.expiresAt)
        writeStaticString(",\"seq\":")
        writeDecimal(record.sequence.rawValue)
        writeStaticString("}")
    }

    /// Appends `"user_id":…,"collection":…,"key":…`.
    mutating func writeAddress(_ address: RecordAddress) {
        writeStaticString("\"user_id\":")
        writeJSON(address.owner.text)
        writeStaticString(",\"collection\":")
        writeJSON(address.collection.text)
        writeStaticString(",\"key\":")
        writeJSON(address.key.text)
    }

    /// Appends an RFC 3339 time in quotes, or `null`.
    public mutating func writeTime(_ time: Timestamp?) {
        guard let time else {
            writeStaticString("null")
            return
        }
        writeStaticString("\"")
        time.write(to: &self)
        writeStaticString("\"")
    }

    /// Appends a JSON string, or `null`.
    public mutating func writeJSON(_ string: String?) {
        if let string { writeJSON(string) } else { writeStaticString("null") }
    }

    /// Appends `[a,b,…]`.
    public mutating func writeJSONArray<Element>(
        _ elements: some Sequence<Element>, _ write: (inout ByteBuffer, Element) -> Void
    ) {
        writeStaticString("[")
        var isFirst = true
        for element in elements {
            if !isFirst { writeStaticString(",") }
            isFirst = false
            write(&self, element)
        }
        writeStaticString("]")
    }
}
