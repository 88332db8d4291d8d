public import NIOCore

/// Writes JSON into memory that is large enough for all of it: a record has some twenty parts, and to check and grow a
/// buffer for each of them costs more than to write them.
public struct JSONPen: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    fileprivate private(set) var count = 0

    fileprivate init(_ memory: UnsafeMutableRawBufferPointer) {
        self.memory = memory
    }

    /// Writes `text` as it is.
    public mutating func write(raw text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Writes one JSON value as it is.
    public mutating func write(_ json: JSONText) {
        json.bytes.withUnsafeReadableBytes { append($0) }
    }

    /// Writes `string` as a JSON string literal. Everything but `"`, `\` and control characters stays as it is.
    public mutating func write(_ string: String) {
        append(UInt8(ascii: "\""))
        var string = string
        string.withUTF8 { text in
            if text.contains(where: Self.needsEscape) {
                for byte in text { escape(byte) }
            } else {
                append(UnsafeRawBufferPointer(text))
            }
        }
        append(UInt8(ascii: "\""))
    }

    /// The most bytes `string` can take as a JSON string literal.
    public static func bytesMax(_ string: String) -> Int { 2 + 6 * string.utf8.count }

    /// Writes an RFC 3339 time in quotes, or `null`.
    public mutating func write(_ time: Timestamp?) {
        guard let time else { return write(raw: "null") }
        append(UInt8(ascii: "\""))
        time.write(to: UnsafeMutableRawBufferPointer(rebasing: memory[count..<count + Timestamp.textBytes]))
        count += Timestamp.textBytes
        append(UInt8(ascii: "\""))
    }

    /// The most bytes a time can take, the quotes included.
    public static let timeBytesMax = Timestamp.textBytes + 2

    /// Writes `number` in decimal.
    public mutating func write(_ number: Int64) {
        if number < 0 { append(UInt8(ascii: "-")) }
        let start = count
        var rest = number.magnitude
        repeat {
            append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        var (low, high) = (start, count - 1)
        while low < high {
            memory.swapAt(low, high)
            low += 1
            high -= 1
        }
    }

    public static let numberBytesMax = 20

    private mutating func append(_ byte: UInt8) {
        precondition(count < memory.count, "there was room for less than is written")
        memory[count] = byte
        count += 1
    }

    private mutating func append(_ bytes: UnsafeRawBufferPointer) {
        precondition(count + bytes.count <= memory.count, "there was room for less than is written")
        UnsafeMutableRawBufferPointer(rebasing: memory[count..<count + bytes.count]).copyMemory(from: bytes)
        count += bytes.count
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): write(raw: "\\\"")
        case UInt8(ascii: "\\"): write(raw: "\\\\")
        case 0x0A: write(raw: "\\n")
        case 0x0D: write(raw: "\\r")
        case 0x09: write(raw: "\\t")
        case 0..<0x20:
            write(raw: byte < 0x10 ? "\\u000" : "\\u001")
            let digit = byte & 0xF
            append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        default: append(byte)
        }
    }
}

extension ByteBuffer {
    /// Appends what `body` writes, which is at most `bytesMax` bytes.
    public mutating func writeJSON(bytesMax: Int, _ body: (inout JSONPen) -> Void) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: bytesMax) { memory in
            var pen = JSONPen(memory)
            body(&pen)
            return pen.count
        }
    }

    /// Appends `string` as a JSON string literal. Everything but `"`, `\` and control characters stays as it is.
    public mutating func writeJSON(_ string: String) {
        writeJSON(bytesMax: JSONPen.bytesMax(string)) { $0.write(string) }
    }

    /// Appends `number` in decimal.
    public mutating func writeDecimal(_ number: Int64) {
        writeJSON(bytesMax: JSONPen.numberBytesMax) { $0.write(number) }
    }
}
