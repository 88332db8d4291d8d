import ApusCore
import CLMDB
import Foundation
import NIOCore
import Testing

@testable import ApusLMDB
@testable import ApusSQLite

/// Databases that an Apus wrote which knew of no devices (version 1), or of no numbers of audit entries (1 and 2).
@Suite struct EarlierVersionTests {
    private let folder: TemporaryFolder
    private var path: String { folder.file("data") }

    init() throws { folder = try TemporaryFolder() }

    /// By time, and by arrival at the same time: how versions before 3 kept them.
    private let audit = [(-1, "a"), (5, "b"), (5, "c"), (9, "d")].map { time, target in
        AuditEntry(at: Timestamp(milliseconds: time), origin: .system, action: "é", target: target, detail: "\0")
    }

    /// What they are now.
    private var numbered: [AuditEntry] {
        zip(audit, Int64(1)...).map { entry, number in
            var entry = entry
            entry.number = number
            return entry
        }
    }

    /// A database of that version with 30 records of one owner, a user and four audit entries.
    private func make(_ kind: KeptStorage, version: Int = 1) throws {
        do {
            let writer = try kind.open(path).openWriter()
            defer { writer.close() }
            try writer.put(30, round: 1)
            try writer.transaction { transaction throws(ApusError) in
                var batch = CommitBatch()
                batch.users = [User(id: try OwnerID("u1"), displayName: "é", createdAt: Timestamp(milliseconds: 4))]
                try transaction.apply(batch)
            }
        }
        switch kind {
        case .sqlite: try makeEarlierSQLite(version)
        case .lmdb: try makeEarlierLMDB(version)
        }
    }

    private func makeEarlierSQLite(_ version: Int) throws {
        let connection = try Connection(path: path, role: .writer(.full))
        defer { connection.close() }
        try connection.execute(
            """
            DROP TABLE audit;
            CREATE TABLE audit (
                at INTEGER NOT NULL, number INTEGER NOT NULL, actor TEXT NOT NULL, ip TEXT NOT NULL,
                request_id TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, outcome TEXT NOT NULL,
                detail TEXT NOT NULL, PRIMARY KEY (at, number)
            ) STRICT, WITHOUT ROWID;
            """)
        for (number, entry) in audit.enumerated().reversed() {
            let statement = try Statement(
                "INSERT INTO audit VALUES (?1, ?2, 'system', '', '', ?3, ?4, 'ok', ?5)", on: connection)
            statement.bind(entry.at, at: 1)
            statement.bind(Int64(number / 2 + 1), at: 2)
            for (text, index) in zip([entry.action, entry.target, entry.detail], Int32(3)...) {
                statement.bind(text, at: index)
            }
            try statement.run()
        }
        if version == 1 { try connection.execute("DROP TABLE devices") }
        try connection.execute("PRAGMA user_version = \(version); PRAGMA journal_mode = DELETE")
    }

