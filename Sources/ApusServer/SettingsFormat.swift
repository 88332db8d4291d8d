/// How the text of a setting is read.
struct SettingFormat<Value: Sendable>: Sendable {
    /// What is expected, to follow "expected: ".
    let expected: String
    /// Whether the text must never be shown.
    var isSecret = false
    /// `nil` for a text that cannot be used.
    let read: @Sendable (String) -> Value?
}

extension SettingFormat where Value: FixedWidthInteger {
    static func integer(_ range: ClosedRange<Value>) -> Self {
        SettingFormat(expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            Value(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }
}

extension SettingFormat where Value == Bool {
    static let boolean = SettingFormat(expected: "true or false") { text in
        switch text.lowercased() {
        case "true", "1", "yes", "on": true
        case "false", "0", "no", "off": false
        default: nil
        }
    }
}

extension SettingFormat where Value: RawRepresentable, Value.RawValue == String {
    /// One of `words`, in lower or upper case.
    static func word(of words: [Value]) -> Self {
        SettingFormat(expected: "one of " + words.map(\.rawValue).joined(separator: ", ")) { text in
            words.first { $0.rawValue == text.lowercased() }
        }
    }
}

extension SettingFormat where Value == String {
    static let text = SettingFormat(expected: "text without control characters", read: printable)
    static let host = SettingFormat(expected: "an address or a host name") { text in
        text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") } ? text : nil
    }
    static let path = SettingFormat(expected: "a path, or sqlite:PATH, lmdb:PATH, memory:", read: printable)
    static let userName = SettingFormat(expected: "a name without : and control characters") { text in
        text.utf8.contains(UInt8(ascii: ":")) ? nil : printable(text)
    }
    static let password = SettingFormat(expected: "text without control characters", isSecret: true, read: printable)

    /// Something that is sent in a header.
    static let key = SettingFormat(expected: "visible ASCII characters only", isSecret: true) { text in
        text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? text : nil
    }

    static func secret(bytesMin: Int) -> Self {
        SettingFormat(expected: "at least \(bytesMin) bytes, without control characters", isSecret: true) { text in
            text.utf8.count >= bytesMin ? printable(text) : nil
        }
    }

    @Sendable private static func printable(_ text: String) -> String? {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } ? text : nil
    }
}

extension SettingFormat {
    /// Items between commas; space around them and empty ones are dropped.
    static func list<Item>(
        of expected: String, _ item: @escaping @Sendable (String) -> Item?
    ) -> Self where Value == [Item] {
        SettingFormat(expected: expected + ", with commas between") { text in
            let items = text.split(separator: ",").map { $0.trimmed() }.filter { !$0.isEmpty }.map(item)
            return items.contains { $0 == nil } ? nil : items.compactMap(\.self)
        }
    }
}

extension SettingFormat where Value == [String] {
    /// Origins as browsers write them (RFC 6454, section 6.2): `scheme://host[:port]`.
    static let origins = list(of: "origins such as https://app.example.com") { text in
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].count > 1, parts[0].last == UInt8(ascii: ":"), parts[1].isEmpty,
            !parts[2].isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "*") })
        else { return nil }
        return text.lowercased()
    }
}

extension StringProtocol {
    /// Without spaces and tabs at either end, and without the carriage return of a Windows line end.
    func trimmed() -> String {
        var text = Substring(self).unicodeScalars
        while let first = text.first, Self.isSpace(first) { text.removeFirst() }
        while let last = text.last, Self.isSpace(last) { text.removeLast() }
        return String(text)
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || scalar == "\t" || scalar == "\r"
    }
}
