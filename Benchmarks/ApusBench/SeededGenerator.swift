/// SplitMix64 (Steele, Lea, Flood 2014): the same seed draws the same keys.
struct SeededGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// A number from 0 up to and without `bound`.
    mutating func next(below bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        return Int(mixed.multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A step that shares no factor with `bound`, so that `bound` steps meet every number below it once.
    mutating func shuffleStep(below bound: Int) -> Int {
        for _ in 0..<64 {
            let step = next(below: bound) + 1
            if Self.commonFactor(step, bound) == 1 { return step }
        }
        return 1
    }

    private static func commonFactor(_ left: Int, _ right: Int) -> Int {
        var (larger, smaller) = (left, right)
        while smaller > 0 { (larger, smaller) = (smaller, larger % smaller) }
        return larger
    }
}
