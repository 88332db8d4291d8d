import ApusCore
import Synchronization

/// A token bucket for each key: as many requests as `perMinute` at once, refilled evenly.
///
/// Kept as one number a key, the moment its bucket will be full again (the generic cell rate algorithm of ITU-T I.371).
/// A full bucket needs no entry, so a key is forgotten a minute after its last request at the latest.
final class RateLimiter: Sendable {
    private let perMinute: Int
    private let keysMax: Int
    /// What one request takes out of a bucket, in nanoseconds of refilling.
    private let share: Int64
    private let fullAt: Mutex<[ExactText: Int64]> = Mutex([:])

    private static let minute: Int64 = 60_000_000_000

    /// - Parameter perMinute: 0 turns the limiter off.
    init(perMinute: Int, keysMax: Int = 100_000) {
        self.perMinute = perMinute
        self.keysMax = keysMax
        share = Self.minute / Int64(max(1, perMinute))
    }

    /// How many keys are remembered now.
    var count: Int { fullAt.withLock { $0.count } }

    /// Takes `count` requests out of `key`'s bucket.
    ///
    /// - Parameters:
    ///   - count: as many as go into a bucket at most; nothing is taken for 0 or less.
    ///   - clock: time since any fixed point on a clock that does not jump.
    /// - Returns: what is left; `nil` if the limiter is off, or nothing was to be taken.
    /// - Throws: `rate-limited` with the seconds after which as many will pass; nothing is taken then.
    @discardableResult
    func admit(
        _ key: String, count: Int = 1, at clock: @autoclosure () -> Duration
    ) throws(ApusError) -> Allowance? {
        guard perMinute > 0, count > 0 else { return nil }
        let moment = clock().nanoseconds
        let key = ExactText(stored: key)
        let taken = Int64(count) * share
        let (owed, passes) = fullAt.withLock { fullAt in
            let before = max(fullAt[key] ?? moment, moment) - moment
            guard before + taken <= Self.minute else { return (before, false) }
            if fullAt.count >= keysMax, fullAt[key] == nil {
                fullAt.makeRoom(for: keysMax) { $0 > moment }
            }
            fullAt[key] = moment + before + taken
            return (before + taken, true)
        }
        guard passes else { throw refusal(owing: owed, wanting: taken) }
        return allowance(owing: owed)
    }

    /// Whether a request would pass; takes nothing.
    ///
    /// - Throws: `rate-limited` with the seconds after which one will.
    func check(_ key: String, at clock: @autoclosure () -> Duration) throws(ApusError) {
        guard perMinute > 0 else { return }
        let moment = clock().nanoseconds
        let owed = fullAt.withLock { max($0[ExactText(stored: key)] ?? moment, moment) } - moment
        guard owed + share <= Self.minute else { throw refusal(owing: owed, wanting: share) }
    }

    private func refusal(owing owed: Int64, wanting taken: Int64) -> ApusError {
        var error = ApusError(.rateLimited, "more than \(perMinute) requests a minute")
        error.retryAfterSeconds = max(1, Self.seconds(owed + taken - Self.minute))
        error.allowance = allowance(owing: owed)
        return error
    }

    private func allowance(owing owed: Int64) -> Allowance {
        Allowance(
            perMinute: perMinute, left: Int((Self.minute - owed) / share), secondsToFull: Self.seconds(owed))
    }

    /// Rounded up.
    private static func seconds(_ nanoseconds: Int64) -> Int { Int((nanoseconds + 999_999_999) / 1_000_000_000) }
}

extension Duration {
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}

extension Dictionary {
    /// Drops what is not needed any more; if that leaves it three quarters full, every second one, whatever it is, so
    /// that a flood of keys costs memory to nobody and is not searched anew for each of them.
    ///
    /// Every second one, and not the first half: these stand where the hash table begins, and one whose second half is
    /// full already takes thousands of steps for each key that is added.
    mutating func makeRoom(for keysMax: Int, _ isNeeded: (Value) -> Bool) {
        self = filter { isNeeded($0.value) }
        guard count > keysMax * 3 / 4 else { return }
        var isKept = false
        self = filter { _ in
            isKept.toggle()
            return isKept
        }
    }
}
