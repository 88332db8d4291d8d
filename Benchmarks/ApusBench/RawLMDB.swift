import CLMDB
import Glibc

/// LMDB through its C API: records by scope and key, and beside them, by owner and change number, where a change's
/// record is.
///
/// Every transaction begins and ends on the thread that uses it.
final class RawLMDB: RawTables {
    /// The change number and four times stand before a value.
    private static let headBytes = 40
    private static let mapBytes = 32 << 30

    private let environment: OpaquePointer
    private let records: MDB_dbi
    private let changes: MDB_dbi
    private let reading: OpaquePointer
    private var writing: OpaquePointer?
    private var isClosed = false
    private let recordKey = Bytes(capacity: 4 + 1 + KeySpace.keyWidth)
    private let changeKey = Bytes(capacity: 12)
    private let oldChangeKey = Bytes(capacity: 12)
    private let sink = RawSink()
    private let stored = Bytes(capacity: headBytes + KeySpace.valueBytes)

    init(path: String, isDurable: Bool) throws {
        var made: OpaquePointer?
        try Self.check(mdb_env_create(&made))
        guard let environment = made else { throw BenchError("LMDB made no environment") }
        self.environment = environment
        try Self.check(mdb_env_set_mapsize(environment, Self.mapBytes))
        try Self.check(mdb_env_set_maxdbs(environment, 2))
        let flags = UInt32(MDB_NOSUBDIR) | UInt32(MDB_NOTLS) | (isDurable ? 0 : UInt32(MDB_NOMETASYNC))
        try Self.check(mdb_env_open(environment, path, flags, 0o600))
        var opening: OpaquePointer?
        try Self.check(mdb_txn_begin(environment, nil, 0, &opening))
        var (records, changes): (MDB_dbi, MDB_dbi) = (0, 0)
        try Self.check(mdb_dbi_open(opening, "records", UInt32(MDB_CREATE), &records))
        try Self.check(mdb_dbi_open(opening, "changes", UInt32(MDB_CREATE), &changes))
        try Self.check(mdb_txn_commit(opening))
        (self.records, self.changes) = (records, changes)
        var begun: OpaquePointer?
        try Self.check(mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &begun))
        guard let reading = begun else { throw BenchError("LMDB made no transaction") }
        self.reading = reading
        mdb_txn_reset(reading)
        recordKey.append([UInt8](repeating: UInt8(ascii: "k"), count: recordKey.capacity))
        changeKey.append([UInt8](repeating: 0, count: changeKey.capacity))
        oldChangeKey.append([UInt8](repeating: 0, count: oldChangeKey.capacity))
        stored.append([UInt8](repeating: 0, count: Self.headBytes))
    }

    deinit {
        close()
    }

    func begin() throws {
        try Self.check(mdb_txn_begin(environment, nil, 0, &writing))
    }

    func commit() throws {
        let ending = writing
        writing = nil
        try Self.check(mdb_txn_commit(ending))
    }

    func upsert(_ row: RawRow, value: Bytes) throws {
        set(recordKey, scope: row.scope, key: row.key)
        set(changeKey, owner: row.owner, sequence: row.sequence)
        var key = recordKey.asValue
        var previous = MDB_val()
        if try Self.isFound(mdb_get(writing, records, &key, &previous)) {
            let sequence = previous.mv_data.loadUnaligned(as: Int64.self)
            set(oldChangeKey, owner: row.owner, sequence: Int(sequence))
            var oldKey = oldChangeKey.asValue
            try Self.check(mdb_del(writing, changes, &oldKey, nil))
        }
        stored.clear()
        stored.grow(by: Self.headBytes)
        UnsafeMutableRawPointer(stored.start).storeBytes(of: Int64(row.sequence), as: Int64.self)
        guard value.count <= stored.free else { throw BenchError("a value of \(value.count) bytes") }
        memcpy(stored.end, value.start, value.count)
        stored.grow(by: value.count)
        var data = stored.asValue
        try Self.check(mdb_put(writing, records, &key, &data, 0))
        var changedKey = changeKey.asValue
        var place = recordKey.asValue
        try Self.check(mdb_put(writing, changes, &changedKey, &place, 0))
    }

    func read(scope: Int, key number: Int) throws -> Int {
        try snapshot {
            set(recordKey, scope: scope, key: number)
            var key = recordKey.asValue
            var data = MDB_val()
            guard try Self.isFound(mdb_get(reading, records, &key, &data)) else { return 0 }
            sink.take(data.mv_data, count: data.mv_size)
            return data.mv_size - Self.headBytes
        }
    }

    func list(scope: Int, limit: Int) throws -> Int {
        try snapshot {
            set(recordKey, scope: scope, key: 0)
            return try walk(records, from: recordKey, limit: limit) { key, data in
                guard memcmp(key.mv_data, recordKey.start, 4) == 0 else { return false }
                sink.take(data.mv_data, count: data.mv_size)
                return true
            }
        }
    }

    func changes(owner: Int, after sequence: Int, limit: Int) throws -> Int {
        try snapshot {
            set(changeKey, owner: owner, sequence: sequence + 1)
            return try walk(changes, from: changeKey, limit: limit) { key, place in
                guard memcmp(key.mv_data, changeKey.start, 4) == 0 else { return false }
                var address = place
                var data = MDB_val()
                guard try Self.isFound(mdb_get(reading, records, &address, &data)) else { return false }
                sink.take(data.mv_data, count: data.mv_size)
                return true
            }
        }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        if let writing { mdb_txn_abort(writing) }
        mdb_txn_abort(reading)
        mdb_env_close(environment)
    }

    private func snapshot<Answer>(_ body: () throws -> Answer) throws -> Answer {
        try Self.check(mdb_txn_renew(reading))
        defer { mdb_txn_reset(reading) }
        return try body()
    }

    private func walk(
        _ table: MDB_dbi, from start: Bytes, limit: Int, isWanted: (MDB_val, MDB_val) throws -> Bool
    ) throws -> Int {
        var cursor: OpaquePointer?
        try Self.check(mdb_cursor_open(reading, table, &cursor))
        defer { mdb_cursor_close(cursor) }
        var key = start.asValue
        var data = MDB_val()
        var count = 0
        var step = MDB_SET_RANGE
        while count < limit, try Self.isFound(mdb_cursor_get(cursor, &key, &data, step)), try isWanted(key, data) {
            count += 1
            step = MDB_NEXT
        }
        return count
    }

    private func set(_ bytes: Bytes, scope: Int, key: Int) {
        UnsafeMutableRawPointer(bytes.start).storeBytes(of: UInt32(scope).bigEndian, as: UInt32.self)
        bytes.write(key, width: KeySpace.keyWidth, at: 5)
    }

    private func set(_ bytes: Bytes, owner: Int, sequence: Int) {
        UnsafeMutableRawPointer(bytes.start).storeBytes(of: UInt32(owner).bigEndian, as: UInt32.self)
        UnsafeMutableRawPointer(bytes.start).storeBytes(
            of: UInt64(sequence).bigEndian, toByteOffset: 4, as: UInt64.self)
    }

    private static func isFound(_ code: Int32) throws -> Bool {
        if code == MDB_NOTFOUND { return false }
        try check(code)
        return true
    }

    private static func check(_ code: Int32) throws {
        guard code == 0 else { throw BenchError("LMDB \(code): \(String(cString: mdb_strerror(code)))") }
    }
}

extension Bytes {
    fileprivate var asValue: MDB_val { MDB_val(mv_size: count, mv_data: start) }
}
