import ApusCore
import Synchronization

/// A token bucket for each key: as many requests as `perMinute` at once, refilled evenly.
///
/// Kept as one number a key, the moment its bucket will be full again (the generic cell rate algorithm of ITU-T I.371).
/// A full bucket needs no entry, so a key is forgotten a minute after its last request at the latest.
final class RateLimiter: Sendable {
    private let perMinute: Int
    private let keysMax: Int
    private let fullAt: Mutex<[ExactText: Duration]> = Mutex([:])

    /// - Parameter perMinute: 0 turns the limiter off.
    init(perMinute: Int, keysMax: Int = 100_000) {
        self.perMinute = perMinute
        self.keysMax = keysMax
    }

    /// Takes one request out of `key`'s bucket.
    ///
    /// - Parameter clock: time since any fixed point on a clock that does not jump.
    /// - Throws: `rate-limited` with the seconds after which a request will pass.
    func admit(_ key: String, at clock: @autoclosure () -> Duration) throws(ApusError) {
        guard perMinute > 0 else { return }
        let moment = clock()
        let key = ExactText(stored: key)
        let wait: Duration? = fullAt.withLock { fullAt in
            let before = max(fullAt[key] ?? moment, moment)
            let after = before + .seconds(60) / perMinute
            guard after - moment <= .seconds(60) else { return after - moment - .seconds(60) }
            if fullAt.count >= keysMax, fullAt[key] == nil { makeRoom(&fullAt, at: moment) }
            fullAt[key] = after
            return nil
        }
        guard let wait else { return }
        var error = ApusError(.rateLimited, "more than \(perMinute) requests a minute")
        error.retryAfterSeconds = max(1, Int((wait / .seconds(1)).rounded(.up)))
        throw error
    }

    /// Forgets full buckets; if all are in use, half of them, so that a flood of keys costs memory to nobody.
    private func makeRoom(_ fullAt: inout [ExactText: Duration], at moment: Duration) {
        fullAt = fullAt.filter { $0.value > moment }
        if fullAt.count >= keysMax {
            fullAt = Dictionary(uniqueKeysWithValues: fullAt.dropFirst(keysMax / 2).map { ($0.key, $0.value) })
        }
    }
}
