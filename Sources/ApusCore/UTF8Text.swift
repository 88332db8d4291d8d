public import NIOCore

/// Well-formed UTF-8 (The Unicode Standard, table 3-7).
public enum UTF8Text {
    /// What stands where a character should begin.
    private enum Sequence {
        case whole(length: Int)
        /// The text ends before the character does; some continuation would make it whole.
        case cut
        case malformed
    }

    /// The length of the multi-byte sequence at `index`, or `nil` if it is not well-formed.
    static func length(at index: Int, in text: Span<UInt8>) -> Int? {
        switch sequence(at: index, in: text) {
        case .whole(let length): length
        case .cut, .malformed: nil
        }
    }

    /// Whether all of `buffer`'s readable bytes are well-formed.
    public static func isValid(_ buffer: ByteBuffer) -> Bool {
        validEnd(of: buffer, from: 0) == buffer.readableBytes
    }

    /// Judges text that is still growing: the number of `buffer`'s readable bytes that are whole characters, of which
    /// the first `start` are known to be.
    ///
    /// At most three bytes come after those, the beginning of a character; go on from there when more have come.
    ///
    /// - Returns: `nil` if no continuation can make the text well-formed.
    public static func validEnd(of buffer: ByteBuffer, from start: Int) -> Int? {
        let text = buffer.readableBytesUInt8Span
        var index = start
        while index < text.count {
            if text[index] < 0x80 {
                index = asciiEnd(of: text, from: index + 1)
            } else {
                switch sequence(at: index, in: text) {
                case .whole(let length): index += length
                case .cut: return index
                case .malformed: return nil
                }
            }
        }
        return index
    }

    /// Where the bytes below 0x80 end that begin at `start`, to within seven.
    private static func asciiEnd(of text: Span<UInt8>, from start: Int) -> Int {
        text.withUnsafeBytes { bytes in
            var index = start
            while index &+ 8 <= bytes.count,
                bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
            {
                index &+= 8
            }
            return index
        }
    }

    private static func sequence(at index: Int, in text: Span<UInt8>) -> Sequence {
        let shape: (length: Int, second: ClosedRange<UInt8>)
        switch text[index] {
        case 0xC2...0xDF: shape = (2, 0x80...0xBF)
        case 0xE0: shape = (3, 0xA0...0xBF)
        case 0xED: shape = (3, 0x80...0x9F)
        case 0xE1...0xEF: shape = (3, 0x80...0xBF)
        case 0xF0: shape = (4, 0x90...0xBF)
        case 0xF1...0xF3: shape = (4, 0x80...0xBF)
        case 0xF4: shape = (4, 0x80...0x8F)
        default: return .malformed
        }
        for distance in 1..<shape.length {
            guard index + distance < text.count else { return .cut }
            let allowed = distance == 1 ? shape.second : 0x80...0xBF
            guard allowed ~= text[index + distance] else { return .malformed }
        }
        return .whole(length: shape.length)
    }
}
