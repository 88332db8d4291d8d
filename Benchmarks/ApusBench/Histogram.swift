/// Latencies in nanoseconds, log-linear: 128 steps an octave, so that a percentile is within 1 % of the truth.
struct Histogram {
    private static let stepBits = 7
    private static let steps = 1 << stepBits
    private static let octaves = 36

    private var counts = [Int](repeating: 0, count: (octaves + 1) * steps)
    private(set) var count = 0
    private(set) var maximum: Int64 = 0

    /// Adds `times` observations of one latency; what is longer than the last step counts as the last step.
    mutating func record(_ nanoseconds: Int64, times: Int = 1) {
        let value = UInt64(max(0, nanoseconds))
        counts[Self.index(of: value)] += times
        count += times
        maximum = max(maximum, nanoseconds)
    }

    /// The latency that `share` (0 to 1) of the observations did not exceed, in nanoseconds; 0 without observations.
    func percentile(_ share: Double) -> Int64 {
        let wanted = max(1, Int((Double(count) * share).rounded(.up)))
        var seen = 0
        for (index, times) in counts.enumerated() where times > 0 {
            seen += times
            if seen >= wanted { return min(maximum, Self.highest(of: index)) }
        }
        return maximum
    }

    private static func index(of value: UInt64) -> Int {
        guard value >= UInt64(steps) else { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        let octave = exponent - stepBits + 1
        guard octave <= octaves else { return (octaves + 1) * steps - 1 }
        return octave * steps + Int(value >> UInt64(exponent - stepBits)) & (steps - 1)
    }

    private static func highest(of index: Int) -> Int64 {
        guard index >= steps else { return Int64(index) }
        let octave = index / steps
        let step = Int64(index % steps + steps)
        return (step + 1) << Int64(octave - 1) - 1
    }
}
