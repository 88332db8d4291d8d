public import ApusCore
import Synchronization

/// A clock that stands still until a test moves it, forwards or back.
public final class ManualClock: WallClock {
    private let moment: Mutex<Timestamp>

    /// - Parameter start: 2026-01-01T00:00:00Z unless told.
    public init(_ start: Timestamp = Timestamp(milliseconds: 1_767_225_600_000)) {
        moment = Mutex(start)
    }

    public func now() -> Timestamp { moment.withLock { $0 } }

    /// Jumps to `time`.
    public func set(_ time: Timestamp) {
        moment.withLock { $0 = time }
    }

    /// Moves on by `amount`; back if it is negative.
    public func advance(bySeconds amount: Int64) {
        moment.withLock { $0 = $0.advanced(bySeconds: amount) }
    }

    /// Moves on by `amount`; back if it is negative.
    public func advance(byMilliseconds amount: Int64) {
        moment.withLock { $0 = $0.advanced(byMilliseconds: amount) }
    }
}
