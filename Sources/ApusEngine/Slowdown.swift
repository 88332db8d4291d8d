import ApusCore
import Synchronization

/// Makes who fails again and again wait: the fifth failure within a minute costs a second in which no further attempt
/// is looked at, each one after that twice the time of the one before, up to a minute.
///
/// A key is forgotten a minute after its last failure, or after the wait that this one cost.
final class Slowdown: Sendable {
    private struct Failures {
        var count = 0
        var opensAt: Int64 = .min
        var isForgottenAt: Int64 = .min
    }

    private let keysMax: Int
    private let failures: Mutex<[ExactText: Failures]> = Mutex([:])

    private static let freeFailures = 4
    private static let second: Int64 = 1_000_000_000
    private static let waitSecondsMax: Int64 = 60
    private static let memorySeconds: Int64 = 60

    init(keysMax: Int = 100_000) {
        self.keysMax = keysMax
    }

    /// How many keys are remembered now.
    var count: Int { failures.withLock { $0.count } }

    /// Whether an attempt may be looked at.
    ///
    /// - Parameter moment: time since any fixed point on a clock that does not jump.
    /// - Throws: `rate-limited` with the seconds until one may.
    func check(_ key: String, at moment: Duration) throws(ApusError) {
        let moment = moment.nanoseconds
        guard let opensAt = failures.withLock({ $0[ExactText(stored: key)]?.opensAt }), opensAt > moment else { return }
        var error = ApusError(.rateLimited, "too many wrong attempts came from this address")
        error.retryAfterSeconds = Int((opensAt - moment + Self.second - 1) / Self.second)
        throw error
    }

    func noteFailure(of key: String, at moment: Duration) {
        let moment = moment.nanoseconds
        let key = ExactText(stored: key)
        failures.withLock { failures in
            if failures.count >= keysMax, failures[key] == nil {
                failures.makeRoom(for: keysMax) { $0.isForgottenAt > moment }
            }
            var kept = failures[key] ?? Failures()
            if kept.isForgottenAt <= moment { kept = Failures() }
            kept.count = min(kept.count + 1, 100)
            let doublings = kept.count - Self.freeFailures - 1
            let wait = doublings < 0 ? 0 : min(Self.waitSecondsMax, 1 << Int64(min(doublings, 6)))
            kept.opensAt = moment + wait * Self.second
            kept.isForgottenAt = kept.opensAt + Self.memorySeconds * Self.second
            failures[key] = kept
        }
    }
}
