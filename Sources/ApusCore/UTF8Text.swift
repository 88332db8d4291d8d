public import NIOCore

/// Well-formed UTF-8 (The Unicode Standard, table 3-7).
public enum UTF8Text {
    /// The length of the multi-byte sequence at `index`, or `nil` if it is not well-formed.
    static func length(at index: Int, in text: Span<UInt8>) -> Int? {
        func continues(_ distance: Int, _ range: ClosedRange<UInt8> = 0x80...0xBF) -> Bool {
            index + distance < text.count && range ~= text[index + distance]
        }
        switch text[index] {
        case 0xC2...0xDF: return continues(1) ? 2 : nil
        case 0xE0: return continues(1, 0xA0...0xBF) && continues(2) ? 3 : nil
        case 0xED: return continues(1, 0x80...0x9F) && continues(2) ? 3 : nil
        case 0xE1...0xEF: return continues(1) && continues(2) ? 3 : nil
        case 0xF0: return continues(1, 0x90...0xBF) && continues(2) && continues(3) ? 4 : nil
        case 0xF1...0xF3: return continues(1) && continues(2) && continues(3) ? 4 : nil
        case 0xF4: return continues(1, 0x80...0x8F) && continues(2) && continues(3) ? 4 : nil
        default: return nil
        }
    }

    /// Whether all of `buffer`'s readable bytes are well-formed.
    public static func isValid(_ buffer: ByteBuffer) -> Bool {
        let text = buffer.readableBytesUInt8Span
        var index = 0
        while index < text.count {
            if text[index] < 0x80 {
                index += 1
            } else {
                guard let length = length(at: index, in: text) else { return false }
                index += length
            }
        }
        return true
    }
}
