import ApusCore
import ApusMemory
import ApusSQLite
import ApusTesting
import Testing

@Suite struct StorageLawsTests {
    @Test(arguments: StorageLaws.all)
    func `SQLite in full durability obeys`(_ law: StorageLaw) async throws {
        let folder = try TemporaryFolder()
        try await law.check(.sqlite(in: folder, .full))
    }

    @Test(arguments: StorageLaws.all)
    func `SQLite in normal durability obeys`(_ law: StorageLaw) async throws {
        let folder = try TemporaryFolder()
        try await law.check(.sqlite(in: folder, .normal))
    }

    @Test(arguments: StorageLaws.all)
    func `memory obeys`(_ law: StorageLaw) async throws {
        let backend = MemoryBackend(makeEpoch: { "memory" })
        try await law.check(StoragePlace(isKept: false) { backend })
    }

    @Test(arguments: UInt64(1)...4)
    func `SQLite gives the same answers as memory, whatever is done`(seed: UInt64) throws {
        let folder = try TemporaryFolder()
        let sqlite = try SQLiteBackend(path: folder.file("data.db"), durability: .normal, makeEpoch: { "sqlite" })
        try StorageComparison(seed: seed).run(sqlite, MemoryBackend(makeEpoch: { "memory" }))
    }
}

extension StoragePlace {
    static func sqlite(in folder: TemporaryFolder, _ durability: Durability) -> StoragePlace {
        StoragePlace(isKept: true) {
            try SQLiteBackend(
                path: folder.file("data.db"), durability: durability,
                makeEpoch: { String(UInt64.random(in: 0...UInt64.max)) })
        }
    }
}
