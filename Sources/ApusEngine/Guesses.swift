import ApusCore

/// Keeps strangers from trying secrets as fast as they can send them.
///
/// Counts per address, an IPv6 address standing for its /64 and the loopback for one address. Only what was wrong
/// counts, so an address may have any number of users behind it.
final class Guesses: Sendable {
    private let tokens: RateLimiter
    /// Of the administrator's key and password together; `nil` for no limit.
    private let logins: Slowdown?
    private let refusals: RefusalTally
    private let clock: any WallClock
    private let started = ContinuousClock.now

    init(settings: EngineSettings, refusals: RefusalTally, clock: any WallClock) {
        tokens = RateLimiter(perMinute: settings.rateLimitPerMinute)
        logins = settings.adminRateLimitPerMinute > 0 ? Slowdown() : nil
        self.refusals = refusals
        self.clock = clock
    }

    func admit(_ secret: GuessedSecret, from address: String) throws(ApusError) {
        switch secret {
        case .token:
            // Everybody behind a proxy that was not named as one comes from the loopback: wrong tokens, which nobody
            // can guess anyway, must not keep all of them out.
            guard let network = ClientAddress.network(of: address) else { return }
            do throws(ApusError) {
                try tokens.check(network, at: ContinuousClock.now - started)
            } catch {
                var refusal = ApusError(.rateLimited, "too many wrong tokens came from this address")
                refusal.retryAfterSeconds = error.retryAfterSeconds
                throw refusal
            }
        case .key, .password: try logins?.check(Self.source(of: address), at: ContinuousClock.now - started)
        }
    }

    func noteWrong(_ secret: GuessedSecret, origin: RequestOrigin) {
        switch secret {
        case .token:
            guard let network = ClientAddress.network(of: origin.ip) else { return }
            // A bucket that is empty has had its effect.
            _ = try? tokens.admit(network, at: ContinuousClock.now - started)
        case .key, .password:
            logins?.noteFailure(of: Self.source(of: origin.ip), at: ContinuousClock.now - started)
            // Never the name that was tried: people type their password there.
            refusals.note(
                .unauthenticated, of: secret.rawValue, as: .failedLogin, origin: origin, at: clock.now())
        }
    }

    /// What is counted together with `address`.
    static func source(of address: String) -> String {
        ClientAddress.network(of: address) ?? (ClientAddress.isLoopback(address) ? "loopback" : address)
    }
}
