import Glibc

/// A reading of the monotonic clock, as one integer: the loops read it at every turn.
struct Moment: Comparable {
    let nanoseconds: Int64

    static var now: Moment {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Moment(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// The CPU time of this process, in seconds.
    static var processorSeconds: Double { seconds(of: CLOCK_PROCESS_CPUTIME_ID) }

    /// The CPU time of the calling thread, in seconds.
    static var threadProcessorSeconds: Double { seconds(of: CLOCK_THREAD_CPUTIME_ID) }

    static func < (left: Moment, right: Moment) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Nanoseconds between two moments.
    static func - (left: Moment, right: Moment) -> Int64 { left.nanoseconds - right.nanoseconds }

    private static func seconds(of clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    func after(seconds: Double) -> Moment {
        Moment(nanoseconds: nanoseconds + Int64(seconds * 1e9))
    }

    /// Milliseconds from now until then, at least one and at most `limit`: a time to sleep.
    func millisecondsLeft(from now: Moment, limit: Int32) -> Int32 {
        Int32(max(1, min(Int64(limit), (self - now) / 1_000_000)))
    }
}
