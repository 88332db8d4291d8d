/// A JSON number compared by its exact decimal value, so that integers beyond 2^53 and long fractions keep their order.
public struct JSONNumber: Comparable, Sendable {
    private let isNegative: Bool
    /// Significant digits, without zeros at either end; empty for zero.
    private let digits: [UInt8]
    /// The power of ten of the first digit: 0.0d₁d₂… × 10^magnitude.
    private let magnitude: Int

    /// - Parameter text: a validated JSON number. `nil` when it is beyond the range of `Double`.
    public init?(_ text: Span<UInt8>) {
        let asDouble = text.withUnsafeBufferPointer { Double(String(decoding: $0, as: UTF8.self)) }
        guard let asDouble, asDouble.isFinite else { return nil }
        var digits: [UInt8] = []
        var pointPosition: Int?
        var exponent = 0
        var exponentIsNegative = false
        var inExponent = false
        for index in 0..<text.count {
            switch text[index] {
            case let byte where byte.isDigit && inExponent:
                exponent = min(exponent * 10 + Int(byte - UInt8(ascii: "0")), 1 << 40)
            case let byte where byte.isDigit: digits.append(byte)
            case UInt8(ascii: "."): pointPosition = digits.count
            case UInt8(ascii: "e"), UInt8(ascii: "E"): inExponent = true
            case UInt8(ascii: "-") where inExponent: exponentIsNegative = true
            default: continue
            }
        }
        let leadingZeros = digits.prefix { $0 == UInt8(ascii: "0") }.count
        let wholeDigits = (pointPosition ?? digits.count) - leadingZeros
        digits.removeFirst(leadingZeros)
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        self.digits = digits
        isNegative = text[0] == UInt8(ascii: "-") && !digits.isEmpty
        magnitude = digits.isEmpty ? 0 : wholeDigits + (exponentIsNegative ? -exponent : exponent)
    }

    public static func < (left: Self, right: Self) -> Bool {
        switch (left.isNegative, right.isNegative) {
        case (true, false): true
        case (false, true): false
        case (false, false): left.isSmallerInSize(than: right)
        case (true, true): right.isSmallerInSize(than: left)
        }
    }

    private func isSmallerInSize(than other: Self) -> Bool {
        if digits.isEmpty || other.digits.isEmpty { return digits.isEmpty && !other.digits.isEmpty }
        guard magnitude == other.magnitude else { return magnitude < other.magnitude }
        return digits.lexicographicallyPrecedes(other.digits)
    }
}
