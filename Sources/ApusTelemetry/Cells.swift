import Metrics
import Synchronization

/// A number that only grows. Adding to it is one atomic operation.
final class CounterCell: CounterHandler {
    private let count = Atomic<Int64>(0)

    var value: Int64 { count.load(ordering: .relaxed) }

    func increment(by amount: Int64) {
        count.wrappingAdd(amount, ordering: .relaxed)
    }

    func reset() {
        count.store(0, ordering: .relaxed)
    }
}

/// A fraction that goes up and down, or only up.
final class FractionCell: FloatingPointCounterHandler, MeterHandler, RecorderHandler {
    private let bits = Atomic<UInt64>(Double.zero.bitPattern)

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ value: Double) {
        bits.store(value.bitPattern, ordering: .relaxed)
    }

    func increment(by amount: Double) {
        var expected = bits.load(ordering: .relaxed)
        while true {
            let sum = (Double(bitPattern: expected) + amount).bitPattern
            let (isStored, found) = bits.weakCompareExchange(expected: expected, desired: sum, ordering: .relaxed)
            guard !isStored else { return }
            expected = found
        }
    }

    func decrement(by amount: Double) { increment(by: -amount) }
    func set(_ value: Int64) { set(Double(value)) }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }
    func reset() { set(0.0) }
}

/// Values counted in classes. Adding one is two atomic operations.
///
/// It counts whole numbers: a fraction is rounded.
final class HistogramCell: TimerHandler, RecorderHandler, @unchecked Sendable {
    let bounds: [Int64]
    // Written when it is made, then only atomically.
    private let counts: UnsafeMutablePointer<Atomic<Int64>>
    private let sum = Atomic<Int64>(0)

    init(bounds: [Int64]) {
        self.bounds = bounds
        counts = .allocate(capacity: bounds.count + 1)
        for index in 0...bounds.count { (counts + index).initialize(to: Atomic(0)) }
    }

    deinit {
        counts.deinitialize(count: bounds.count + 1)
        counts.deallocate()
    }

    func record(_ value: Int64) {
        var index = 0
        // Most values are small.
        while index < bounds.count, value > bounds[index] { index += 1 }
        counts[index].wrappingAdd(1, ordering: .relaxed)
        sum.wrappingAdd(value, ordering: .relaxed)
    }

    func record(_ value: Double) {
        record(Int64(exactly: value.rounded()) ?? (value < 0 ? .min : .max))
    }

    func recordNanoseconds(_ duration: Int64) { record(duration) }

    var reading: Distribution {
        Distribution(
            bounds: bounds, counts: (0...bounds.count).map { counts[$0].load(ordering: .relaxed) },
            sum: sum.load(ordering: .relaxed))
    }
}

/// How many values there were in each class.
struct Distribution: Hashable, Sendable {
    /// Upper bounds of all classes but the last, which has none.
    let bounds: [Int64]
    var counts: [Int64]
    /// Of all values.
    var sum: Int64 = 0

    init(bounds: [Int64], counts: [Int64]? = nil, sum: Int64 = 0) {
        self.bounds = bounds
        self.counts = counts ?? Array(repeating: 0, count: bounds.count + 1)
        self.sum = sum
    }

    var count: Int64 { counts.reduce(0, +) }

    mutating func add(_ other: Distribution) {
        for index in counts.indices where other.counts.indices.contains(index) { counts[index] += other.counts[index] }
        sum &+= other.sum
    }

    /// What came since `earlier`.
    func since(_ earlier: Distribution) -> Distribution {
        Distribution(bounds: bounds, counts: zip(counts, earlier.counts).map { $0 - $1 }, sum: sum &- earlier.sum)
    }

    /// The value that `share` of all values are at most, as good as the classes tell: within its class the values count
    /// as spread evenly, and one beyond all bounds counts as the last bound. `nil` if there is none.
    func quantile(_ share: Double) -> Double? {
        let total = count
        guard total > 0 else { return nil }
        let rank = share * Double(total)
        var before: Int64 = 0
        for (index, bound) in bounds.enumerated() {
            guard counts[index] > 0, Double(before + counts[index]) >= rank else {
                before += counts[index]
                continue
            }
            let lower = index == 0 ? 0 : Double(bounds[index - 1])
            let part = max(0, rank - Double(before)) / Double(counts[index])
            return lower + (Double(bound) - lower) * part
        }
        return bounds.last.map { Double($0) }
    }
}
