internal import ApusCore
internal import CSQLite
internal import NIOCore

/// A prepared statement, used by one caller at a time: bind, step until it is done, finish.
final class Statement {
    private let handle: OpaquePointer
    /// Outlives its statements.
    private unowned let connection: Connection
    private var bindingCode = SQLITE_OK

    /// - Throws: `storage-unavailable` when `text` does not fit the file's tables.
    init(_ text: String, on connection: Connection) throws(ApusError) {
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(
            connection.handle, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw connection.failure(code) }
        handle = prepared
        self.connection = connection
    }

    deinit {
        sqlite3_finalize(handle)
    }

    /// Goes to the next row; `false` when there is none.
    func step() throws(ApusError) -> Bool {
        guard bindingCode == SQLITE_OK else { throw connection.failure(bindingCode) }
        return try hasRow(after: sqlite3_step(handle))
    }

    /// Runs a statement that gives no rows, with `bytes` bound to `index` without a copy of them.
    ///
    /// - Parameter bytes: `nil` for NULL.
    func run(binding bytes: ByteBuffer?, at index: Int32) throws(ApusError) {
        guard let bytes else {
            sqlite3_bind_null(handle, index)
            return try run()
        }
        guard bytes.readableBytes > 0 else {
            // A null pointer would be bound as NULL.
            note(sqlite3_bind_zeroblob(handle, index, 0))
            return try run()
        }
        guard bindingCode == SQLITE_OK else { throw connection.failure(bindingCode) }
        let code = bytes.withUnsafeReadableBytes { raw in
            let bound = sqlite3_bind_blob64(handle, index, raw.baseAddress, UInt64(raw.count), nil)
            return bound == SQLITE_OK ? sqlite3_step(handle) : bound
        }
        _ = try hasRow(after: code)
    }

    /// Runs a statement that gives no rows.
    func run() throws(ApusError) {
        _ = try step()
    }

    /// Lets go of what was bound and read; needed before the next use.
    func finish() {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
        bindingCode = SQLITE_OK
    }

    private func hasRow(after code: Int32) throws(ApusError) -> Bool {
        switch code {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw connection.failure(code)
        }
    }
}

// MARK: - Binding

extension Statement {
    func bind(_ number: Int64?, at index: Int32) {
        guard let number else { return note(sqlite3_bind_null(handle, index)) }
        note(sqlite3_bind_int64(handle, index, number))
    }

    func bind(_ moment: Timestamp?, at index: Int32) {
        bind(moment?.milliseconds, at: index)
    }

    func bind(_ text: String?, at index: Int32) {
        guard var text else { return note(sqlite3_bind_null(handle, index)) }
        let code = text.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) { bytes in
                // An empty string may have no address, and a null pointer would be bound as NULL.
                guard let start = bytes.baseAddress else { return sqlite3_bind_text(handle, index, "", 0, nil) }
                return sqlite3_bind_text(handle, index, start, Int32(bytes.count), Self.copies)
            }
        }
        note(code)
    }

    /// For short bytes: they are copied.
    func bind(_ bytes: [UInt8], at index: Int32) {
        guard !bytes.isEmpty else { return note(sqlite3_bind_zeroblob(handle, index, 0)) }
        note(sqlite3_bind_blob64(handle, index, bytes, UInt64(bytes.count), Self.copies))
    }

    private func note(_ code: Int32) {
        if code != SQLITE_OK { bindingCode = code }
    }

    /// `SQLITE_TRANSIENT`, a cast in C that Swift does not import.
    private static var copies: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }
}

// MARK: - Reading columns

extension Statement {
    func number(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_NULL
    }

    func moment(_ column: Int32) -> Timestamp {
        Timestamp(milliseconds: number(column))
    }

    func optionalMoment(_ column: Int32) -> Timestamp? {
        isNull(column) ? nil : moment(column)
    }

    func text(_ column: Int32) -> String {
        guard let start = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    func optionalText(_ column: Int32) -> String? {
        isNull(column) ? nil : text(column)
    }

    /// The length of a blob, which is known without reading it.
    func byteCount(_ column: Int32) -> Int {
        Int(sqlite3_column_bytes(handle, column))
    }

    /// Appends a blob's bytes to `buffer`.
    func append(_ column: Int32, to buffer: inout ByteBuffer) {
        // The address comes first, as asking for it may move the bytes (sqlite.org/c3ref/column_blob.html).
        guard let start = sqlite3_column_blob(handle, column) else { return }
        buffer.writeBytes(UnsafeRawBufferPointer(start: start, count: byteCount(column)))
    }

    func bytes(_ column: Int32) -> ByteBuffer {
        var buffer = ByteBuffer()
        append(column, to: &buffer)
        return buffer
    }
}
