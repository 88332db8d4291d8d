import ApusCore
import ApusTesting
import Testing

@testable import ApusEngine

@Suite struct AdmissionTests {
    @Test func `a token is good until 30 seconds after its end`() throws {
        let stage = try EngineStage()
        let principal = Principal(
            user: OwnerID(stored: "u1"), tokenID: nil, issuedAt: nil, expiresAt: start.advanced(bySeconds: 5),
            generation: nil)
        stage.clock.advance(bySeconds: 35)
        #expect(throws: Never.self) { try stage.engine.checkStanding(of: principal) }
        stage.clock.advance(byMilliseconds: 1)
        #expect {
            try stage.engine.checkStanding(of: principal)
        } throws: { ($0 as? ApusError)?.code == .tokenExpired }
    }

    @Test func `a user may read and write what is its own, byte for byte`() throws {
        let stage = try EngineStage()
        let principal = Principal(
            user: OwnerID(stored: "\u{e9}"), tokenID: nil, issuedAt: nil, expiresAt: start, generation: nil)
        #expect(throws: Never.self) { try stage.engine.authorize(principal, for: OwnerID(stored: "\u{e9}")) }
        for other in ["e\u{301}", "E", "\u{e9} ", ""] {
            #expect {
                try stage.engine.authorize(principal, for: OwnerID(stored: other))
            } throws: { ($0 as? ApusError)?.code == .forbidden }
        }
    }

    @Test func `a user and an address may ask so often a minute, and are told when they may again`() throws {
        let stage = try EngineStage {
            $0.rateLimitPerMinute = 2
            $0.adminRateLimitPerMinute = 1
        }
        let principal = Principal(
            user: OwnerID(stored: "u1"), tokenID: nil, issuedAt: nil, expiresAt: start, generation: nil)
        for _ in 1...2 { #expect(throws: Never.self) { try stage.engine.admit(principal) } }
        #expect {
            try stage.engine.admit(principal)
        } throws: { error in
            (error as? ApusError)?.code == .rateLimited && (error as? ApusError)?.retryAfterSeconds ?? 0 > 0
        }
        #expect(throws: Never.self) { try stage.engine.admitAdministrator(from: "192.0.2.1") }
        #expect(throws: ApusError.self) { try stage.engine.admitAdministrator(from: "192.0.2.1") }
        #expect(throws: Never.self) { try stage.engine.admitAdministrator(from: "192.0.2.2") }
    }

    @Test func `a bulk counts as a request more for every hundred items`() async throws {
        let stage = try EngineStage { $0.rateLimitPerMinute = 5 }
        func bulk(_ count: Int, as user: String) async throws -> ApusError.Code? {
            var request = WriteRequest.bulk((0..<count).map { .set("k\($0)") }, owner: user)
            let principal = Principal(
                user: OwnerID(stored: user), tokenID: nil, issuedAt: nil, expiresAt: start, generation: nil)
            request.principal = principal
            try stage.engine.admit(principal)
            guard case .failure(let error) = await stage.write(request) else { return nil }
            return error.code
        }
        #expect(try await bulk(99, as: "u1") == nil)
        #expect(try await bulk(400, as: "u1") == .rateLimited, "4 more than itself, and 3 are left")
        #expect(try await bulk(299, as: "u1") == nil)
        #expect(stage.witness.changes(of: "u1").count == 99 + 299, "of one that is refused nothing is written")
        #expect(try await bulk(2000, as: "u2") == nil, "none is too large for who has been silent")
        #expect(throws: ApusError.self) {
            try stage.engine.admit(
                Principal(
                    user: OwnerID(stored: "u2"), tokenID: nil, issuedAt: nil, expiresAt: start, generation: nil))
        }
    }
}

