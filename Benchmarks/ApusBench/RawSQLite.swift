import CSQLite
import Glibc

/// SQLite through its C API: the server's pragmas, its table of records with the same columns and unique indexes, one
/// prepared upsert.
final class RawSQLite: RawTables {
    private static let schema = """
        PRAGMA page_size = 4096;
        PRAGMA journal_mode = WAL;
        PRAGMA wal_autocheckpoint = 4000;
        PRAGMA cache_size = -32768;
        PRAGMA journal_size_limit = 65536000;
        PRAGMA temp_store = MEMORY;
        CREATE TABLE records (
            id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, scope INTEGER NOT NULL, seq INTEGER NOT NULL,
            committed_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, deleted_at INTEGER, expires_at INTEGER,
            key TEXT NOT NULL, value BLOB
        ) STRICT;
        CREATE UNIQUE INDEX records_by_key ON records (scope, key);
        CREATE UNIQUE INDEX records_by_seq ON records (owner, seq, scope);
        """

    private let database: OpaquePointer
    private let beginning: OpaquePointer
    private let committing: OpaquePointer
    private let upserting: OpaquePointer
    private let reading: OpaquePointer
    private let listing: OpaquePointer
    private let following: OpaquePointer
    private let key = RawKey()
    private let sink = RawSink()
    private var isClosed = false

    init(path: String, isDurable: Bool) throws {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        let code = sqlite3_open_v2(path, &opened, flags, nil)
        guard code == SQLITE_OK, let database = opened else { throw BenchError("SQLite \(code) for \(path)") }
        self.database = database
        try Self.execute(Self.schema + "PRAGMA synchronous = \(isDurable ? "FULL" : "NORMAL");", on: database)
        beginning = try Self.prepare("BEGIN IMMEDIATE", on: database)
        committing = try Self.prepare("COMMIT", on: database)
        upserting = try Self.prepare(
            """
            INSERT INTO records (owner, scope, seq, committed_at, updated_at, key, value)
            VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)
            ON CONFLICT (scope, key) DO UPDATE SET
                seq = excluded.seq, committed_at = excluded.committed_at, updated_at = excluded.updated_at,
                deleted_at = NULL, expires_at = NULL, value = excluded.value
            """, on: database)
        let columns = "id, scope, key, seq, committed_at, updated_at, deleted_at, expires_at, value"
        reading = try Self.prepare("SELECT \(columns) FROM records WHERE scope = ?1 AND key = ?2", on: database)
        listing = try Self.prepare(
            "SELECT \(columns) FROM records WHERE scope = ?1 ORDER BY key LIMIT ?2", on: database)
        following = try Self.prepare(
            "SELECT \(columns) FROM records WHERE owner = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3", on: database)
    }

    deinit {
        close()
    }

    func begin() throws { try run(beginning) }

    func commit() throws { try run(committing) }

    func upsert(_ row: RawRow, value: Bytes) throws {
        key.set(row.key)
        sqlite3_bind_int64(upserting, 1, Int64(row.owner))
        sqlite3_bind_int64(upserting, 2, Int64(row.scope))
        sqlite3_bind_int64(upserting, 3, Int64(row.sequence))
        sqlite3_bind_int64(upserting, 4, 1_790_000_000_000)
        bindKey(to: upserting, at: 5)
        sqlite3_bind_blob(upserting, 6, value.start, Int32(value.count), nil)
        try run(upserting)
    }

    func read(scope: Int, key number: Int) throws -> Int {
        key.set(number)
        sqlite3_bind_int64(reading, 1, Int64(scope))
        bindKey(to: reading, at: 2)
        var length = 0
        _ = try rows(of: reading) {
            length = Int(sqlite3_column_bytes($0, 8))
            sink.take(sqlite3_column_blob($0, 8), count: length)
        }
        return length
    }

    func list(scope: Int, limit: Int) throws -> Int {
        sqlite3_bind_int64(listing, 1, Int64(scope))
        sqlite3_bind_int64(listing, 2, Int64(limit))
        return try rows(of: listing) {
            sink.take(sqlite3_column_blob($0, 8), count: Int(sqlite3_column_bytes($0, 8)))
        }
    }

    func changes(owner: Int, after sequence: Int, limit: Int) throws -> Int {
        sqlite3_bind_int64(following, 1, Int64(owner))
        sqlite3_bind_int64(following, 2, Int64(sequence))
        sqlite3_bind_int64(following, 3, Int64(limit))
        return try rows(of: following) {
            sink.take(sqlite3_column_blob($0, 8), count: Int(sqlite3_column_bytes($0, 8)))
        }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        for statement in [beginning, committing, upserting, reading, listing, following] {
            sqlite3_finalize(statement)
        }
        sqlite3_close_v2(database)
    }

    private func bindKey(to statement: OpaquePointer, at place: Int32) {
        // Without a destructor SQLite takes the bytes to stay as they are until the statement is reset.
        key.bytes.start.withMemoryRebound(to: CChar.self, capacity: key.bytes.count) {
            _ = sqlite3_bind_text(statement, place, $0, Int32(key.bytes.count), nil)
        }
    }

    private func run(_ statement: OpaquePointer) throws {
        let code = sqlite3_step(statement)
        sqlite3_reset(statement)
        guard code == SQLITE_DONE else { throw Self.failure(code, on: database) }
    }

    private func rows(of statement: OpaquePointer, _ take: (OpaquePointer) -> Void) throws -> Int {
        defer { sqlite3_reset(statement) }
        var count = 0
        var code = sqlite3_step(statement)
        while code == SQLITE_ROW {
            take(statement)
            count += 1
            code = sqlite3_step(statement)
        }
        guard code == SQLITE_DONE else { throw Self.failure(code, on: database) }
        return count
    }

    private static func execute(_ text: String, on database: OpaquePointer) throws {
        let code = sqlite3_exec(database, text, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code, on: database) }
    }

    private static func prepare(_ text: String, on database: OpaquePointer) throws -> OpaquePointer {
        var statement: OpaquePointer?
        let flags = UInt32(SQLITE_PREPARE_PERSISTENT)
        let code = sqlite3_prepare_v3(database, text, -1, flags, &statement, nil)
        guard code == SQLITE_OK, let statement else { throw failure(code, on: database) }
        return statement
    }

    private static func failure(_ code: Int32, on database: OpaquePointer) -> BenchError {
        BenchError("SQLite \(code): \(String(cString: sqlite3_errmsg(database)))")
    }
}

/// A record's key as bytes, written anew for each use.
struct RawKey {
    let bytes = Bytes(capacity: 1 + KeySpace.keyWidth)

    init() {
        bytes.append([UInt8](repeating: UInt8(ascii: "k"), count: 1 + KeySpace.keyWidth))
    }

    func set(_ number: Int) {
        bytes.write(number, width: KeySpace.keyWidth, at: 1)
    }
}
