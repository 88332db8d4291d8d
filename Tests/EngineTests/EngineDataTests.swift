import ApusCore
import ApusTesting
import Testing

@testable import ApusEngine

@Suite struct EngineDataTests {
    private func code<Answer>(_ result: Result<Answer, ApusError>) -> ApusError.Code? {
        if case .failure(let error) = result { error.code } else { nil }
    }

    @Test func `a record is read until it is deleted or its time runs out`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("k", "1", expiry: .afterSeconds(10)))
        stage.clock.advance(byMilliseconds: 9999)
        #expect(try await stage.record("k").value?.text == "1")
        stage.clock.advance(byMilliseconds: 1)
        #expect(code(await stage.answer { stage.engine.record(at: RecordAddress("k"), then: $0) }) == .notFound)
        await stage.write(.set("k", "2"))
        #expect(try await stage.record("k").value?.text == "2")
        await stage.write(.delete("k"))
        #expect(code(await stage.answer { stage.engine.record(at: RecordAddress("k"), then: $0) }) == .notFound)
    }

    @Test func `lists and counts leave out what is deleted or has run out`() async throws {
        let stage = try EngineStage()
        for key in ["b", "a", "d"] { await stage.write(.set(key)) }
        await stage.write(.set("c", expiry: .afterSeconds(1)))
        await stage.write(.delete("d"))
        stage.clock.advance(bySeconds: 1)
        let query = ListQuery(
            owner: OwnerID(stored: "u1"), collection: CollectionName(stored: "c"), after: nil, limit: 10)
        let page = try await stage.answer { stage.engine.list(query, then: $0) }.get()
        #expect(page.records.map(\.address.key.text) == ["a", "b"])
        let counts = try await stage.answer { stage.engine.collections(of: OwnerID(stored: "u1"), then: $0) }.get()
        #expect(counts == [CollectionCount(collection: CollectionName(stored: "c"), count: 2)])
    }

    @Test func `an answer is replayed after a restart`() async throws {
        let stage = try EngineStage()
        let request = WriteRequest.single(.set("k"), idempotency: IdempotencyClaim("key"))
        #expect(await stage.write(request).stories == ["applied k=1 #1"])
        stage.engine.stop()
        let next = try EngineStage(backend: stage.backend)
        #expect(await next.write(request).stories == ["replayed: applied k=1 #1"])
        #expect(next.witness.commits.isEmpty)
    }

    @Test func `each write request is one entry of the audit log, in the commit it tells of`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("k"))
        _ = await stage.write(.bulk([.set("a"), .set("b")]))
        let entries = try stage.reader().auditEntries(limit: 10)
        #expect(entries.map(\.target) == ["u1", "u1/c/k"])
        stage.backend.failNextCommit(with: .storageFull(cause: ""))
        await stage.write(.set("k"))
        #expect(try stage.reader().auditEntries(limit: 10).count == 2)
    }

    // MARK: Changes

    @Test func `changes since a time are all that were committed then or later`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("a", at: start.advanced(bySeconds: 50)))
        stage.clock.advance(bySeconds: 10)
        await stage.write(.set("b", at: start.advanced(bySeconds: -500)))
        await stage.write(.delete("a"))
        func keys(since seconds: Int64) async throws -> [String] {
            try await stage.changes(from: .committedAtOrAfter(start.advanced(bySeconds: seconds))).get()
                .records.map(\.story)
        }
        #expect(try await keys(since: 0) == ["b=1 #2", "a deleted #3"])
        #expect(try await keys(since: 10) == ["b=1 #2", "a deleted #3"], "the client's own time does not count")
        #expect(try await keys(since: 11) == [])
        #expect(
            try await stage.changes(from: .committedAtOrAfter(start.advanced(bySeconds: 11))).get().reached.after
                .rawValue == 3)
    }

    @Test func `the last page's position is where to go on, exactly`() async throws {
        let stage = try EngineStage()
        for index in 1...5 { await stage.write(.set("k\(index)")) }
        let first = try await stage.changes(limit: 2).get()
        #expect(first.records.map(\.story) == ["k1=1 #1", "k2=1 #2"])
        #expect(first.hasMore && first.reached.after.rawValue == 2)
        await stage.write(.set("k3", "2"))
        let rest = try await stage.changes(from: .position(first.reached)).get()
        #expect(rest.records.map(\.story) == ["k4=1 #4", "k5=1 #5", "k3=2 #6"])
        #expect(!rest.hasMore && rest.reached.after.rawValue == 6)
        #expect(try await stage.changes(from: .position(rest.reached)).get().records.isEmpty)
    }

    // MARK: Sweeping

    @Test func `what has run out becomes a tombstone, told as an expiry`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("a", expiry: .afterSeconds(10)))
        await stage.write(.set("b", expiry: .afterSeconds(11)))
        await stage.write(.set("c"))
        stage.clock.advance(bySeconds: 10)
        try await stage.sweep()
        #expect(stage.witness.stories().suffix(1) == ["a deleted #4"])
        #expect(stage.witness.changes().map(\.isExpiry) == [false, false, false, true])
        try await stage.sweep()
        #expect(stage.witness.changes().count == 4, "once is enough")
        let tombstone = try #require(try stage.reader().record(at: RecordAddress("a")))
        #expect(tombstone.deletedAt == stage.clock.now() && tombstone.value == nil && tombstone.expiresAt == nil)
        #expect(try await stage.changes().get().records.map(\.story) == ["b=1 #2", "c=1 #3", "a deleted #4"])
    }

    @Test func `a thousand records that run out together are swept in parts, each once`() async throws {
        let stage = try EngineStage()
        for owner in ["u1", "u2"] {
            _ = await stage.write(.bulk((0..<501).map { .set("k\($0)", expiry: .afterSeconds(1)) }, owner: owner))
        }
        stage.clock.advance(bySeconds: 1)
        #expect(try await stage.sweep() == 3)
        for owner in ["u1", "u2"] {
            let swept = stage.witness.changes(of: owner).filter(\.isExpiry)
            #expect(swept.map(\.record.sequence.rawValue) == Array(502...1002))
            #expect(Set(swept.map(\.record.address)).count == 501)
        }
    }

    @Test func `a position behind the purge must start again, one that began with nothing need not`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("a"))
        await stage.write(.set("b"))
        await stage.write(.delete("a"))
        await stage.write(.set("c"))
        let early = try await stage.changes(limit: 1).get().reached
        #expect(early == ChangesPosition(after: SequenceNumber(2), baseline: .zero))
        stage.clock.advance(bySeconds: 30 * 86_400)
        try await stage.sweep()
        #expect(try stage.reader().record(at: RecordAddress("a")) != nil, "30 days are not over")
        stage.clock.advance(byMilliseconds: 1)
        try await stage.sweep()
        #expect(try stage.reader().record(at: RecordAddress("a")) == nil)
        #expect(try stage.reader().ownerState(OwnerID(stored: "u1")).purgedThrough.rawValue == 3)

        #expect(code(await stage.changes(from: .position(early))) == .resyncRequired)
        #expect(code(await stage.changes(after: 1)) == .resyncRequired)
        #expect(try await stage.changes(after: 3).get().records.map(\.story) == ["c=1 #4"])
        let fresh = try await stage.changes(limit: 1).get()
        #expect(fresh.records.map(\.story) == ["b=1 #2"])
        #expect(fresh.reached == ChangesPosition(after: SequenceNumber(2), baseline: SequenceNumber(3)))
        #expect(try await stage.changes(from: .position(fresh.reached)).get().records.map(\.story) == ["c=1 #4"])
        #expect(await stage.write(.set("a")).stories == ["applied a=1 #5"], "numbers are not used again")
    }

    @Test func `a purge in the middle of a first walk ends the walk if it took what was not yet seen`() async throws {
        let stage = try EngineStage { $0.tombstoneTTLDays = 0 }
        for key in ["a", "b", "c"] { await stage.write(.set(key)) }
        let first = try await stage.changes(limit: 1).get()
        await stage.write(.delete("b"))
        stage.clock.advance(byMilliseconds: 1)
        try await stage.sweep()
        #expect(code(await stage.changes(from: .position(first.reached))) == .resyncRequired)
        #expect(try await stage.changes().get().records.map(\.story) == ["a=1 #1", "c=1 #3"])
    }

    @Test func `old answers, entries, tokens and revocations are forgotten`() async throws {
        let stage = try EngineStage { $0.auditTTLDays = 1 }
        _ = await stage.write(.single(.set("k"), idempotency: IdempotencyClaim("key")))
        let token = try await stage.issue(ttlSeconds: 60)
        _ = await stage.answer { stage.engine.revokeToken(token.grant.id, expiresAt: nil, origin: .admin, then: $0) }
        #expect(throws: ApusError.self) { try stage.engine.checkStanding(of: Principal(token.grant)) }
        stage.clock.advance(bySeconds: 86_400)
        try await stage.sweep()
        #expect(try stage.reader().storedAnswer(owner: OwnerID(stored: "u1"), key: "key") != nil)
        #expect(try stage.reader().auditEntries(limit: 10).count == 3)
        #expect(try stage.reader().revocations().isEmpty)
        stage.clock.advance(byMilliseconds: 1)
        try await stage.sweep()
        #expect(try stage.reader().storedAnswer(owner: OwnerID(stored: "u1"), key: "key") == nil)
        #expect(try stage.reader().auditEntries(limit: 10).isEmpty)
        #expect(try stage.reader().token(id: token.grant.id) == nil)
    }
}
