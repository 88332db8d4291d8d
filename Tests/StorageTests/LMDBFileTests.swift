import ApusCore
import CLMDB
import Foundation
import NIOCore
import Testing

@testable import ApusLMDB

/// What an operator meets when a file is not as it should be, and how the file grows.
@Suite struct LMDBFileTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("data.lmdb")
    }

    private func open(_ access: StorageAccess = .serving) throws -> LMDBBackend {
        try LMDBBackend(path: path, durability: .normal, access: access, makeEpoch: { "epoch" })
    }

    /// The message of the refusal to open the file.
    private func refusal(_ access: StorageAccess = .serving) throws -> String {
        let error = try #require(throws: ApusError.self) { _ = try open(access) }
        #expect(error.code == .storageUnavailable)
        #expect(error.message.hasPrefix("the database \(path) cannot be opened: "))
        return error.message
    }

    private func bytes() throws -> Data { try Data(contentsOf: URL(filePath: path)) }

    private func write(_ count: Int, valueBytes: Int = 20, round: Int = 1) throws {
        let writer = try open().openWriter()
        defer { writer.close() }
        try writer.put(count, valueBytes: valueBytes, round: round)
    }

    @Test func `a file that is no database is refused, and left as it was`() throws {
        let text = Data(String(repeating: "Dear diary, ", count: 1000).utf8)
        try text.write(to: URL(filePath: path))
        #expect(try refusal().contains("it is not an LMDB database"))
        #expect(try bytes() == text)
    }

    @Test func `a database of another program is refused, and left as it was`() throws {
        do {
            var environment: OpaquePointer?
            mdb_env_create(&environment)
            mdb_env_set_maxdbs(environment, 4)
            #expect(mdb_env_open(environment, path, UInt32(MDB_NOSUBDIR), 0o600) == MDB_SUCCESS)
            var (transaction, table) = (OpaquePointer?.none, MDB_dbi(0))
            mdb_txn_begin(environment, nil, 0, &transaction)
            #expect(mdb_dbi_open(transaction, "notes", UInt32(MDB_CREATE), &table) == MDB_SUCCESS)
            #expect(mdb_txn_commit(transaction) == MDB_SUCCESS)
            mdb_env_close(environment)
        }
        let before = try bytes()
        #expect(try refusal().contains("it is an LMDB database of another program"))
        #expect(try bytes() == before)
    }

    @Test func `a database of a newer Apus is refused, with both versions named`() throws {
        do {
            let backend = try open()
            let writer = try #require(try backend.openWriter() as? LMDBWriter)
            defer { writer.close() }
            try writer.transaction { transaction throws(ApusError) in
                guard let view = (transaction as? LMDBTransaction)?.current else { return }
                let text = Array("\(Schema.mark)7".utf8)
                try text.withBytes { bytes throws(ApusError) in
                    try view.put(.meta, at: KeyBuffer().begin().add("schema"), bytes)
                }
            }
        }
        #expect(try refusal().contains("newer Apus (schema version 7; this one knows 3)"))
    }

    @Test(arguments: [StorageAccess.serving, .reading])
    func `a database that was cut short is refused as damaged, and left as it is`(access: StorageAccess) throws {
        try write(500, valueBytes: 500)
        let whole = try bytes()
        for part in [whole.count / 2, whole.count - 4096, 3 * 4096] {
            try whole.prefix(part).write(to: URL(filePath: path))
            #expect(try refusal(access).contains("it is damaged: a part of it is missing"))
            #expect(try bytes() == whole.prefix(part))
        }
        try whole.write(to: URL(filePath: path))
        #expect(try open(access).openReader().count() == 500)
    }

    @Test func `a directory is refused, and a path into a folder that does not exist`() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(try refusal().contains("it is a directory"))
        let error = try #require(throws: ApusError.self) {
            try LMDBBackend(path: folder.file("no/data.lmdb"), durability: .full, makeEpoch: { "epoch" })
        }
        #expect(error.message.hasSuffix("its folder does not exist"))
    }

    @Test func `a second server on the same file is refused, until the first is done`() throws {
        let first = try open()
        #expect(try refusal().contains("it is in use by another server"))
        let writer = try first.openWriter()
        #expect(try refusal().contains("it is in use by another server"))
        writer.close()
        let second = try open()
        #expect(second.description.epoch == first.description.epoch)
    }

    @Test func `names of the greatest length are stored and found`() throws {
        let name = { (count: Int) in String(repeating: "é", count: count / 2) }
        let long = RecordAddress(
            owner: try OwnerID(name(128)), collection: try CollectionName(name(128)), key: try RecordKey(name(256)))
        let backend = try open()
        let writer = try backend.openWriter()
        defer { writer.close() }
        let record = Record(
            address: long, value: value(round: 1, bytes: 20), updatedAt: Timestamp(milliseconds: 1),
            expiresAt: Timestamp(milliseconds: 9), sequence: SequenceNumber(1),
            committedAt: Timestamp(milliseconds: 1))
        let device = Device(
            owner: long.owner, id: try DeviceID(name(128)), name: name(256), registeredAt: Timestamp(milliseconds: 1))
        let revocation = TokenRevocation(tokenID: name(256), keepUntil: Timestamp(milliseconds: 5))
        try writer.transaction { transaction throws(ApusError) in
            var batch = CommitBatch()
            batch.records = [CommitBatch.RecordWrite(record: record, replacing: nil)]
            batch.devices = [device]
            batch.revocations = [revocation]
            try transaction.apply(batch)
        }
        #expect(try backend.openReader().record(at: long) == record)
        #expect(try writer.devices(after: nil, limit: 9) == [device])
        #expect(try writer.revocations() == [revocation])
        #expect(
            try writer.transaction { (all) throws(ApusError) in
                try all.expired(at: Timestamp(milliseconds: 9), limit: 2)
            } == [long])
        #expect(try backend.faults(limit: 9) == [])
    }

    @Test func `the space of what is replaced is used again, readers or no readers`() throws {
        let backend = try open()
        let writer = try backend.openWriter()
        defer { writer.close() }
        let reader = backend.openReader()
        try writer.put(200, valueBytes: 3000, round: 0)
        for round in 1...5 { try writer.put(200, valueBytes: 3000, round: round) }
        let before = backend.bytesStored()
        for round in 6...60 {
            try writer.put(200, valueBytes: 3000, round: round)
            #expect(try reader.count() == 200)
        }
        #expect(backend.bytesStored() <= before + before / 4)
    }

    @Test func `a full map is told as no space, nothing is lost, and writing goes on when there is some`() throws {
        let backend = try open()
        let writer = try #require(try backend.openWriter() as? LMDBWriter)
        defer { writer.close() }
        try writer.put(10, round: 1)
        mdb_env_set_mapsize(writer.environment.handle, 400 << 10)
        let error = try #require(throws: ApusError.self) { try writer.put(1000, valueBytes: 2000, round: 2) }
        #expect(error.code == .storageFull)
        #expect(!error.message.contains(path))
        #expect(try writer.count() == 10)
        #expect(try writer.record(at: address(of: 7))?.value == value(round: 1, bytes: 20))
        mdb_env_set_mapsize(writer.environment.handle, 1 << 30)
        try writer.put(1000, valueBytes: 2000, round: 3)
        #expect(try writer.count() == 1000)
    }

    @Test func `after a fault of the disk nothing is written any more, and reads go on`() throws {
        let backend = try open()
        let writer = try backend.openWriter()
        defer { writer.close() }
        try writer.put(10, round: 1)
        let failing = ApusError.storageUnavailable(cause: "the disk is gone")
        #expect(throws: ApusError.self) { try writer.transaction { _ throws(ApusError) in throw failing } }
        let error = try #require(throws: ApusError.self) { try writer.put(10, round: 2) }
        #expect(error.code == .storageUnavailable)
        #expect(try backend.openReader().record(at: address(of: 7))?.value == value(round: 1, bytes: 20))
    }

    @Test func `an index that does not fit its rows is found and named`() throws {
        let backend = try open()
        let writer = try #require(try backend.openWriter() as? LMDBWriter)
        defer { writer.close() }
        try writer.put(3, round: 1)
        try writer.transaction { transaction throws(ApusError) in
            guard let view = (transaction as? LMDBTransaction)?.current else { return }
            try view.remove(.changes, at: KeyBuffer().begin().add(UInt32(1)).add(SequenceNumber(2)))
        }
        let faults = try backend.faults(limit: 9)
        #expect(
            faults == [
                "the record u1/c/1 is not among its owner's changes", "the index changes has 2 entries for 3 rows",
            ])
    }

    @Test func `after a crash the file holds every commit`() throws {
        let writer = try open().openWriter()
        defer { writer.close() }
        for round in 0..<20 { try writer.put(20, round: round) }
        let copy = folder.file("crashed.lmdb")
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        let backend = try LMDBBackend(path: copy, durability: .full, makeEpoch: { "another" })
        #expect(backend.description.epoch == Epoch("epoch"))
        #expect(try backend.openReader().ownerState(OwnerID("u1")).lastSequence == SequenceNumber(400))
        #expect(try backend.faults(limit: 9) == [])
    }

    @Test func `a file that ends with free pages which were never written is whole`() throws {
        do {
            let writer = try open().openWriter()
            defer { writer.close() }
            try writer.put(300, valueBytes: 3000, round: 1)
            // The first of these is written behind the long values, the others where those were.
            for round in 2...7 { try writer.put(300, round: round) }
        }
        let environment = try Environment.open(path, durability: .full, access: .reading) { "" }
        var (info, status) = (MDB_envinfo(), MDB_stat())
        mdb_env_info(environment.handle, &info)
        mdb_env_stat(environment.handle, &status)
        let last = info.me_last_pgno
        var free: Set<UInt> = []
        let transaction = try environment.begin(isReadOnly: true)
        defer { mdb_txn_abort(transaction) }
        var cursor: OpaquePointer?
        #expect(mdb_cursor_open(transaction, 0, &cursor) == MDB_SUCCESS)
        var (key, list) = (MDB_val(), MDB_val())
        while mdb_cursor_get(cursor, &key, &list, MDB_NEXT) == MDB_SUCCESS {
            free.formUnion(UnsafeRawBufferPointer(list).bindMemory(to: UInt.self).dropFirst())
        }
        mdb_cursor_close(cursor)
        #expect(!free.isEmpty)
        // As many pages as are free at the end may be missing; one more may not.
        var whole = Int(last) + 1
        while free.contains(UInt(whole - 1)) { whole -= 1 }
        #expect(whole <= Int(last), "nothing is missing that could be")
        let copy = folder.file("copy.lmdb")
        for (pages, isRefused) in [(whole, false), (whole - 1, true), (whole / 2, true)] {
            try bytes().prefix(pages * Int(status.ms_psize)).write(to: URL(filePath: copy))
            var refusal: ApusError?
            do throws(ApusError) { try FileLength(of: copy).check() } catch { refusal = error }
            #expect((refusal != nil) == isRefused, "\(pages) of \(last + 1) pages")
        }
    }
}
