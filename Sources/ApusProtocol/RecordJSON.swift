public import ApusCore
public import NIOCore

extension JSONPen {
    /// Writes the record in the contract's form, its value spliced in as it was sent.
    public mutating func write(_ record: Record) {
        write(raw: "{")
        write(record.address)
        write(raw: ",\"value\":")
        if let value = record.value { write(value) } else { write(raw: "null") }
        write(raw: ",\"updated_at\":")
        write(record.updatedAt)
        write(raw: ",\"deleted_at\":")
        write(record.deletedAt)
        write(raw: ",\"expires_at\":")
        write(record.expiresAt)
        write(raw: ",\"seq\":")
        write(record.sequence.rawValue)
        write(raw: "}")
    }

    public static func bytesMax(_ record: Record) -> Int {
        let names = 64
        return names + bytesMax(record.address) + (record.value?.byteCount ?? 4) + 3 * timeBytesMax + numberBytesMax
    }

    /// Writes `"user_id":…,"collection":…,"key":…`.
    mutating func write(_ address: RecordAddress) {
        write(raw: "\"user_id\":")
        write(address.owner.text)
        write(raw: ",\"collection\":")
        write(address.collection.text)
        write(raw: ",\"key\":")
        write(address.key.text)
    }

    static func bytesMax(_ address: RecordAddress) -> Int {
        let names = 32
        return names + bytesMax(address.owner.text) + bytesMax(address.collection.text) + bytesMax(address.key.text)
    }
}

extension ByteBuffer {
    /// Appends the record in the contract's form, its value spliced in as it was sent.
    public mutating func writeRecord(_ record: Record) {
        writeJSON(bytesMax: JSONPen.bytesMax(record)) { $0.write(record) }
    }

    /// Appends `"user_id":…,"collection":…,"key":…`.
    mutating func writeAddress(_ address: RecordAddress) {
        writeJSON(bytesMax: JSONPen.bytesMax(address)) { $0.write(address) }
    }

    /// Appends an RFC 3339 time in quotes, or `null`.
    public mutating func writeTime(_ time: Timestamp?) {
        writeJSON(bytesMax: JSONPen.timeBytesMax) { $0.write(time) }
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
