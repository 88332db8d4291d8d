/// A strict reader of JSON text (RFC 8259) that validates and finds ranges and builds nothing.
///
/// It refuses what is not UTF-8, unpaired surrogates, control characters in strings, numbers and literals of other
/// dialects, and nesting beyond `depthMax`. It does not recurse. Numbers beyond `Double` are kept as they stand.
///
/// The scanner holds only where it is; the text is passed to each call and must be the same in all of them. A caller
/// that knows the shape walks it (`beginObject`, `nextMember`, `value` …); `value` passes over a whole value at once.
public struct JSONScanner: Sendable {
    public private(set) var offset = 0
    private let depthMax: Int
    private var followsValue = false

    public init(depthMax: Int = Limits().valueDepthMax) {
        self.depthMax = depthMax
    }
}

// MARK: - Walking a known shape

extension JSONScanner {
    /// The kind of the value that comes next, without passing over it.
    public mutating func peek(in text: Span<UInt8>) throws(ApusError) -> JSONToken.Kind {
        skipSpace(text)
        guard offset < text.count else { throw unexpectedEnd() }
        switch text[offset] {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        default: throw malformed("a value was expected")
        }
    }

    /// Steps into an object; ``peek(in:)`` must have said that one comes.
    public mutating func beginObject(in text: Span<UInt8>) throws(ApusError) {
        try expect(UInt8(ascii: "{"), in: text)
        followsValue = false
    }

    /// Steps into an array; ``peek(in:)`` must have said that one comes.
    public mutating func beginArray(in text: Span<UInt8>) throws(ApusError) {
        try expect(UInt8(ascii: "["), in: text)
        followsValue = false
    }

    /// The next member's name, after which its value must be read; `nil` when the object has ended.
    public mutating func nextMember(in text: Span<UInt8>) throws(ApusError) -> String? {
        guard try advance(to: UInt8(ascii: "}"), in: text) else { return nil }
        guard offset < text.count, text[offset] == UInt8(ascii: "\"") else { throw malformed("a name was expected") }
        let start = offset
        try string(text)
        let name = JSONString.decode(text, range: start..<offset)
        skipSpace(text)
        try expect(UInt8(ascii: ":"), in: text)
        return name
    }

    /// Whether another element follows, which must then be read; `false` when the array has ended.
    public mutating func nextElement(in text: Span<UInt8>) throws(ApusError) -> Bool {
        try advance(to: UInt8(ascii: "]"), in: text)
    }

    /// Makes sure that only space follows.
    public mutating func end(in text: Span<UInt8>) throws(ApusError) {
        skipSpace(text)
        guard offset == text.count else { throw malformed("nothing more was expected") }
    }

    private mutating func advance(to closing: UInt8, in text: Span<UInt8>) throws(ApusError) -> Bool {
        skipSpace(text)
        guard offset < text.count else { throw unexpectedEnd() }
        if text[offset] == closing {
            offset += 1
            followsValue = true
            return false
        }
        if followsValue {
            try expect(UInt8(ascii: ","), in: text)
            skipSpace(text)
            guard offset < text.count else { throw unexpectedEnd() }
            guard text[offset] != closing else { throw malformed("a value was expected after the comma") }
        }
        followsValue = false
        return true
    }
}

// MARK: - Passing over whole values

extension JSONScanner {
    /// Passes over one value of any kind and depth up to the limit.
    public mutating func value(in text: Span<UInt8>) throws(ApusError) -> JSONToken {
        let kind = try peek(in: text)
        let start = offset
        switch kind {
        case .object, .array: try container(text)
        case .string: try string(text)
        case .number: try number(text)
        case .boolean, .null: try literal(text)
        }
        followsValue = true
        return JSONToken(kind: kind, range: start..<offset)
    }

