import ApusCore
import ApusServer
import ApusTesting
import Synchronization
import Testing

@testable import ApusUpkeep

@Suite struct MigrationTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func migration(
        _ from: String = "sqlite", _ to: String = "sqlite", target: NamedStorage? = nil, resumes: Bool = false
    ) throws -> Migration {
        var migration = Migration(
            from: try folder.storage(from, "from"), to: try target ?? folder.storage(to, "to"), resumes: resumes)
        migration.partRowsMax = 7
        return migration
    }

    private func expectSame(_ from: String, _ to: String, epoch: Epoch) throws {
        let (source, target) = (try folder.open(from, "from", .reading), try folder.open(to, "to", .existing))
        #expect(target.description.epoch == epoch)
        let (first, second) = (try source.openReader(), try target.openReader())
        #expect(try RowTally(of: first) == RowTally(of: second))
        #expect(try second.note(UnfinishedMigration.noteName) == nil)
        #expect(try second.auditEntries(limit: 99) == first.auditEntries(limit: 99))
        #expect(try second.tokens(afterNumber: .min, limit: 9).map(\.token.id) == ["t1", "t3", "t2"])
        #expect(try second.devices(after: nil, limit: 99) == first.devices(after: nil, limit: 99))
        #expect(try target.faults(limit: 9) == [])
    }

    @Test(arguments: keptPairs)
    func `everything is in the target, under the same epoch`(from: String, to: String) throws {
        let epoch = try folder.fill(from, "from", owners: 12)
        var seen: [MigrationProgress] = []
        guard case .done(let tally, epoch) = try migration(from, to).run(onProgress: { seen.append($0) }) else {
            Issue.record("it was not done")
            return
        }
        try expectSame(from, to, epoch: epoch)
        let copied = seen.filter { $0.phase == .copying }.map(\.rows)
        #expect(copied.count > 5 && copied == copied.sorted() && copied.last == tally.counts.total)
        let total = tally.counts.total
        #expect(seen.last == MigrationProgress(phase: .comparing, rows: total, total: total))
        #expect(try Checkup(of: folder.storage(to, "to")).run().findings.texts == [])
    }

    @Test(arguments: keptPairs)
    func `interrupted after any commit, it goes on from there`(from: String, to: String) throws {
        let epoch = try folder.fill(from, "from", owners: 3)
        let target = FaultyTarget(try folder.storage(to, "to"))
        var reached = 0
        var interruptions = 0
        while interruptions < 99 {
            let run = try migration(from, target: target.storage, resumes: true)
            do {
                _ = try run.run { progress in
                    guard progress.phase == .copying, progress.rows > reached else { return }
                    reached = progress.rows
                    target.failNextCommit()
                }
                break
            } catch {
                #expect(error.code == .storageFull && error.message.contains(folder.file("to")))
                interruptions += 1
                let unfinished = try folder.open(to, "to", .reading)
                #expect(unfinished.description.epoch != epoch)
                #expect(throws: ApusError.self) { try UnfinishedMigration.refuse(unfinished, to: "served") }
                #expect(
                    try Checkup(of: folder.storage(to, "to")).run().findings.texts.first?.contains("--resume") == true)
            }
        }
        #expect(interruptions > 4)
        try expectSame(from, to, epoch: epoch)
    }

    @Test(arguments: keptKinds)
    func `a target that holds something is refused and stays as it is`(_ kind: String) throws {
        try folder.fill(kind, "from")
        try folder.fill(kind, "to", owners: 1)
        let before = try RowTally(of: folder.open(kind, "to", .reading).openReader())
        for resumes in [false, true] {
            let told = try complaint { _ = try migration(kind, kind, resumes: resumes).run { _ in } }
            #expect(told.contains(folder.file("to")) && told.contains("holds something"))
        }
        #expect(try RowTally(of: folder.open(kind, "to", .reading).openReader()) == before)
    }

    @Test(arguments: keptKinds)
    func `an unfinished target needs --resume, and the same source`(_ kind: String) throws {
        try folder.fill(kind, "from")
        let target = FaultyTarget(try folder.storage(kind, "to"))
        #expect(throws: ApusError.self) {
            try migration(kind, target: target.storage).run { if $0.phase == .copying { target.failNextCommit() } }
        }
        let before = try folder.open(kind, "to", .reading).openReader().note(UnfinishedMigration.noteName)
        #expect(before != nil)
        #expect(try complaint { _ = try migration(kind, kind).run { _ in } }.contains("--resume"))
        try folder.fill(kind, "other")
        let other = Migration(
            from: try folder.storage(kind, "other"), to: try folder.storage(kind, "to"), resumes: true)
        #expect(try complaint { _ = try other.run { _ in } }.contains("another database"))
        let onward = Migration(
            from: try folder.storage(kind, "to"), to: try folder.storage(kind, "third"), resumes: false)
        #expect(try complaint { _ = try onward.run { _ in } }.contains("not finished"))
        let after = try folder.open(kind, "to", .reading).openReader().note(UnfinishedMigration.noteName)
        #expect(before == after)
        let source = try folder.open(kind, "from").openWriter()
        try source.commit { $0.users = [User(id: try OwnerID("new"), displayName: nil, createdAt: moment(0))] }
        source.close()
        let changed = try complaint { _ = try migration(kind, kind, resumes: true).run { _ in } }
        #expect(changed.contains("was written to after the migration began"))
    }

    @Test(arguments: keptKinds)
    func `a target that is complete is said to be, as long as it is the same`(_ kind: String) throws {
        let epoch = try folder.fill(kind, "from")
        _ = try migration(kind, kind).run { _ in }
        for resumes in [false, true] {
            guard case .nothingToDo = try migration(kind, kind, resumes: resumes).run(onProgress: { _ in }) else {
                Issue.record("something was done")
                return
            }
        }
        try expectSame(kind, kind, epoch: epoch)
        let writer = try folder.open(kind, "from").openWriter()
        try writer.commit { $0.users = [User(id: try OwnerID("new"), displayName: nil, createdAt: moment(0))] }
        writer.close()
        let told = try complaint { _ = try migration(kind, kind).run { _ in } }
        #expect(told.contains("not the same") && told.contains("users 2") && told.contains("users 3"))
    }

    @Test(arguments: keptKinds)
    func `a target that is not the same at the end stays unfinished`(_ kind: String) throws {
        try folder.fill(kind, "from")
        let path = folder.file("to")
        let target = NamedStorage(kind: kind, path: path) {
            [base = try folder.storage(kind, "to")] _, access
                throws(ApusError) in LosingBackend(try base.open(access))
        }
        #expect(try complaint { _ = try migration(kind, target: target).run { _ in } }.contains("not the same"))
        #expect(try complaint { try UnfinishedMigration.refuse(folder.open(kind, "to"), to: "served") }.contains(path))
    }

    @Test(arguments: keptKinds)
    func `an empty database is migrated, and into itself none is`(_ kind: String) throws {
        let epoch = try folder.open(kind, "from").description.epoch
        guard case .done(let tally, epoch) = try migration(kind, kind).run(onProgress: { _ in }) else {
            Issue.record("it was not done")
            return
        }
        #expect(tally.counts.total == 0)
        #expect(try folder.open(kind, "to").description.epoch == epoch)
        let itself = Migration(
            from: try folder.storage(kind, "from"), to: try folder.storage(kind, "./from"), resumes: true)
        #expect(try complaint(.badParameter) { _ = try itself.run { _ in } }.contains("itself"))
        let beside = Migration(
            from: try folder.storage(kind, "from"), to: try folder.storage(kind, "from-lock"), resumes: false)
        #expect(try complaint(.badParameter) { _ = try beside.run { _ in } }.contains("itself"))
    }

    @Test(arguments: keptKinds)
    func `what is in use, missing or kept nowhere is refused before anything is made`(_ kind: String) throws {
        #expect(try complaint { _ = try migration(kind, kind).run { _ in } }.contains(folder.file("from")))
        #expect(try folder.contents().isEmpty)
        let inUse = try folder.open(kind, "from")
        #expect(try complaint { _ = try migration(kind, kind).run { _ in } }.contains("in use"))
        withExtendedLifetime(inUse) {}
        let memory = try PluginRegistry.standard.storage(StorageURL("memory:"))
        let fromMemory = Migration(from: memory, to: try folder.storage(kind, "to"), resumes: false)
        #expect(try complaint(.badParameter) { _ = try fromMemory.run { _ in } }.contains("keeps nothing"))
        #expect(try folder.contents().keys.filter { $0.hasPrefix("to") }.isEmpty)
    }
}

