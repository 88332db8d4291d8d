import ApusCore
import ApusTesting
import Testing

@testable import ApusEngine

@Suite struct SlowdownTests {
    /// The seconds to wait; `nil` for none.
    private func wait(_ slowdown: Slowdown, _ key: String = "k", at moment: Duration) -> Int? {
        do throws(ApusError) {
            try slowdown.check(key, at: moment)
            return nil
        } catch {
            #expect(error.code == .rateLimited)
            return error.retryAfterSeconds
        }
    }

    @Test func `after five failures each one costs twice the wait of the one before, up to a minute`() {
        let slowdown = Slowdown()
        var moment = Duration.seconds(1000)
        for _ in 1...4 {
            slowdown.noteFailure(of: "k", at: moment)
            #expect(wait(slowdown, at: moment) == nil)
            moment += .milliseconds(100)
        }
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            slowdown.noteFailure(of: "k", at: moment)
            #expect(wait(slowdown, at: moment) == seconds)
            moment += .seconds(seconds)
            #expect(wait(slowdown, at: moment - .milliseconds(1)) == 1)
            #expect(wait(slowdown, at: moment) == nil, "then the next one is looked at")
        }
        for _ in 1...1000 { slowdown.noteFailure(of: "k", at: moment) }
        #expect(wait(slowdown, at: moment) == 60)
    }

    @Test func `a minute after the last failure and its wait, all is forgotten`() {
        let slowdown = Slowdown()
        for _ in 1...4 { slowdown.noteFailure(of: "k", at: .zero) }
        slowdown.noteFailure(of: "k", at: .seconds(60))
        #expect(wait(slowdown, at: .seconds(60)) == nil)
        for _ in 1...4 { slowdown.noteFailure(of: "k", at: .seconds(60)) }
        #expect(wait(slowdown, at: .seconds(60)) == 1)
        slowdown.noteFailure(of: "k", at: .seconds(120))
        #expect(wait(slowdown, at: .seconds(120)) == 2)
        slowdown.noteFailure(of: "k", at: .seconds(182))
        #expect(wait(slowdown, at: .seconds(182)) == nil)
    }

    @Test func `who has not failed does not wait`() {
        let slowdown = Slowdown()
        for _ in 1...10 { slowdown.noteFailure(of: "a", at: .zero) }
        #expect(wait(slowdown, "a", at: .zero) == 32)
        #expect(wait(slowdown, "b", at: .zero) == nil)
    }

    @Test func `a million addresses take no more memory than a hundred thousand`() {
        let slowdown = Slowdown()
        for number in 0..<1_000_000 { slowdown.noteFailure(of: "\(number)", at: .zero) }
        #expect((1...100_000).contains(slowdown.count))
        for _ in 1...5 { slowdown.noteFailure(of: "new", at: .zero) }
        #expect(wait(slowdown, "new", at: .zero) == 1, "and the next one is counted")
    }
}

@Suite struct GuessesTests {
    private let clock = ManualClock(start)

    private func guesses(
        perMinute: Int = 3, adminPerMinute: Int = 120, refusals: RefusalTally = RefusalTally()
    ) -> Guesses {
        var settings = EngineSettings()
        settings.rateLimitPerMinute = perMinute
        settings.adminRateLimitPerMinute = adminPerMinute
        return Guesses(settings: settings, refusals: refusals, clock: clock)
    }

    private func isAdmitted(_ guesses: Guesses, _ secret: GuessedSecret, from address: String) -> Bool {
        do throws(ApusError) {
            try guesses.admit(secret, from: address)
            return true
        } catch {
            #expect(error.code == .rateLimited && error.retryAfterSeconds ?? 0 > 0)
            return false
        }
    }

    private func fail(_ guesses: Guesses, _ secret: GuessedSecret, from address: String, times: Int) {
        for _ in 0..<times {
            guesses.noteWrong(secret, origin: RequestOrigin(actor: "unknown", ip: address, requestID: "r"))
        }
    }

    @Test func `an address that sends wrong tokens has no further new ones looked at for a while`() {
        let guesses = guesses()
        for _ in 1...1000 { #expect(isAdmitted(guesses, .token, from: "192.0.2.1"), "only wrong ones count") }
        fail(guesses, .token, from: "192.0.2.1", times: 2)
        #expect(isAdmitted(guesses, .token, from: "192.0.2.1"))
        fail(guesses, .token, from: "192.0.2.1", times: 100)
        #expect(!isAdmitted(guesses, .token, from: "192.0.2.1"))
        #expect(isAdmitted(guesses, .token, from: "192.0.2.2"))
        #expect(isAdmitted(guesses, .password, from: "192.0.2.1"), "tokens are tokens")
    }

    @Test func `wrong tokens from this machine, which may be everybody's by a proxy, keep nobody out`() {
        let guesses = guesses()
        fail(guesses, .token, from: "127.0.0.1", times: 100)
        #expect(isAdmitted(guesses, .token, from: "127.0.0.1"))
    }

    @Test(arguments: [
        ("2001:db8::1", "2001:db8::ffff:1"), ("127.0.0.1", "127.8.8.8"), ("::1", "127.0.0.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ])
    func `who has several addresses has one count of wrong logins`(one: String, other: String) {
        let guesses = guesses()
        fail(guesses, .key, from: one, times: 3)
        fail(guesses, .password, from: other, times: 2)
        for secret in [GuessedSecret.key, .password] { #expect(!isAdmitted(guesses, secret, from: one)) }
        #expect(isAdmitted(guesses, .key, from: "198.51.100.1"))
        #expect(isAdmitted(guesses, .key, from: "2001:db8:0:1::1"))
    }

    @Test func `0 turns each limit off`() {
        let guesses = guesses(perMinute: 0, adminPerMinute: 0)
        for secret in [GuessedSecret.token, .key, .password] {
            fail(guesses, secret, from: "192.0.2.1", times: 1000)
            #expect(isAdmitted(guesses, secret, from: "192.0.2.1"))
        }
    }

    @Test func `wrong logins are counted for the audit log by minute, address and kind`() {
        let refusals = RefusalTally()
        let guesses = guesses(adminPerMinute: 0, refusals: refusals)
        fail(guesses, .password, from: "192.0.2.1", times: 7)
        fail(guesses, .key, from: "192.0.2.1", times: 2)
        fail(guesses, .token, from: "192.0.2.1", times: 9)
        let entries = refusals.drain(minutesEndedBefore: nil).sorted { $0.target < $1.target }
        #expect(entries.map(\.action) == ["login.failed", "login.failed"])
        #expect(entries.map(\.target) == ["key", "password"])
        #expect(entries.map(\.detail) == ["2 in this minute", "7 in this minute"])
        #expect(entries.map(\.outcome) == ["unauthenticated", "unauthenticated"])
        #expect(entries.map(\.origin.ip) == ["192.0.2.1", "192.0.2.1"])
    }
}