    /// A whole object or array, without recursion: `open` holds one bit a level, 1 for an object.
    private mutating func container(_ text: Span<UInt8>) throws(ApusError) {
        var open = NestingBits()
        repeat {
            skipSpace(text)
            guard offset < text.count else { throw unexpectedEnd() }
            switch text[offset] {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                let isObject = text[offset] == UInt8(ascii: "{")
                guard open.depth < depthMax else { throw malformed("values nest deeper than \(depthMax) levels") }
                offset += 1
                open.push(isObject: isObject)
                skipSpace(text)
                guard offset < text.count else { throw unexpectedEnd() }
                if text[offset] == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                    offset += 1
                    open.pop()
                } else {
                    if isObject { try memberName(text) }
                    continue
                }
            case UInt8(ascii: "\""): try string(text)
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number(text)
            default: try literal(text)
            }
            try closeFinished(&open, text)
        } while open.depth > 0
    }

    /// After a value inside a container: passes over closing brackets and the comma before the next value.
    private mutating func closeFinished(_ open: inout NestingBits, _ text: Span<UInt8>) throws(ApusError) {
        while open.depth > 0 {
            skipSpace(text)
            guard offset < text.count else { throw unexpectedEnd() }
            let byte = text[offset]
            if byte == UInt8(ascii: ",") {
                offset += 1
                if open.isInObject { try memberName(text) }
                return
            }
            guard byte == (open.isInObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
                throw malformed("a comma or a closing bracket was expected")
            }
            offset += 1
            open.pop()
        }
    }

    private mutating func memberName(_ text: Span<UInt8>) throws(ApusError) {
        skipSpace(text)
        guard offset < text.count else { throw unexpectedEnd() }
        guard text[offset] == UInt8(ascii: "\"") else { throw malformed("a name was expected") }
        try string(text)
        skipSpace(text)
        try expect(UInt8(ascii: ":"), in: text)
    }

    private mutating func literal(_ text: Span<UInt8>) throws(ApusError) {
        let word: StaticString =
            switch text[offset] {
            case UInt8(ascii: "t"): "true"
            case UInt8(ascii: "f"): "false"
            case UInt8(ascii: "n"): "null"
            default: throw malformed("a value was expected")
            }
        for index in 0..<word.utf8CodeUnitCount {
            guard offset + index < text.count else { throw unexpectedEnd() }
            guard text[offset + index] == word.utf8Start[index] else { throw malformed("a value was expected") }
        }
        offset += word.utf8CodeUnitCount
    }

    private mutating func number(_ text: Span<UInt8>) throws(ApusError) {
        if text[offset] == UInt8(ascii: "-") { offset += 1 }
        guard offset < text.count else { throw unexpectedEnd() }
        if text[offset] == UInt8(ascii: "0") {
            offset += 1
            if offset < text.count, text[offset].isDigit { throw malformed("a number must not start with 0") }
        } else {
            try digits(text)
        }
        if offset < text.count, text[offset] == UInt8(ascii: ".") {
            offset += 1
            try digits(text)
        }
        if offset < text.count, text[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if offset < text.count, text[offset] == UInt8(ascii: "+") || text[offset] == UInt8(ascii: "-") {
                offset += 1
            }
            try digits(text)
        }
    }

    private mutating func digits(_ text: Span<UInt8>) throws(ApusError) {
        guard offset < text.count else { throw unexpectedEnd() }
        guard text[offset].isDigit else { throw malformed("a digit was expected") }
        repeat { offset += 1 } while offset < text.count && text[offset].isDigit
    }

    private mutating func string(_ text: Span<UInt8>) throws(ApusError) {
        offset += 1
        while offset < text.count {
            let byte = text[offset]
            if byte == UInt8(ascii: "\"") {
                offset += 1
                return
            } else if byte == UInt8(ascii: "\\") {
                try escape(text)
            } else if byte >= 0x80 {
                guard let length = UTF8Text.length(at: offset, in: text) else {
                    throw malformed("the text is not UTF-8")
                }
                offset += length
            } else if byte >= 0x20 {
                offset += 1
            } else {
                throw malformed("control characters in strings must be escaped")
            }
        }
        throw unexpectedEnd()
    }

    private mutating func escape(_ text: Span<UInt8>) throws(ApusError) {
        guard offset + 1 < text.count else { throw unexpectedEnd() }
        switch text[offset + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            offset += 2
        case UInt8(ascii: "u"):
            guard let unit = JSONString.codeUnit(text, at: offset) else { throw malformed("\\u needs four hex digits") }
            offset += 6
            guard 0xD800...0xDFFF ~= unit else { return }
            guard unit < 0xDC00, let low = JSONString.codeUnit(text, at: offset), 0xDC00...0xDFFF ~= low else {
                throw malformed("a surrogate has no partner")
            }
            offset += 6
        default:
            throw malformed("an unknown escape")
        }
    }
}

// MARK: - Small steps

extension JSONScanner {
    private mutating func skipSpace(_ text: Span<UInt8>) {
        while offset < text.count {
            switch text[offset] {
            case 0x20, 0x09, 0x0A, 0x0D: offset += 1
            default: return
            }
        }
    }

    private mutating func expect(_ byte: UInt8, in text: Span<UInt8>) throws(ApusError) {
        guard offset < text.count else { throw unexpectedEnd() }
        guard text[offset] == byte else { throw malformed("'\(Unicode.Scalar(byte))' was expected") }
        offset += 1
    }

    private func malformed(_ what: String) -> ApusError {
        ApusError(.malformedJSON, "not valid JSON at byte \(offset): \(what)")
    }

    private func unexpectedEnd() -> ApusError {
        ApusError(.malformedJSON, "not valid JSON: the text ends too early, at byte \(offset)")
    }
}

extension UInt8 {
    @inline(__always)
    var isDigit: Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= self }
}

/// Whether each open container is an object (1) or an array (0), innermost lowest; room for 256 levels.
private struct NestingBits {
    private(set) var depth = 0
    private var low: UInt128 = 0
    private var high: UInt128 = 0

    var isInObject: Bool { low & 1 == 1 }

    mutating func push(isObject: Bool) {
        precondition(depth < 256)
        high = high << 1 | low >> 127
        low = low << 1 | (isObject ? 1 : 0)
        depth += 1
    }

    mutating func pop() {
        low = low >> 1 | high << 127
        high >>= 1
        depth -= 1
    }
}