/// A storage whose commits fail when they are told to.
private final class FaultyTarget: Sendable {
    private let base: NamedStorage
    private let opened = Mutex<FaultyBackend?>(nil)

    init(_ base: NamedStorage) { self.base = base }

    var storage: NamedStorage {
        NamedStorage(kind: base.kind, path: base.path) { [self] _, access throws(ApusError) in
            opened.withLock { $0 = nil }
            let backend = FaultyBackend(try base.open(access))
            opened.withLock { $0 = backend }
            return backend
        }
    }

    func failNextCommit() {
        opened.withLock { $0?.failNextCommit(with: .storageFull(cause: "as was to be")) }
    }
}

/// Forgets what is written to it in one place.
private struct LosingBackend: StorageBackend {
    let base: any StorageBackend

    init(_ base: any StorageBackend) { self.base = base }

    var description: StorageDescription { base.description }
    func openWriter() throws(ApusError) -> any StorageWriter { try base.openWriter() }
    func bytesStored() -> Int { base.bytesStored() }
    func copy(to path: String) throws(ApusError) { try base.copy(to: path) }
    func faults(limit: Int) throws(ApusError) -> [String] { try base.faults(limit: limit) }

    /// Another storage that is empty: whatever was written is not found again.
    func openReader() throws(ApusError) -> any StorageReader {
        try PluginRegistry.standard.openStorage(StorageURL("memory:"), durability: .none, access: .serving).openReader()
    }
}
