import NIOCore

/// A path into a JSON value (RFC 6901), such as `/stats/score`; empty for the whole value.
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
        guard let token = try? token(at: pointer, in: text), token.kind == .number else { return nil }
        return JSONNumber(text.extracting(token.range))
    }

    private func token(at pointer: JSONPointer, in text: Span<UInt8>) throws(ApusError) -> JSONToken? {
        var scanner = JSONScanner()
        var found = try scanner.value(in: text)
        for name in pointer.tokens {
            var inside = JSONScanner(offset: found.range.lowerBound, depthMax: Limits().valueDepthMax)
            var child: JSONToken?
            switch found.kind {
            case .object:
                try inside.beginObject(in: text)
                while let member = try inside.nextMember(in: text) {
                    let value = try inside.value(in: text)
                    if member.utf8.elementsEqual(name.utf8) { child = value }
                }
            case .array:
                guard let index = Int(name), String(index) == name, index >= 0 else { return nil }
                var position = 0
                try inside.beginArray(in: text)
                while try inside.nextElement(in: text) {
                    let value = try inside.value(in: text)
                    if position == index { child = value }
                    position += 1
                }
            default: return nil
            }
            guard let child else { return nil }
            found = child
        }
        return found
    }
}
