import ApusCore
import ApusTesting
import Testing

@testable import ApusEngine

@Suite struct EngineUsersTests {
    private let user = OwnerID(stored: "u1")

    private func stands(_ grant: TokenGrant, _ stage: EngineStage) -> Bool {
        (try? stage.engine.checkStanding(of: Principal(grant))) != nil
    }

    /// The principal of a token that was signed elsewhere.
    private func foreign(issuedAt: Timestamp?, id: String? = nil, user: String = "u1") -> Principal {
        Principal(
            user: OwnerID(stored: user), tokenID: id, issuedAt: issuedAt, expiresAt: start.advanced(bySeconds: 86_400),
            generation: nil)
    }

    private func fails<Answer>(_ result: Result<Answer, ApusError>) -> ApusError.Code? {
        if case .failure(let error) = result { error.code } else { nil }
    }

    @Test func `the first token makes the user, later ones keep or change the name`() async throws {
        let stage = try EngineStage()
        let first = try await stage.issue(name: "Alex")
        #expect(first.isNewUser && first.user.displayName == "Alex" && first.user.createdAt == start)
        #expect(first.grant.id == "token-1" && first.grant.generation == 0)
        #expect(first.grant.expiresAt == start.advanced(bySeconds: 30 * 86_400))
        stage.clock.advance(bySeconds: 5)
        let second = try await stage.issue(ttlSeconds: 60)
        #expect(!second.isNewUser && second.user.displayName == "Alex" && second.user.createdAt == start)
        #expect(second.grant.expiresAt == start.advanced(bySeconds: 65))
        #expect(try await stage.issue(name: "Sam").user.displayName == "Sam")
        let detail = try await stage.answer { stage.engine.user(user, then: $0) }.get()
        #expect(detail.user.displayName == "Sam" && detail.tokens.count == 3)
        let audit = try stage.reader().auditEntries(limit: 9)
        #expect(audit.map(\.action) == Array(repeating: "token.issue", count: 3))
        #expect(audit.allSatisfy { $0.origin == .admin && $0.target == "u1" })
    }

    @Test func `rotating ends every earlier token at once and issues one with the same claims`() async throws {
        let stage = try EngineStage()
        let claims = JSONText(#"{"role":"x"}"#)
        let request = TokenRequest(user: user, displayName: nil, claims: claims, ttlSeconds: nil, origin: .admin)
        let old = try await stage.answer { stage.engine.issueToken(request, then: $0) }.get()
        let other = try await stage.issue("u2")
        let next = try await stage.answer {
            stage.engine.rotateTokens(of: user, ttlSeconds: 9, origin: .admin, then: $0)
        }.get()
        #expect(!stands(old.grant, stage) && stands(next.grant, stage) && stands(other.grant, stage))
        #expect(next.grant.claims == claims && next.grant.expiresAt == start.advanced(bySeconds: 9))
        #expect(throws: ApusError.self) { try stage.engine.checkStanding(of: foreign(issuedAt: start)) }
        #expect(throws: Never.self) {
            try stage.engine.checkStanding(of: foreign(issuedAt: start.advanced(bySeconds: 1)))
        }
        let last = try await stage.answer {
            stage.engine.rotateTokens(of: user, ttlSeconds: nil, origin: .admin, then: $0)
        }.get()
        #expect(!stands(next.grant, stage) && stands(last.grant, stage))
        #expect(stage.witness.revocations.count == 2)
        #expect(stage.witness.revocations.last?.revokes(Principal(next.grant)) == true)
        #expect(stage.witness.revocations.last?.revokes(Principal(last.grant)) == false)
        stage.engine.stop()
        let restarted = try EngineStage(backend: stage.backend)
        #expect(!stands(old.grant, restarted) && !stands(next.grant, restarted) && stands(last.grant, restarted))
    }

