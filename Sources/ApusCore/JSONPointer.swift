import NIOCore

/// A path into a JSON value (RFC 6901), such as `/stats/score`; empty for the whole value. At most 128 steps, as deep
/// as a value may nest.
public struct JSONPointer: Hashable, Sendable {
    public let tokens: [String]

    public static let whole = JSONPointer(tokens: [])

    private init(tokens: [String]) {
        self.tokens = tokens
    }

    /// `nil` unless `text` is empty or starts with `/` and every `~` is `~0` or `~1`.
    public init?(_ text: String) {
        guard !text.isEmpty else {
            self = .whole
            return
        }
        guard text.utf8.first == UInt8(ascii: "/") else { return nil }
        var tokens: [String] = []
        for part in text.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard let token = Self.unescaped(part) else { return nil }
            tokens.append(token)
        }
        guard tokens.count <= Limits().valueDepthMax else { return nil }
        self.tokens = tokens
    }

    private static func unescaped(_ part: Substring.UTF8View) -> String? {
        var bytes: [UInt8] = []
        var rest = part.makeIterator()
        while let byte = rest.next() {
            guard byte == UInt8(ascii: "~") else {
                bytes.append(byte)
                continue
            }
            switch rest.next() {
            case UInt8(ascii: "0"): bytes.append(UInt8(ascii: "~"))
            case UInt8(ascii: "1"): bytes.append(UInt8(ascii: "/"))
            default: return nil
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension JSONText {
    /// The number at `pointer`; `nil` when nothing is there, or no number, or one beyond `Double`.
    ///
    /// Of duplicate names the last counts, as most parsers have it.
    public func number(at pointer: JSONPointer) -> JSONNumber? {
        let text = bytes.readableBytesUInt8Span
        var scanner = JSONScanner()
        guard let found = try? scanner.value(at: pointer.tokens[...], in: text), found.kind == .number else {
            return nil
        }
        return JSONNumber(text.extracting(found.range))
    }
}

extension JSONScanner {
    /// Passes over one value and finds what lies at `path` in it, reading each byte once.
    fileprivate mutating func value(
        at path: ArraySlice<String>, in text: Span<UInt8>
    ) throws(ApusError) -> JSONToken? {
        guard let name = path.first else { return try value(in: text) }
        var found: JSONToken?
        switch try peek(in: text) {
        case .object:
            try beginObject(in: text)
            while let member = try nextMember(in: text) {
                if member.utf8.elementsEqual(name.utf8) {
                    found = try value(at: path.dropFirst(), in: text)
                } else {
                    _ = try value(in: text)
                }
            }
        case .array:
            let wanted = Int(name).flatMap { String($0) == name ? $0 : nil }
            var index = 0
            try beginArray(in: text)
            while try nextElement(in: text) {
                if index == wanted {
                    found = try value(at: path.dropFirst(), in: text)
                } else {
                    _ = try value(in: text)
                }
                index += 1
            }
        case .string, .number, .boolean, .null: _ = try value(in: text)
        }
        return found
    }
}
