import Histogram

/// Latencies in nanoseconds: an HdrHistogram of three significant digits, up to an hour.
struct Latencies {
    private static let longest: Int64 = 3_600_000_000_000

    private var histogram = Histogram<UInt64>(
        lowestDiscernibleValue: 64, highestTrackableValue: UInt64(longest), numberOfSignificantValueDigits: .three)
    private(set) var maximum: Int64 = 0

    var count: Int { Int(clamping: histogram.totalCount) }

    /// Adds `times` observations of one latency; what is longer than an hour counts as an hour.
    mutating func record(_ nanoseconds: Int64, times: Int = 1) {
        histogram.record(UInt64(min(max(0, nanoseconds), Self.longest)), count: UInt64(max(0, times)))
        maximum = max(maximum, nanoseconds)
    }

    /// The latency that so many of a hundred observations did not exceed, in nanoseconds; 0 without observations.
    func percentile(_ percent: Double) -> Int64 {
        count == 0 ? 0 : min(maximum, Int64(clamping: histogram.valueAtPercentile(percent)))
    }
}