    private func makeEarlierLMDB(_ version: Int) throws {
        var (environment, transaction) = (OpaquePointer?.none, OpaquePointer?.none)
        mdb_env_create(&environment)
        mdb_env_set_maxdbs(environment, 40)
        defer { mdb_env_close(environment) }
        try #require(mdb_env_open(environment, path, UInt32(MDB_NOSUBDIR), 0o600) == MDB_SUCCESS)
        try #require(mdb_txn_begin(environment, nil, 0, &transaction) == MDB_SUCCESS)
        func table(_ name: String, _ flags: Int32 = 0) throws -> MDB_dbi {
            var table = MDB_dbi(0)
            try #require(mdb_dbi_open(transaction, name, UInt32(flags), &table) == MDB_SUCCESS)
            return table
        }
        func put(_ table: MDB_dbi, _ name: [UInt8], _ row: [UInt8]) throws {
            var (name, row) = (name, row)
            let code = name.withUnsafeMutableBytes { name in
                row.withUnsafeMutableBytes { row in
                    var key = MDB_val(mv_size: name.count, mv_data: name.baseAddress)
                    var value = MDB_val(mv_size: row.count, mv_data: row.baseAddress)
                    return mdb_put(transaction, table, &key, &value, 0)
                }
            }
            try #require(code == MDB_SUCCESS)
        }
        if version == 1 { try #require(mdb_drop(transaction, table("devices"), 1) == MDB_SUCCESS) }
        try #require(mdb_drop(transaction, table("auditEntries"), 1) == MDB_SUCCESS)
        let earlier = try table("audit", MDB_CREATE)
        for (number, entry) in audit.enumerated().reversed() {
            let place = ByteBuffer(integer: UInt64(bitPattern: entry.at.milliseconds) ^ (1 << 63))
            let rank = ByteBuffer(integer: UInt64(number / 2 + 1) ^ (1 << 63))
            let texts = ["system", "", "", entry.action, entry.target, "ok", entry.detail].flatMap { text in
                Array(ByteBuffer(integer: UInt32(text.utf8.count), endianness: .little).readableBytesView) + text.utf8
            }
            try put(earlier, Array(place.readableBytesView) + rank.readableBytesView, texts)
        }
        try put(table("meta"), Array("schema".utf8), Array("apus \(version)".utf8))
        try #require(mdb_txn_commit(transaction) == MDB_SUCCESS)
    }

    private func expectWhole(_ reader: any StorageReader) throws {
        #expect(try reader.count() == 30)
        #expect(try reader.record(at: address(of: 7))?.value == value(round: 1, bytes: 20))
        #expect(try reader.users(after: nil, limit: 9).map(\.displayName) == ["é"])
        #expect(try reader.auditEntries(after: 0, limit: 9) == numbered)
        #expect(try reader.auditEntries(after: 1, limit: 2) == Array(numbered[1...2]))
        #expect(try reader.auditEntries(before: nil, limit: 9) == numbered.reversed())
        #expect(try reader.auditEntries(before: 4, limit: 2) == [numbered[2], numbered[1]])
        #expect(try reader.auditEntries(before: 1, limit: 9) == [] && reader.auditEntries(after: 4, limit: 9) == [])
    }

    private let device = Device(
        owner: OwnerID(stored: "u2"), id: DeviceID(stored: "tv"), registeredAt: Timestamp(milliseconds: 5))

    private func register(_ device: Device, _ backend: any StorageBackend) throws {
        let writer = try backend.openWriter()
        defer { writer.close() }
        try writer.transaction { transaction throws(ApusError) in
            var batch = CommitBatch()
            batch.devices = [device]
            try transaction.apply(batch)
        }
    }

    private static let versions = KeptStorage.all.flatMap { [($0, 1), ($0, 2)] }

    @Test(arguments: versions, [StorageAccess.serving, .existing])
    func `a database of a version before is taken over with everything in it`(
        _ earlier: (kind: KeptStorage, version: Int), access: StorageAccess
    ) throws {
        let kind = earlier.kind
        try make(kind, version: earlier.version)
        let before = try kind.open(path, access: .reading).description.epoch
        do {
            let backend = try kind.open(path, access: access)
            #expect(backend.description.schemaVersion == 3 && backend.description.epoch == before)
            try expectWhole(try backend.openReader())
            #expect(try backend.openReader().devices(after: nil, limit: 9).isEmpty)
            try register(device, backend)
            #expect(try backend.faults(limit: 9) == [])
        }
        let again = try kind.open(path, access: .reading)
        #expect(again.description.schemaVersion == 3 && again.description.epoch == before)
        try expectWhole(try again.openReader())
        #expect(try again.openReader().device(device.address) == device)
    }

    @Test(arguments: versions)
    func `a database of a version before is read as it is, without devices`(
        _ kind: KeptStorage, version: Int
    ) throws {
        try make(kind, version: version)
        let bytes = try Data(contentsOf: URL(filePath: path))
        let backend = try kind.open(path, access: .reading)
        #expect(backend.description.schemaVersion == version)
        let reader = try backend.openReader()
        try expectWhole(reader)
        #expect(try reader.device(device.address) == nil)
        #expect(try reader.devices(of: device.owner, after: nil, limit: 9).isEmpty)
        #expect(try reader.devices(after: nil, limit: 9).isEmpty)
        #expect(try backend.faults(limit: 9) == [])
        try backend.copy(to: folder.file("copy"))
        try expectWhole(try kind.open(folder.file("copy"), access: .reading).openReader())
        #expect(try kind.open(folder.file("copy"), access: .reading).description.schemaVersion == version)
        #expect(try Data(contentsOf: URL(filePath: path)) == bytes)
    }

    @Test func `a database whose other tables are not as they should be stays as it is`() throws {
        try make(.sqlite)
        let connection = try Connection(path: path, role: .writer(.full))
        try connection.execute("ALTER TABLE records RENAME COLUMN value TO worth")
        connection.close()
        let error = try #require(throws: ApusError.self) { _ = try KeptStorage.sqlite.open(path) }
        #expect(error.message.contains("its tables are not those of Apus"))
        let after = try Connection(path: path, role: .writer(.full))
        #expect(try after.number("PRAGMA user_version") == 1)
        #expect(try after.number("SELECT count(*) FROM sqlite_schema WHERE name = 'devices'") == 0)
        after.close()
    }
}
