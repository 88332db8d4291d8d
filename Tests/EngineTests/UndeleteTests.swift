import ApusCore
import ApusTesting
import Testing

@testable import ApusEngine

@Suite struct UndeletePlanningTests {
    private var shelf = Shelf()

    @Test mutating func `a deleted record comes back as a change that comes after the deletion`() throws {
        shelf.write(.set("k", "[1]", expiry: .afterSeconds(60)))
        let later = start.advanced(bySeconds: 30)
        shelf.write(.delete("k", at: later), at: start)
        var planner = shelf.planner(at: start)
        let record = try planner.undelete(RecordAddress("k"), value: shelf.kept[RecordAddress("k")], origin: .admin)
        #expect(record.story == "k=[1] #3")
        #expect(record.updatedAt == later.advanced(byMilliseconds: 1), "the deletion's own time was ahead")
        #expect(record.expiresAt == nil && record.deletedAt == nil && record.committedAt == start)
        #expect(planner.changes.map(\.record) == [record] && !planner.changes[0].isExpiry)
        #expect(
            planner.batch.audit == [
                AuditEntry(at: start, origin: .admin, action: "data.undelete", target: "u1/c/k")
            ])
        shelf.keep(planner)
        #expect(shelf.kept.isEmpty && shelf["k"] == record)
    }

    @Test mutating func `what is not deleted, or kept nothing, is not restored and nothing is noted`() throws {
        shelf.write(.set("live"))
        shelf.write(.set("expired", expiry: .afterSeconds(1)))
        shelf.write(.set("deleted"))
        shelf.write(.delete("deleted"))
        shelf.kept = [:]
        var planner = shelf.planner(at: start.advanced(bySeconds: 2))
        let codes: [(String, ApusError.Code)] = [
            ("live", .preconditionFailed), ("expired", .notFound), ("deleted", .notFound), ("never", .notFound),
        ]
        for (key, code) in codes {
            let error = try #require(throws: ApusError.self) {
                _ = try planner.undelete(RecordAddress(key), value: nil, origin: .admin)
            }
            #expect(error.code == code, "\(key)")
            if code == .notFound { #expect(error.message.hasPrefix("nothing to restore: ")) }
        }
        #expect(planner.batch.isEmpty && planner.changes.isEmpty)
    }

    @Test mutating func `a record that was written and deleted in one commit keeps what was written last`() {
        shelf.write(.set("a", "1"))
        shelf.write(.delete("a"))
        shelf.write(.bulk([.set("a", "2"), .delete("a"), .set("b", "3"), .set("b", "4"), .delete("b")]))
        #expect(shelf.kept.mapValues(\.text) == [RecordAddress("a"): "2", RecordAddress("b"): "4"])
        shelf.write(.bulk([.set("a", "5"), .delete("b"), .set("b", "6")]))
        #expect(shelf.kept.isEmpty)
        shelf.write(.bulk([.delete("a"), .set("a", "7"), .delete("a")]))
        #expect(shelf.kept.mapValues(\.text) == [RecordAddress("a"): "7"])
    }

    @Test mutating func `a refused bulk leaves what an earlier request of the commit let a tombstone keep`() {
        shelf.write(.set("a", "1"))
        var planner = shelf.planner()
        #expect(planner.decide(.single(.delete("a"))).stories == ["applied a deleted #2"])
        let before = Decisions(planner)
        let refused = planner.decide(.bulk([.set("a", "2"), .set("b", at: start.advanced(bySeconds: 90))]))
        #expect(refused.error?.code == .clockSkew)
        #expect(Decisions(planner) == before)
        shelf.keep(planner)
        #expect(shelf.kept.mapValues(\.text) == [RecordAddress("a"): "1"])
    }

    @Test mutating func `an expiry and an erasure keep nothing`() {
        shelf.write(.set("expired", expiry: .afterSeconds(1)))
        shelf.write(.set("erased"))
        shelf.write(.set("deleted"))
        shelf.write(.delete("deleted"))
        #expect(shelf.kept.count == 1)
        var planner = shelf.planner(at: start.advanced(bySeconds: 2))
        planner.expire(RecordAddress("expired"))
        for key in ["erased", "deleted"] { planner.erase(RecordAddress(key)) }
        #expect(planner.changes.map(\.record.story) == ["expired deleted #5", "erased deleted #6"])
        shelf.keep(planner)
        #expect(shelf.kept.isEmpty)
    }
}

@Suite struct EngineUndeleteTests {
    private let user = OwnerID(stored: "u1")

    private func undelete(_ key: String, _ stage: EngineStage) async -> Result<Record, ApusError> {
        await stage.answer { stage.engine.undelete(RecordAddress(key), origin: .admin, then: $0) }
    }

    private func look(_ key: String, _ stage: EngineStage) async -> Result<RestorableRecord, ApusError> {
        await stage.answer { stage.engine.storedRecord(at: RecordAddress(key), then: $0) }
    }

    private func code<Answer>(_ result: Result<Answer, ApusError>) -> ApusError.Code? {
        if case .failure(let error) = result { error.code } else { nil }
    }

    private func kept(_ key: String, _ stage: EngineStage) throws -> String? {
        try stage.reader().deletedValue(at: RecordAddress(key))?.text
    }

