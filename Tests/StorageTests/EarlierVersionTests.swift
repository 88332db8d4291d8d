import ApusCore
import CLMDB
import Foundation
import NIOCore
import Testing

@testable import ApusLMDB
@testable import ApusSQLite

/// Databases that an Apus wrote which knew of no devices.
@Suite struct EarlierVersionTests {
    private let folder: TemporaryFolder
    private var path: String { folder.file("data") }

    init() throws { folder = try TemporaryFolder() }

    /// A database of version 1 with 30 records of one owner and a user.
    private func make(_ kind: KeptStorage) throws {
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
        case .sqlite:
            let connection = try Connection(path: path, role: .writer(.full))
            try connection.execute("DROP TABLE devices; PRAGMA user_version = 1; PRAGMA journal_mode = DELETE")
            connection.close()
        case .lmdb: try dropDevices()
        }
    }

    private func dropDevices() throws {
        var (environment, transaction) = (OpaquePointer?.none, OpaquePointer?.none)
        var (devices, meta) = (MDB_dbi(0), MDB_dbi(0))
        mdb_env_create(&environment)
        mdb_env_set_maxdbs(environment, 40)
        defer { mdb_env_close(environment) }
        try #require(mdb_env_open(environment, path, UInt32(MDB_NOSUBDIR), 0o600) == MDB_SUCCESS)
        try #require(mdb_txn_begin(environment, nil, 0, &transaction) == MDB_SUCCESS)
        try #require(mdb_dbi_open(transaction, "devices", 0, &devices) == MDB_SUCCESS)
        try #require(mdb_dbi_open(transaction, "meta", 0, &meta) == MDB_SUCCESS)
        try #require(mdb_drop(transaction, devices, 1) == MDB_SUCCESS)
        var (name, version) = (Array("schema".utf8), Array("apus 1".utf8))
        let code = name.withUnsafeMutableBytes { name in
            version.withUnsafeMutableBytes { version in
                var key = MDB_val(mv_size: name.count, mv_data: name.baseAddress)
                var value = MDB_val(mv_size: version.count, mv_data: version.baseAddress)
                return mdb_put(transaction, meta, &key, &value, 0)
            }
        }
        try #require(code == MDB_SUCCESS && mdb_txn_commit(transaction) == MDB_SUCCESS)
    }

    private func expectWhole(_ reader: any StorageReader) throws {
        #expect(try reader.count() == 30)
        #expect(try reader.record(at: address(of: 7))?.value == value(round: 1, bytes: 20))
        #expect(try reader.users(after: nil, limit: 9).map(\.displayName) == ["é"])
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

    @Test(arguments: KeptStorage.all, [StorageAccess.serving, .existing])
    func `a database of the version before is taken over with everything in it`(
        _ kind: KeptStorage, access: StorageAccess
    ) throws {
        try make(kind)
        let before = try kind.open(path, access: .reading).description.epoch
        do {
            let backend = try kind.open(path, access: access)
            #expect(backend.description.schemaVersion == 2 && backend.description.epoch == before)
            try expectWhole(try backend.openReader())
            #expect(try backend.openReader().devices(after: nil, limit: 9).isEmpty)
            try register(device, backend)
            #expect(try backend.faults(limit: 9) == [])
        }
        let again = try kind.open(path, access: .reading)
        #expect(again.description.schemaVersion == 2 && again.description.epoch == before)
        try expectWhole(try again.openReader())
        #expect(try again.openReader().device(device.address) == device)
    }

    @Test(arguments: KeptStorage.all)
    func `a database of the version before is read as it is, without devices`(_ kind: KeptStorage) throws {
        try make(kind)
        let bytes = try Data(contentsOf: URL(filePath: path))
        let backend = try kind.open(path, access: .reading)
        #expect(backend.description.schemaVersion == 1)
        let reader = try backend.openReader()
        try expectWhole(reader)
        #expect(try reader.device(device.address) == nil)
        #expect(try reader.devices(of: device.owner, after: nil, limit: 9).isEmpty)
        #expect(try reader.devices(after: nil, limit: 9).isEmpty)
        #expect(try backend.faults(limit: 9) == [])
        try backend.copy(to: folder.file("copy"))
        try expectWhole(try kind.open(folder.file("copy"), access: .reading).openReader())
        #expect(try kind.open(folder.file("copy"), access: .reading).description.schemaVersion == 1)
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
