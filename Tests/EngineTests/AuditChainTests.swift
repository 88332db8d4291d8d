import ApusCore
import ApusMemory
import ApusTesting
import Testing

@testable import ApusEngine

@Suite struct AuditChainTests {
    private func entries(_ stage: EngineStage) throws -> [AuditEntry] {
        try stage.reader().auditEntries(after: 0, limit: 100_000)
    }

    private func ledger(_ stage: EngineStage) throws -> AuditLedger? {
        try stage.reader().note(AuditLedger.noteName).flatMap(AuditLedger.init)
    }

    /// Each entry holds the hash of the one before, and the newest one's is noted.
    private func expectChained(_ stage: EngineStage, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let stored = try entries(stage)
        var chain = try AuditChain(of: MemoryBackend(makeEpoch: { "e" }).openReader())
        var anew = stored
        chain.append(&anew)
        #expect(anew == stored, sourceLocation: sourceLocation)
        #expect(stored.map(\.number) == Array(1...Int64(stored.count)), sourceLocation: sourceLocation)
        #expect(try ledger(stage) == chain.ledger, sourceLocation: sourceLocation)
    }

    @Test func `the hash of an entry is the SHA-256 of its documented bytes`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("k"))
        await stage.write(.set("k", "2"))
        let entries = try entries(stage)
        #expect(
            entries.map(\.previous?.text) == [
                String(repeating: "0", count: 64), "3c3183500423a4ec2c80f4c9775f38cd07468f8e2dea63f785770253234c01e6",
            ])
    }

    @Test func `whatever writes to the log, each entry holds the hash of the one before`() async throws {
        let stage = try EngineStage()
        let gate = await stage.holdCommitter()
        let answered = Log<String>()
        for number in 0..<20 {
            // Every fourth is refused, alone or as a whole.
            let items: [WriteItem] = [.set("a\(number)"), .set("b", if: number % 4 == 0 ? .absent : .none)]
            stage.engine.write(.bulk(items)) { answered.append("\($0.records.count)") }
        }
        gate.open()
        await answered.wait(for: 20)
        let token = try await stage.issue()
        _ = await stage.answer { stage.engine.revokeToken(token.grant.id, expiresAt: nil, origin: .admin, then: $0) }
        for action in ["a", "b"] {
            let entry = AuditEntry(at: start.advanced(bySeconds: -60), origin: .system, action: action, target: "")
            _ = await stage.answer { stage.engine.noteAudit(entry, then: $0) }
        }
        _ = await stage.answer { stage.engine.deleteUser(OwnerID(stored: "u1"), origin: .admin, then: $0) }
        try await stage.sweep()
        let actions = try entries(stage).map(\.action)
        #expect(actions.count == 1 + answered.entries.filter { $0 != "0" }.count + 5, "\(actions)")
        #expect(actions.suffix(5) == ["token.issue", "token.revoke", "a", "b", "user.delete"])
        try expectChained(stage)
    }

    @Test func `a commit that fails takes no number`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("a"))
        for _ in 0..<2 {
            stage.backend.failNextCommit(with: .storageFull(cause: "ENOSPC"))
            #expect(await stage.write(.set("b")).stories == ["refused storage-full"])
        }
        await stage.write(.set("c"))
        #expect(try entries(stage).map(\.target) == ["u1/c/a", "u1/c/c"])
        try expectChained(stage)
    }

    @Test func `after a restart the log goes on where it ended`() async throws {
        let first = try EngineStage()
        await first.write(.set("a"))
        first.engine.stop()
        let second = try EngineStage(backend: first.backend)
        await second.write(.set("b"))
        #expect(try entries(second).count == 2)
        try expectChained(second)
    }

    @Test func `entries of an earlier version stay as they are, and the next one holds the hash of the last`()
        async throws
    {
        let backend = FaultyBackend(MemoryBackend(makeEpoch: { "e" }))
        try backend.fill(with: (1...3).map { .test($0, at: start) })
        let stage = try EngineStage(backend: backend)
        await stage.write(.set("a"))
        let entries = try entries(stage)
        #expect(entries.map(\.number) == [1, 2, 3, 4])
        #expect(entries.prefix(3).allSatisfy { $0.previous == nil } && entries[3].previous != nil)
        #expect(entries[3].previous != .zero)
        #expect(try ledger(stage)?.number == 4)
    }

    @Test(arguments: [(noted: Int64(1), next: Int64(4)), (5, 6)])
    func `no number is given twice, whatever became of the note or of the log`(noted: Int64, next: Int64) async throws {
        let backend = FaultyBackend(MemoryBackend(makeEpoch: { "e" }))
        try backend.fill(with: (1...3).map { .test($0, at: start) }) {
            $0.notes[AuditLedger.noteName] = AuditLedger(number: noted).text
        }
        let stage = try EngineStage(backend: backend)
        await stage.write(.set("a"))
        #expect(try entries(stage).last?.number == next)
    }

    @Test func `only the oldest entries expire, so that what is left is a chain, and how far is noted`() async throws {
        let stage = try EngineStage { $0.auditTTLDays = 1 }
        await stage.write(.set("a"))
        stage.clock.advance(bySeconds: 120)
        await stage.write(.set("b"))
        // Tells of the first minute, and is written in the third.
        let late = AuditEntry(at: start, origin: .system, action: "request.refused", target: "")
        _ = await stage.answer { stage.engine.noteAudit(late, then: $0) }
        stage.clock.advance(bySeconds: 86_400 - 60)
        try await stage.sweep()
        #expect(try entries(stage).map(\.number) == [2, 3])
        #expect(try ledger(stage)?.expiredThrough == 1 && ledger(stage)?.number == 3)
        stage.clock.advance(bySeconds: 61)
        try await stage.sweep()
        #expect(try entries(stage).isEmpty)
        let before = try #require(try ledger(stage))
        #expect(before.expiredThrough == 3)
        await stage.write(.set("c"))
        #expect(try entries(stage).map(\.number) == [4])
        #expect(try entries(stage).map(\.previous) == [before.hash])
    }

    @Test func `an expiry that fails is noted nowhere`() async throws {
        let stage = try EngineStage { $0.auditTTLDays = 1 }
        await stage.write(.set("a"))
        stage.clock.advance(bySeconds: 86_401)
        stage.backend.failNextCommit(with: .storageFull(cause: "ENOSPC"))
        await #expect(throws: ApusError.self) { try await stage.sweep() }
        await stage.write(.set("b"))
        #expect(try ledger(stage)?.expiredThrough == 0 && entries(stage).count == 2)
    }

    @Test func `many entries expire in parts`() async throws {
        let backend = FaultyBackend(MemoryBackend(makeEpoch: { "e" }))
        try backend.fill(with: (1...4500).map { .test($0, at: start) })
        let stage = try EngineStage(backend: backend) { $0.auditTTLDays = 1 }
        stage.clock.advance(bySeconds: 86_401)
        #expect(try await stage.sweep() == 3)
        #expect(try entries(stage).isEmpty)
        #expect(try ledger(stage)?.expiredThrough == 4500)
    }
}

extension AuditEntry {
    /// One that an engine of an earlier version wrote.
    static func test(
        _ number: Int, at moment: Timestamp, actor: String = "user:u1", action: String = "data.write",
        target: String = "u1/c/k"
    ) -> AuditEntry {
        let origin = RequestOrigin(actor: actor, ip: "", requestID: "")
        var entry = AuditEntry(at: moment, origin: origin, action: action, target: target)
        entry.number = Int64(number)
        return entry
    }
}

extension FaultyBackend {
    /// Commits `entries` past any engine, with whatever `change` adds.
    func fill(with entries: [AuditEntry], _ change: (inout CommitBatch) -> Void = { _ in }) throws {
        let writer = try openWriter()
        defer { writer.close() }
        var batch = CommitBatch()
        batch.audit = entries
        change(&batch)
        let filled = batch
        try writer.transaction { transaction throws(ApusError) in try transaction.apply(filled) }
    }
}
