import ApusCore
import ApusTesting
import NIOCore
import Testing

@testable import ApusEngine

/// What one request may cost the others.
@Suite struct BoundsTests {
    private let past = start.advanced(bySeconds: -60)

    private func stage(storedBytesMax: Int) async throws -> EngineStage {
        let stage = try EngineStage { $0.limits.storedBytesMax = storedBytesMax }
        await stage.write(.set("k", "12345678"))
        return stage
    }

    @Test func `a bulk of losers is answered as long as what they lost to is no more than one request may have`()
        async throws
    {
        let stage = try await stage(storedBytesMax: 24)
        let loser = WriteItem.set("k", "1", at: past)
        let lost = "lost older to k=12345678 #1"
        #expect(await stage.write(.bulk([loser, loser, loser])).stories == [lost, lost, lost])
        guard case .failure(let error) = await stage.write(.bulk([loser, loser, loser, loser])) else {
            Issue.record("it was answered")
            return
        }
        #expect(error.code == .tooManyItems)
        let partly = WriteRequest.bulk([loser, loser, loser, loser, .set("new")], isAtomic: false)
        #expect(
            await stage.write(partly).stories == [lost, lost, lost, "failed too-many-items", "applied new=1 #2"])
    }

    @Test func `comparing numbers counts, too, and an answer about the same value once more`() async throws {
        let stage = try await stage(storedBytesMax: 24)
        let lower = WriteItem.set("k", "1", .maxNumeric(.whole))
        #expect(await stage.write(.single(lower)).stories == ["lost not-greater to k=12345678 #1"])
        let bulk = WriteRequest.bulk([lower, lower], isAtomic: false)
        #expect(
            await stage.write(bulk).stories == ["lost not-greater to k=12345678 #1", "failed too-many-items"])
    }

    @Test func `writes that need no stored value are never refused for one`() async throws {
        let stage = try await stage(storedBytesMax: 0)
        let items: [WriteItem] = [.set("k", "2"), .set("k", "3", .serverTime), .delete("k")]
        #expect(
            await stage.write(.bulk(items)).stories == ["applied k=2 #2", "applied k=3 #3", "applied k deleted #4"])
    }

    @Test func `a write whose token was revoked while it waited is not written`() async throws {
        let stage = try EngineStage()
        let user = OwnerID(stored: "u1")
        await stage.write(.set("k"))
        let principal = Principal(
            user: user, tokenID: "elsewhere", issuedAt: start, expiresAt: start.advanced(bySeconds: 60), generation: nil
        )
        _ = await stage.answer { stage.engine.revokeTokens(of: user, origin: .system, then: $0) }
        var late = WriteRequest.single(.set("late"))
        late.principal = principal
        guard case .failure(let error) = await stage.write(late) else {
            Issue.record("it was written")
            return
        }
        #expect(error.code == .tokenRevoked)
    }

    @Test func `a clock that goes back brings no revoked token back`() async throws {
        let stage = try EngineStage()
        let user = OwnerID(stored: "u1")
        await stage.write(.set("k"))
        _ = await stage.answer { stage.engine.revokeTokens(of: user, origin: .system, then: $0) }
        stage.clock.advance(bySeconds: -3600)
        _ = await stage.answer { stage.engine.revokeTokens(of: user, origin: .system, then: $0) }
        let principal = Principal(
            user: user, tokenID: nil, issuedAt: start.advanced(bySeconds: -1800),
            expiresAt: start.advanced(bySeconds: 60), generation: nil)
        #expect(throws: ApusError.self) { try stage.engine.checkStanding(of: principal) }
    }
}