@Suite struct RateLimiterTests {
    /// Whether it passes; otherwise the seconds to wait.
    private func wait(_ limiter: RateLimiter, _ key: String = "k", at moment: Duration) -> Int? {
        do throws(ApusError) {
            try limiter.admit(key, at: moment)
            return nil
        } catch {
            #expect(error.code == .rateLimited)
            return error.retryAfterSeconds
        }
    }

    @Test(arguments: [1, 7, 60, 600])
    func `as many requests as a minute's pass at once, and one more does not`(perMinute: Int) {
        let limiter = RateLimiter(perMinute: perMinute)
        let moment = Duration.seconds(1_000_000)
        for _ in 1...perMinute { #expect(wait(limiter, at: moment) == nil) }
        let seconds = wait(limiter, at: moment)
        #expect(seconds == max(1, Int((60.0 / Double(perMinute)).rounded(.up))))
        #expect(wait(limiter, at: moment + .seconds(seconds ?? 0)) == nil, "after the wait it passes")
    }

    @Test func `the bucket fills evenly, not by the minute`() {
        let limiter = RateLimiter(perMinute: 60)
        for _ in 1...60 { _ = wait(limiter, at: .zero) }
        #expect(wait(limiter, at: .milliseconds(999)) == 1)
        #expect(wait(limiter, at: .milliseconds(1000)) == nil)
        #expect(wait(limiter, at: .milliseconds(1001)) == 1)
        for _ in 1...10 { #expect(wait(limiter, at: .seconds(11)) == nil) }
        #expect(wait(limiter, at: .seconds(11)) == 1)
        for _ in 1...60 { #expect(wait(limiter, at: .seconds(1000)) == nil) }
        #expect(wait(limiter, at: .seconds(1000)) == 1, "it never holds more than a minute's worth")
    }

    @Test func `a refused request costs nothing`() {
        let limiter = RateLimiter(perMinute: 1)
        #expect(wait(limiter, at: .zero) == nil)
        for second in 1...59 { #expect(wait(limiter, at: .seconds(second)) == 60 - second) }
        #expect(wait(limiter, at: .seconds(60)) == nil)
    }

    @Test func `each key has a bucket of its own, also when only bytes tell them apart`() {
        let limiter = RateLimiter(perMinute: 1)
        for key in ["a", "b", "\u{e9}", "e\u{301}"] { #expect(wait(limiter, key, at: .zero) == nil, "\(key)") }
        for key in ["a", "b", "\u{e9}", "e\u{301}"] { #expect(wait(limiter, key, at: .zero) == 60, "\(key)") }
    }

    @Test func `0 turns it off, and the clock is not even read`() {
        let limiter = RateLimiter(perMinute: 0)
        var reads = 0
        func clock() -> Duration {
            reads += 1
            return .zero
        }
        for _ in 1...1000 { #expect(throws: Never.self) { try limiter.admit("k", at: clock()) } }
        #expect(reads == 0)
    }

    @Test func `when there are too many keys the full buckets go first`() {
        let limiter = RateLimiter(perMinute: 1, keysMax: 4)
        for key in ["a", "b"] { _ = wait(limiter, key, at: .zero) }
        for key in ["c", "d"] { _ = wait(limiter, key, at: .seconds(30)) }
        #expect(wait(limiter, "e", at: .seconds(60)) == nil)
        for key in ["c", "d", "e"] { #expect(wait(limiter, key, at: .seconds(60)) != nil, "\(key) is still counted") }
        #expect(wait(limiter, "a", at: .seconds(60)) == nil)
    }

    @Test func `what is left is told, and when all of it is back`() throws {
        let limiter = RateLimiter(perMinute: 60)
        #expect(
            try limiter.admit("k", at: .zero) == Allowance(perMinute: 60, left: 59, secondsToFull: 1))
        for _ in 1...58 { try limiter.admit("k", at: .zero) }
        #expect(
            try limiter.admit("k", at: .zero) == Allowance(perMinute: 60, left: 0, secondsToFull: 60))
        #expect {
            try limiter.admit("k", at: .milliseconds(500))
        } throws: { error in
            let told = (error as? ApusError)?.allowance
            return told == Allowance(perMinute: 60, left: 0, secondsToFull: 60)
        }
        #expect(
            try limiter.admit("k", at: .seconds(30)) == Allowance(perMinute: 60, left: 29, secondsToFull: 31))
        #expect(try RateLimiter(perMinute: 0).admit("k", at: .zero) == nil)
    }

    @Test func `several requests are taken at once or not at all`() throws {
        let limiter = RateLimiter(perMinute: 10)
        #expect(try limiter.admit("k", count: 0, at: .zero) == nil)
        #expect(try limiter.admit("k", count: 7, at: .zero)?.left == 3)
        #expect {
            try limiter.admit("k", count: 4, at: .zero)
        } throws: { ($0 as? ApusError)?.retryAfterSeconds == 6 }
        #expect(try limiter.admit("k", count: 3, at: .zero)?.left == 0)
        #expect(try limiter.admit("k", count: 10, at: .seconds(60))?.left == 0)
    }

    @Test func `asking whether a request would pass takes nothing`() throws {
        let limiter = RateLimiter(perMinute: 1)
        for _ in 1...5 { #expect(throws: Never.self) { try limiter.check("k", at: .zero) } }
        #expect(limiter.count == 0)
        try limiter.admit("k", at: .zero)
        #expect {
            try limiter.check("k", at: .seconds(1))
        } throws: { ($0 as? ApusError)?.retryAfterSeconds == 59 }
    }

    @Test func `a million addresses take no more memory than a hundred thousand`() {
        let limiter = RateLimiter(perMinute: 1)
        for key in 0..<1_000_000 { _ = wait(limiter, "\(key)", at: .zero) }
        #expect((1...100_000).contains(limiter.count))
        #expect(wait(limiter, "999999", at: .zero) == 60)
    }

    @Test func `a flood of keys never stops a new one`() {
        let limiter = RateLimiter(perMinute: 1, keysMax: 10)
        for key in 0..<1000 { #expect(wait(limiter, "\(key)", at: .zero) == nil) }
        #expect(wait(limiter, "999", at: .zero) == 60)
    }
}

@Suite struct RefusalTallyTests {
    private func note(_ tally: RefusalTally, _ ip: String, _ code: ApusError.Code = .forbidden, at seconds: Int64 = 0) {
        tally.note(
            code, of: "GET /v1/data", origin: RequestOrigin(actor: "user:u", ip: ip, requestID: "r"),
            at: start.advanced(bySeconds: seconds))
    }

    @Test func `refusals are counted by minute, source and reason`() {
        let tally = RefusalTally()
        for _ in 1...3 { note(tally, "a") }
        note(tally, "a", .rateLimited)
        note(tally, "b", at: 59)
        note(tally, "a", at: 60)
        #expect(tally.drain(minutesEndedBefore: start.advanced(bySeconds: 59)).isEmpty, "the minute is not over")
        let entries = tally.drain(minutesEndedBefore: start.advanced(bySeconds: 60)).sorted {
            ($0.origin.ip, $0.outcome) < ($1.origin.ip, $1.outcome)
        }
        #expect(entries.map(\.origin.ip) == ["a", "a", "b"])
        #expect(entries.map(\.outcome) == ["forbidden", "rate-limited", "forbidden"])
        #expect(entries.map(\.detail) == ["3 in this minute", "1 in this minute", "1 in this minute"])
        #expect(entries.allSatisfy { $0.action == "request.refused" && $0.target == "GET /v1/data" && $0.at == start })
        #expect(tally.drain(minutesEndedBefore: start.advanced(bySeconds: 60)).isEmpty)
        #expect(tally.drain(minutesEndedBefore: nil).map(\.at) == [start.advanced(bySeconds: 60)])
        #expect(tally.drain(minutesEndedBefore: nil).isEmpty)
    }

    @Test func `beyond so many sources the rest are counted together`() {
        let tally = RefusalTally(sourcesMax: 3)
        for ip in ["a", "b", "c"] { note(tally, ip) }
        for ip in ["a", "d", "e", "f"] { note(tally, ip) }
        let entries = tally.drain(minutesEndedBefore: nil)
        #expect(
            Set(entries.map { "\($0.origin.ip) \($0.origin.actor) \($0.detail)" }) == [
                "a user:u 2 in this minute", "b user:u 1 in this minute", "c user:u 1 in this minute",
                " many 3 in this minute",
            ])
    }
}

@Suite struct RevocationListTests {
    private func principal(id: String?, user: String = "u1", generation: Int64? = nil, issuedAt: Int64 = 0) -> Principal
    {
        Principal(
            user: OwnerID(stored: user), tokenID: id, issuedAt: start.advanced(bySeconds: issuedAt),
            expiresAt: start.advanced(bySeconds: 3600), generation: generation)
    }

    @Test func `what was revoked before the start is in force, what is revoked later too`() {
        let cutoff = TokenCutoff(user: OwnerID(stored: "u2"), generation: 1, issuedThrough: start)
        let list = RevocationList(tokens: [TokenRevocation(tokenID: "t1", keepUntil: start)], cutoffs: [cutoff])
        #expect(list.revokes(principal(id: "t1")))
        #expect(!list.revokes(principal(id: "t2")))
        #expect(!list.revokes(principal(id: nil)))
        #expect(list.revokes(principal(id: "t2", user: "u2", generation: 0)))
        #expect(!list.revokes(principal(id: "t2", user: "u2", generation: 1)))
        list.insert(.token(TokenRevocation(tokenID: "t2", keepUntil: start)))
        #expect(list.revokes(principal(id: "t2")))
    }

    @Test func `each cutoff is one generation higher, and takes the second it falls in`() {
        let list = RevocationList(tokens: [], cutoffs: [])
        let user = OwnerID(stored: "u1")
        #expect(list.generation(of: user) == 0)
        let first = list.nextCutoff(of: user, at: start.advanced(byMilliseconds: 500))
        #expect(first.generation == 1)
        #expect(list.generation(of: user) == 0, "nothing is in force before the commit")
        list.insert(.user(first))
        #expect(list.nextCutoff(of: user, at: start).generation == 2)
        #expect(list.revokes(principal(id: nil, issuedAt: 0)))
        #expect(!list.revokes(principal(id: nil, issuedAt: 1)))
        #expect(list.revokes(principal(id: nil, generation: 0, issuedAt: 99)))
        #expect(!list.revokes(principal(id: nil, generation: 1, issuedAt: -99)))
        #expect(!list.revokes(principal(id: nil, user: "u2")))
    }

    @Test func `a revocation is forgotten after its end, a cutoff never`() {
        let list = RevocationList(
            tokens: [TokenRevocation(tokenID: "t1", keepUntil: start)],
            cutoffs: [TokenCutoff(user: OwnerID(stored: "u1"), generation: 1, issuedThrough: start)])
        list.forget(endedBefore: start)
        #expect(list.revokes(principal(id: "t1", user: "u9")))
        list.forget(endedBefore: start.advanced(byMilliseconds: 1))
        #expect(!list.revokes(principal(id: "t1", user: "u9")))
        #expect(list.revokes(principal(id: "x", generation: 0)))
    }

    @Test func `two ids that differ only in how a letter is composed are two`() {
        let list = RevocationList(tokens: [TokenRevocation(tokenID: "\u{e9}", keepUntil: start)], cutoffs: [])
        #expect(list.revokes(principal(id: "\u{e9}")))
        #expect(!list.revokes(principal(id: "e\u{301}")))
        let revocation = Revocation.token(TokenRevocation(tokenID: "\u{e9}", keepUntil: start))
        #expect(!revocation.revokes(principal(id: "e\u{301}")))
    }
}