    @Test func `who listens sees the record go and come back`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("k", "[1, 2]"))
        await stage.write(.delete("k"))
        #expect(try await look("k", stage).get().isRestorable)
        #expect(try stage.reader().usage(owner: user, liveAt: start) == OwnerUsage(records: 0, valueBytes: 0))
        let record = try await undelete("k", stage).get()
        #expect(stage.witness.stories() == ["k=[1, 2] #1", "k deleted #2", "k=[1, 2] #3"])
        #expect(try await stage.record("k") == record)
        #expect(try await look("k", stage).get() == RestorableRecord(record: record, isRestorable: false))
        #expect(try stage.reader().auditEntries(limit: 1).map(\.action) == ["data.undelete"])
        #expect(code(await undelete("k", stage)) == .preconditionFailed)
        #expect(code(await undelete("other", stage)) == .notFound)
        #expect(code(await look("other", stage)) == .notFound)
        #expect(stage.witness.commits.count == 3)
    }

    @Test func `a second deletion is refused and takes nothing of what is kept`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("k", "7"))
        await stage.write(.delete("k"))
        #expect(await stage.write(.delete("k")).stories == ["refused not-found"])
        #expect(try await undelete("k", stage).get().story == "k=7 #3")
    }

    @Test func `an expired record does not come back, neither before nor after it was swept`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("k", expiry: .afterSeconds(1)))
        stage.clock.advance(bySeconds: 2)
        #expect(code(await undelete("k", stage)) == .notFound)
        try await stage.sweep()
        #expect(code(await undelete("k", stage)) == .notFound)
        #expect(try await !look("k", stage).get().isRestorable)
        #expect(try kept("k", stage) == nil)
    }

    @Test func `a tombstone that was purged takes the value with it`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("k"))
        await stage.write(.delete("k"))
        stage.clock.advance(bySeconds: 30 * 86_400)
        try await stage.sweep()
        #expect(try await look("k", stage).get().isRestorable)
        stage.clock.advance(bySeconds: 1)
        try await stage.sweep()
        #expect(code(await undelete("k", stage)) == .notFound)
        #expect(try kept("k", stage) == nil)
    }

    @Test func `when the disk is full nothing is restored, and the value is still kept`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("k"))
        await stage.write(.delete("k"))
        stage.backend.failNextCommit(with: .storageFull(cause: "ENOSPC"))
        #expect(code(await undelete("k", stage)) == .storageFull)
        #expect(stage.witness.commits.count == 2)
        #expect(try await undelete("k", stage).get().story == "k=1 #3")
    }

    @Test(arguments: [1, 499, 500, 501, 1201])
    func `a deleted user's records are gone for good, also those deleted before`(count: Int) async throws {
        let stage = try EngineStage()
        for key in 0..<count { stage.engine.write(.single(.set("k\(key)"))) { _ in } }
        for key in 0..<count { stage.engine.write(.single(.delete("k\(key)"))) { _ in } }
        await stage.write(.set("live"))
        await stage.write(.set("k"), owner: "u2")
        await stage.write(.delete("k"), owner: "u2")
        #expect(try stage.reader().tombstonesWithValue(owner: user, limit: 9999).count == count)
        let before = stage.witness.changes().count
        _ = try await stage.answer { stage.engine.deleteUser(user, origin: .admin, then: $0) }.get()
        #expect(try stage.reader().tombstonesWithValue(owner: user, limit: 1).isEmpty)
        for key in ["k0", "k\(count - 1)", "live"] {
            #expect(try kept(key, stage) == nil)
            #expect(code(await undelete(key, stage)) == .notFound)
        }
        #expect(stage.witness.changes().count == before + 1, "who was told of a deletion is not told again")
        #expect(try stage.reader().tombstonesWithValue(owner: OwnerID(stored: "u2"), limit: 9).count == 1)
    }

    @Test func `a user of whom only kept values are left can be deleted, once`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("k"))
        await stage.write(.delete("k"))
        _ = try await stage.answer { stage.engine.deleteUser(user, origin: .admin, then: $0) }.get()
        #expect(try kept("k", stage) == nil)
        #expect(code(await stage.answer { stage.engine.deleteUser(user, origin: .admin, then: $0) }) == .notFound)
    }

    @Test func `a record that is deleted while its user is being deleted keeps nothing in the end`() async throws {
        let stage = try EngineStage()
        for key in 0..<600 { stage.engine.write(.single(.set("k\(key)"))) { _ in } }
        await stage.write(.set("last"))
        let committer = try stage.sweeper().committer
        func erase(_ reached: EraseUser.Reached?) async throws -> EraseUser.Reached? {
            try await stage.answer { then in
                committer.submit(
                    .alone(
                        EraseUser(
                            user: user, after: reached?.after ?? .zero, through: reached?.through, then: then)))
            }.get()
        }
        var reached = try await erase(nil)
        #expect(reached != nil)
        await stage.write(.delete("last"))
        #expect(try kept("last", stage) == "1")
        for _ in 0..<9 where reached != nil { reached = try await erase(reached) }
        #expect(reached == nil)
        #expect(try kept("last", stage) == nil)
        #expect(try stage.reader().tombstonesWithValue(owner: user, limit: 1).isEmpty)
    }
}
