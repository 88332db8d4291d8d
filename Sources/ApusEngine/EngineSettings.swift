public import ApusCore
import Glibc

/// What an operator decides about the engine.
public struct EngineSettings: Sendable {
    public var limits = Limits()
    /// Requests a user may make a minute; 0 for no limit.
    public var rateLimitPerMinute = 600
    /// Administrator's requests an address may make a minute; 0 for no limit.
    public var adminRateLimitPerMinute = 120
    public var tokenTTLSeconds: Int64 = 30 * 86_400
    public var tombstoneTTLDays = 30
    public var auditTTLDays = 90
    /// How often what has run out is swept.
    public var cleanupInterval = Duration.milliseconds(1000)

    public init() {}
}

/// The system's clock.
public struct SystemClock: WallClock {
    public init() {}

    public func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
