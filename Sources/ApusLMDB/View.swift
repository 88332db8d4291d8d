internal import ApusCore
internal import CLMDB

/// The tables as one transaction sees them.
struct View {
    let transaction: OpaquePointer
    let environment: Environment
    /// In a transaction that writes.
    var writing: WriteCursors?

    /// The value under `key`; memory of LMDB's.
    func value(in table: Table, at key: KeyBuffer) throws(ApusError) -> UnsafeRawBufferPointer? {
        guard !key.isTooLong, let number = environment.number(of: table) else { return nil }
        var (key, value) = (key.value, MDB_val())
        let code: Int32
        if let writing {
            code = mdb_cursor_get(try writing.cursor(table, in: self), &key, &value, MDB_SET)
        } else {
            code = mdb_get(transaction, number, &key, &value)
        }
        if code == MDB_NOTFOUND { return nil }
        guard code == MDB_SUCCESS else { throw Environment.failure(code) }
        return UnsafeRawBufferPointer(value)
    }

    /// Calls `visit` with each key and value from `key` on, or with all, until it says `false`.
    ///
    /// `visit` must not write.
    func scan(
        _ table: Table, from key: KeyBuffer?,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(ApusError) -> Bool
    ) throws(ApusError) {
        if let key, key.isTooLong { return }
        guard environment.number(of: table) != nil else { return }
        let cursor = try cursor(table)
        defer { mdb_cursor_close(cursor) }
        var (found, value) = (key?.value ?? MDB_val(), MDB_val())
        var isThere = try move(cursor, key == nil ? MDB_FIRST : MDB_SET_RANGE, &found, &value)
        while isThere, try visit(UnsafeRawBufferPointer(found), UnsafeRawBufferPointer(value)) {
            isThere = try move(cursor, MDB_NEXT, &found, &value)
        }
    }

    /// The same for keys that begin with `prefix`.
    func scan(
        _ table: Table, prefix: KeyBuffer,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(ApusError) -> Bool
    ) throws(ApusError) {
        let bytes = Array(prefix.bytes)
        try scan(table, from: prefix) { key, value throws(ApusError) in
            guard bytes.withUnsafeBytes({ key.hasPrefix($0) }) else { return false }
            return try visit(key, value)
        }
    }

    /// Calls `visit` with each key and value before `key`, the nearest first, or with all, the last first, until it
    /// says `false`.
    func scanBack(
        _ table: Table, before key: KeyBuffer?,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(ApusError) -> Bool
    ) throws(ApusError) {
        if let key, key.isTooLong { return }
        guard environment.number(of: table) != nil else { return }
        let cursor = try cursor(table)
        defer { mdb_cursor_close(cursor) }
        var (found, value) = (key?.value ?? MDB_val(), MDB_val())
        let isAbove = key == nil ? false : try move(cursor, MDB_SET_RANGE, &found, &value)
        var isThere = try move(cursor, isAbove ? MDB_PREV : MDB_LAST, &found, &value)
        while isThere, try visit(UnsafeRawBufferPointer(found), UnsafeRawBufferPointer(value)) {
            isThere = try move(cursor, MDB_PREV, &found, &value)
        }
    }

    func count(_ table: Table) throws(ApusError) -> Int {
        guard let number = environment.number(of: table) else { return 0 }
        var status = MDB_stat()
        let code = mdb_stat(transaction, number, &status)
        guard code == MDB_SUCCESS else { throw Environment.failure(code) }
        return status.ms_entries
    }

    fileprivate func cursor(_ table: Table) throws(ApusError) -> OpaquePointer {
        guard let number = environment.number(of: table) else {
            preconditionFailure("a table that is not there has no rows to go to")
        }
        var opened: OpaquePointer?
        let code = mdb_cursor_open(transaction, number, &opened)
        guard code == MDB_SUCCESS, let opened else { throw Environment.failure(code) }
        return opened
    }

    private func move(
        _ cursor: OpaquePointer, _ step: MDB_cursor_op, _ key: inout MDB_val, _ value: inout MDB_val
    ) throws(ApusError) -> Bool {
        let code = mdb_cursor_get(cursor, &key, &value, step)
        guard code == MDB_SUCCESS || code == MDB_NOTFOUND else { throw Environment.failure(code) }
        return code == MDB_SUCCESS
    }
}

// MARK: - Writing

extension View {
    /// Writes the value that `fill` puts into the memory it is given, in place of one that was there.
    func put(
        _ table: Table, at key: KeyBuffer, byteCount: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(ApusError) {
        guard !key.isTooLong else { throw ApusError(.invalidField, "a name has too many bytes for the storage") }
        var (key, value) = (key.value, MDB_val(mv_size: byteCount, mv_data: nil))
        let code = mdb_cursor_put(try writingCursor(table), &key, &value, UInt32(MDB_RESERVE))
        guard code == MDB_SUCCESS else { throw Environment.failure(code) }
        fill(UnsafeMutableRawBufferPointer(start: value.mv_data, count: value.mv_size))
    }

    func put(_ table: Table, at key: KeyBuffer, _ bytes: UnsafeRawBufferPointer) throws(ApusError) {
        try put(table, at: key, byteCount: bytes.count) { $0.copyMemory(from: bytes) }
    }

    /// Writes an entry that is all key.
    func put(_ table: Table, at key: KeyBuffer) throws(ApusError) {
        try put(table, at: key, byteCount: 0) { _ in }
    }

    /// - Returns: whether there was something.
    @discardableResult
    func remove(_ table: Table, at key: KeyBuffer) throws(ApusError) -> Bool {
        guard !key.isTooLong else { return false }
        guard try value(in: table, at: key) != nil else { return false }
        let code = mdb_cursor_del(try writingCursor(table), 0)
        guard code == MDB_SUCCESS else { throw Environment.failure(code) }
        return true
    }

    private func writingCursor(_ table: Table) throws(ApusError) -> OpaquePointer {
        guard let writing else { preconditionFailure("this transaction does not write") }
        return try writing.cursor(table, in: self)
    }
}

/// A cursor for each table that a transaction writes to. It stands where the last row was, which is where the next is
/// likely to be: a search from the root is saved.
final class WriteCursors {
    private var cursors: [OpaquePointer?] = Array(repeating: nil, count: Table.allCases.count)

    func cursor(_ table: Table, in view: View) throws(ApusError) -> OpaquePointer {
        if let cursor = cursors[table.rawValue] { return cursor }
        let opened = try view.cursor(table)
        cursors[table.rawValue] = opened
        return opened
    }

    /// The transaction is over, and has closed them.
    func forgetAll() {
        for index in cursors.indices { cursors[index] = nil }
    }
}
