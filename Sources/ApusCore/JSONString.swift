internal import NIOCore

/// JSON string literals (RFC 8259, section 7): from validated text to `String`, and back.
public enum JSONString {
    /// The string that the literal at `range`, quotes included and validated, stands for.
    public static func decode(_ text: Span<UInt8>, range: Range<Int>) -> String {
        let content = range.lowerBound + 1..<range.upperBound - 1
        guard let firstEscape = content.first(where: { text[$0] == UInt8(ascii: "\\") }) else {
            return raw(text, range: content)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(content.count)
        for index in content.lowerBound..<firstEscape { bytes.append(text[index]) }
        var index = firstEscape
        while index < content.upperBound {
            guard text[index] == UInt8(ascii: "\\") else {
                bytes.append(text[index])
                index += 1
                continue
            }
            switch text[index + 1] {
            case UInt8(ascii: "b"): bytes.append(0x08)
            case UInt8(ascii: "f"): bytes.append(0x0C)
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "u"):
                bytes.append(contentsOf: String(Character(scalar(text, at: index))).utf8)
                let unit = codeUnit(text, at: index) ?? 0
                index += 0xD800...0xDBFF ~= unit ? 12 : 6
                continue
            case let other: bytes.append(other)
            }
            index += 2
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The token's own text, as it stands.
    public static func raw(_ text: Span<UInt8>, range: Range<Int>) -> String {
        text.extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }

    /// The four hex digits of the `\uXXXX` at `index`; `nil` if it is not one.
    static func codeUnit(_ text: Span<UInt8>, at index: Int) -> UInt32? {
        guard index + 6 <= text.count, text[index] == UInt8(ascii: "\\"), text[index + 1] == UInt8(ascii: "u")
        else { return nil }
        var unit: UInt32 = 0
        for position in index + 2..<index + 6 {
            switch text[position] {
            case let byte where byte.isDigit: unit = unit << 4 | UInt32(byte - UInt8(ascii: "0"))
            case let byte where UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte | 0x20:
                unit = unit << 4 | UInt32((byte | 0x20) - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return unit
    }

    private static func scalar(_ text: Span<UInt8>, at index: Int) -> Unicode.Scalar {
        let unit = codeUnit(text, at: index) ?? 0xFFFD
        guard 0xD800...0xDBFF ~= unit, let low = codeUnit(text, at: index + 6) else {
            return Unicode.Scalar(unit) ?? "\u{FFFD}"
        }
        return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)) ?? "\u{FFFD}"
    }
}