    @Test func `an unknown user cannot be rotated, revoked, deleted or looked at`() async throws {
        let stage = try EngineStage()
        let nobody = OwnerID(stored: "nobody")
        #expect(
            fails(
                await stage.answer {
                    stage.engine.rotateTokens(of: nobody, ttlSeconds: nil, origin: .admin, then: $0)
                }) == .notFound)
        #expect(
            fails(await stage.answer { stage.engine.revokeTokens(of: nobody, origin: .admin, then: $0) }) == .notFound)
        #expect(fails(await stage.answer { stage.engine.deleteUser(nobody, origin: .admin, then: $0) }) == .notFound)
        #expect(fails(await stage.answer { stage.engine.user(nobody, then: $0) }) == .notFound)
        #expect(stage.witness.revocations.isEmpty)
    }

    @Test func `a user who only ever wrote can be revoked`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("k"), owner: "writer")
        _ = try await stage.answer {
            stage.engine.revokeTokens(of: OwnerID(stored: "writer"), origin: .admin, then: $0)
        }.get()
        let old = foreign(issuedAt: start, user: "writer")
        #expect(throws: ApusError.self) { try stage.engine.checkStanding(of: old) }
        #expect(try await stage.record("k", owner: "writer").value?.text == "1", "the data stays")
    }

    @Test func `one token is revoked for good, observers hear of it before the administrator`() async throws {
        let stage = try EngineStage()
        let (first, second) = (try await stage.issue().grant, try await stage.issue().grant)
        for _ in 1...2 {
            let heard: Int = await withCheckedContinuation { continuation in
                stage.engine.revokeToken(first.id, expiresAt: nil, origin: .admin) { [witness = stage.witness] _ in
                    continuation.resume(returning: witness.revocations.count)
                }
            }
            #expect(heard > 0)
        }
        #expect(!stands(first, stage) && stands(second, stage))
        #expect(stage.witness.revocations.count == 2)
        stage.engine.stop()
        let next = try EngineStage(backend: stage.backend)
        #expect(!stands(first, next) && stands(second, next))
    }

    @Test(
        arguments: [
            // What the caller says, seconds from now; how long it is kept.
            (nil, 100), (50, 100), (200, 200), (-5, 100), (0, 100),
        ] as [(Int64?, Int64)])
    func `a revocation outlives its token, whatever the caller says of its end`(said: Int64?, kept: Int64) async throws
    {
        let stage = try EngineStage()
        let token = try await stage.issue(ttlSeconds: 100).grant
        let end = said.map { start.advanced(bySeconds: $0) }
        _ = await stage.answer { stage.engine.revokeToken(token.id, expiresAt: end, origin: .admin, then: $0) }
        // 30 s of leeway, and the second after.
        #expect(try stage.reader().revocations().map(\.keepUntil) == [start.advanced(bySeconds: kept + 31)])
    }

    @Test func `a revocation of a token signed elsewhere is kept as long as a token may live`() async throws {
        let stage = try EngineStage()
        _ = await stage.answer { stage.engine.revokeToken("foreign", expiresAt: nil, origin: .admin, then: $0) }
        #expect(
            try stage.reader().revocations().map(\.keepUntil) == [
                start.advanced(bySeconds: Limits().ttlSecondsMax + 31)
            ])
        #expect(throws: ApusError.self) { try stage.engine.checkStanding(of: foreign(issuedAt: start, id: "foreign")) }
    }

    @Test(arguments: [0, 1, 499, 500, 501, 1000, 1201])
    func `deleting a user deletes every record once, and nobody else's`(count: Int) async throws {
        let stage = try EngineStage()
        let token = try await stage.issue()
        await stage.write(.set("k0"), owner: "u2")
        for key in 0..<count { stage.engine.write(.single(.set("k\(key)"))) { _ in } }
        await stage.write(.set("expiring", expiry: .afterSeconds(1)))
        await stage.write(.set("gone"))
        await stage.write(.delete("gone"))
        stage.clock.advance(bySeconds: 2)
        _ = try await stage.answer { stage.engine.deleteUser(user, origin: .admin, then: $0) }.get()

        let deleted = stage.witness.changes().suffix(count)
        #expect(deleted.map(\.record.sequence.rawValue) == Array(Int64(count + 4)..<Int64(2 * count + 4)))
        #expect(deleted.allSatisfy { $0.record.isTombstone && !$0.isExpiry })
        #expect(Set(deleted.map(\.record.address)).count == count)
        #expect(stage.witness.changes().count == 2 * count + 3)
        #expect(try stage.reader().usage(owner: user, liveAt: stage.clock.now()).records == 0)
        #expect(fails(await stage.answer { stage.engine.user(user, then: $0) }) == .notFound)
        #expect(!stands(token.grant, stage))
        #expect(try await stage.record("k0", owner: "u2").value?.text == "1")
        let audit = try stage.reader().auditEntries(limit: 1)
        #expect(audit.map(\.action) == ["user.delete"])
    }

    @Test func `a user who was deleted may come back, with numbers that go on`() async throws {
        let stage = try EngineStage()
        let old = try await stage.issue()
        await stage.write(.set("k"))
        _ = try await stage.answer { stage.engine.deleteUser(user, origin: .admin, then: $0) }.get()
        let new = try await stage.issue()
        #expect(new.isNewUser)
        #expect(stands(new.grant, stage) && !stands(old.grant, stage))
        #expect(await stage.write(.set("k")).stories == ["applied k=1 #3"])
    }

    @Test func `a deletion that the disk cuts short can be asked for again`() async throws {
        let stage = try EngineStage()
        _ = try await stage.issue()
        for key in 0..<600 { stage.engine.write(.single(.set("k\(key)"))) { _ in } }
        await stage.write(.set("last"))
        let gate = await stage.holdCommitter()
        let log = Log<ApusError.Code?>()
        // The revocation fails; the records are untouched.
        stage.backend.failNextCommit(with: .storageFull(cause: "ENOSPC"))
        stage.engine.deleteUser(user, origin: .admin) { [self] in log.append(fails($0)) }
        gate.open()
        await log.wait(for: 1)
        #expect(log.entries == [.storageFull])
        #expect(try stage.reader().usage(owner: user, liveAt: start).records == 601)
        _ = try await stage.answer { stage.engine.deleteUser(user, origin: .admin, then: $0) }.get()
        #expect(try stage.reader().usage(owner: user, liveAt: start).records == 0)
    }

    @Test func `users are listed in the order of their bytes, page by page`() async throws {
        let stage = try EngineStage()
        for name in ["b", "é", "a", "e\u{301}"] { _ = try await stage.issue(name) }
        let first = try await stage.answer { stage.engine.users(after: nil, limit: 3, then: $0) }.get()
        #expect(first.map(\.id.text).elementsEqual(["a", "b", "e\u{301}"], by: { $0.utf8.elementsEqual($1.utf8) }))
        let rest = try await stage.answer { stage.engine.users(after: first.last?.id, limit: 3, then: $0) }.get()
        #expect(rest.map(\.id.text) == ["\u{e9}"])
    }
}
