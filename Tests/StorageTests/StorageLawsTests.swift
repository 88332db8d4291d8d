import ApusCore
import ApusMemory
import ApusTesting
import Testing

@Suite struct StorageLawsTests {
    @Test(arguments: StorageLaws.all, KeptStorage.all)
    func `a kept storage obeys in full durability`(_ law: StorageLaw, kind: KeptStorage) async throws {
        let folder = try TemporaryFolder()
        try await law.check(kind.place(in: folder, .full))
    }

    @Test(arguments: StorageLaws.all, KeptStorage.all)
    func `a kept storage obeys in normal durability`(_ law: StorageLaw, kind: KeptStorage) async throws {
        let folder = try TemporaryFolder()
        try await law.check(kind.place(in: folder, .normal))
    }

    @Test(arguments: StorageLaws.all)
    func `memory obeys`(_ law: StorageLaw) async throws {
        let backend = MemoryBackend(makeEpoch: { "memory" })
        try await law.check(StoragePlace(isKept: false) { backend })
    }

    @Test(arguments: UInt64(1)...4, KeptStorage.all)
    func `a kept storage gives the same answers as memory, whatever is done`(seed: UInt64, kind: KeptStorage) throws {
        let folder = try TemporaryFolder()
        let kept = try kind.open(folder.file("data"), durability: .normal)
        try StorageComparison(seed: seed).run(kept, MemoryBackend(makeEpoch: { "memory" }))
    }
}
