internal import ApusCore
internal import NIOCore

/// Puts the parts of a row together: numbers in eight bytes, texts and bytes behind their length in four, all
/// little-endian; what may be missing behind a byte that says whether it is there.
struct RowWriter {
    private(set) var bytes: [UInt8] = []

    mutating func add(_ number: Int64) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func add(_ moment: Timestamp) {
        add(moment.milliseconds)
    }

    mutating func add(_ moment: Timestamp?) {
        bytes.append(moment == nil ? 0 : 1)
        if let moment { add(moment) }
    }

    mutating func add(_ text: String) {
        add(length: text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }

    mutating func add(_ text: String?) {
        bytes.append(text == nil ? 0 : 1)
        if let text { add(text) }
    }

    mutating func add(_ more: some Collection<UInt8>) {
        add(length: more.count)
        bytes.append(contentsOf: more)
    }

    mutating func add(_ hash: AuditHash?) {
        bytes.append(hash == nil ? 0 : 1)
        if let hash { add(hash.bytes) }
    }

    mutating func add(_ json: JSONText?) {
        bytes.append(json == nil ? 0 : 1)
        if let json { add(json.bytes.readableBytesView) }
    }

    private mutating func add(length: Int) {
        withUnsafeBytes(of: UInt32(length).littleEndian) { bytes.append(contentsOf: $0) }
    }

    func put(_ table: Table, at key: KeyBuffer, in view: View) throws(ApusError) {
        try view.put(table, at: key, byteCount: bytes.count) { $0.copyBytes(from: bytes) }
    }
}

/// Takes a row apart that ``RowWriter`` put together.
struct RowReader {
    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) {
        rest = bytes
    }

    mutating func number() throws(ApusError) -> Int64 {
        Int64(littleEndian: try take(8).loadUnaligned(as: Int64.self))
    }

    mutating func moment() throws(ApusError) -> Timestamp {
        Timestamp(milliseconds: try number())
    }

    mutating func optionalMoment() throws(ApusError) -> Timestamp? {
        try isThere() ? try moment() : nil
    }

    mutating func text() throws(ApusError) -> String {
        String(decoding: try piece(), as: UTF8.self)
    }

    mutating func optionalText() throws(ApusError) -> String? {
        try isThere() ? try text() : nil
    }

    mutating func bytes() throws(ApusError) -> ByteBuffer {
        ByteBuffer(bytes: try piece())
    }

    mutating func optionalHash() throws(ApusError) -> AuditHash? {
        try isThere() ? AuditHash(stored: Array(try piece())) : nil
    }

    mutating func optionalJSON() throws(ApusError) -> JSONText? {
        try isThere() ? JSONText(validated: try bytes()) : nil
    }

    private mutating func isThere() throws(ApusError) -> Bool {
        try take(1)[0] != 0
    }

    private mutating func piece() throws(ApusError) -> UnsafeRawBufferPointer {
        let length = UInt32(littleEndian: try take(4).loadUnaligned(as: UInt32.self))
        return try take(Int(length))
    }

    private mutating func take(_ count: Int) throws(ApusError) -> UnsafeRawBufferPointer {
        guard rest.count >= count else { throw .storageUnavailable(cause: "a row ends too early") }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[count...]) }
        return UnsafeRawBufferPointer(rebasing: rest[..<count])
    }
}
