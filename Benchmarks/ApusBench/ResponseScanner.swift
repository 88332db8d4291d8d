import Glibc

/// Finds the end of an HTTP response without decoding it: the status, the length, and how the body begins.
struct ResponseScanner {
    /// What the bytes so far come to.
    enum Progress {
        /// The head, or the beginning of the body, is not whole: keep the bytes and read on.
        case headIncomplete
        /// The rest of the body is due; these bytes are no longer needed.
        case bodyIncomplete
        case complete
    }

    /// What the body of a good answer begins with, such as `{"applied":true`.
    var expected: [UInt8] = []
    private var bodyBytesLeft = 0

    /// Takes all bytes received since the last `bodyIncomplete` or `complete`.
    mutating func take(_ bytes: UnsafePointer<UInt8>, count: Int) throws -> Progress {
        var rest = count
        if bodyBytesLeft == 0 {
            guard let head = try Head(bytes, count: count) else { return .headIncomplete }
            rest = count - head.length
            let isBegun = rest >= min(head.bodyLength, max(expected.count, head.isGood ? 0 : 400))
            guard isBegun else { return .headIncomplete }
            guard head.isGood, rest >= expected.count,
                memcmp(bytes + head.length, expected, expected.count) == 0
            else {
                throw BenchError("the server answered \(bytes.text(count: min(count, head.length + 400)))")
            }
            bodyBytesLeft = head.bodyLength
        }
        guard rest <= bodyBytesLeft else { throw BenchError("the server sent more than one answer to one request") }
        bodyBytesLeft -= rest
        return bodyBytesLeft == 0 ? .complete : .bodyIncomplete
    }
}

extension ResponseScanner {
    /// The status line and the one field that counts; there is nothing to build while the head is not whole.
    private struct Head {
        var length = 0
        var bodyLength = -1
        var isGood = false

        init?(_ bytes: UnsafePointer<UInt8>, count: Int) throws {
            var line = 0
            while let newline = memchr(bytes + line, 0x0A, count - line) {
                let next = UnsafeRawPointer(newline) - UnsafeRawPointer(bytes) + 1
                if next - line <= 2 {
                    guard bodyLength >= 0 else { throw BenchError("an answer without Content-Length") }
                    length = next
                    isGood = count > 9 && bytes[9] == UInt8(ascii: "2")
                    return
                }
                if bytes[line] | 0x20 == UInt8(ascii: "c"), next - line > 16,
                    strncasecmp(
                        UnsafeRawPointer(bytes + line).assumingMemoryBound(to: CChar.self), "content-length:", 15)
                        == 0
                {
                    bodyLength = Self.number(bytes + line + 15, count: next - line - 15)
                }
                line = next
            }
            guard count < 16 << 10 else { throw BenchError("an answer with a head of more than 16 KiB") }
            return nil
        }

        private static func number(_ digits: UnsafePointer<UInt8>, count: Int) -> Int {
            var number = 0
            for place in 0..<min(count, 16) {
                let digit = digits[place]
                if digit >= 0x30 && digit <= 0x39 { number = number * 10 + Int(digit - 0x30) }
            }
            return number
        }
    }
}
