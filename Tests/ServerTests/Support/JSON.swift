/// A JSON value as the server wrote it: a reader of the tests' own, so that the server's is not judged by itself.
///
/// It keeps each value's text, the order of members and duplicate names.
struct JSON: Sendable {
    indirect enum Kind: Sendable {
        case object([(name: String, value: JSON)])
        case array([JSON])
        case string(String)
        case number
        case boolean(Bool)
        case null
        /// What a subscript found nothing for.
        case missing
    }

    struct Malformed: Error {
        var offset: Int
        var text: String
    }

    let kind: Kind
    let bytes: ArraySlice<UInt8>

    static let missing = JSON(kind: .missing, bytes: [])

    init(kind: Kind, bytes: ArraySlice<UInt8>) {
        self.kind = kind
        self.bytes = bytes
    }

    init(_ bytes: [UInt8]) throws {
        var reader = JSONReader(bytes: bytes)
        self = try reader.value()
        reader.skipSpace()
        guard reader.offset == bytes.count else { throw reader.malformed() }
    }

    init(_ text: String) throws {
        try self.init(Array(text.utf8))
    }

    /// The value's own text.
    var raw: String { String(decoding: bytes, as: UTF8.self) }

    var text: String? {
        guard case .string(let text) = kind else { return nil }
        return text
    }

    var int: Int? {
        guard case .number = kind else { return nil }
        return Int(raw)
    }

    var bool: Bool? {
        guard case .boolean(let value) = kind else { return nil }
        return value
    }

    var isNull: Bool {
        guard case .null = kind else { return false }
        return true
    }

    var isMissing: Bool {
        guard case .missing = kind else { return false }
        return true
    }

    var isObject: Bool {
        guard case .object = kind else { return false }
        return true
    }

    /// The elements of an array; empty for anything else.
    var items: [JSON] {
        guard case .array(let items) = kind else { return [] }
        return items
    }

    /// The names of an object's members in their order; empty for anything else.
    var names: [String] {
        guard case .object(let members) = kind else { return [] }
        return members.map(\.name)
    }

    subscript(name: String) -> JSON {
        guard case .object(let members) = kind else { return .missing }
        return members.last { $0.name == name }?.value ?? .missing
    }

    subscript(index: Int) -> JSON {
        items.indices.contains(index) ? items[index] : .missing
    }
}

extension JSON {
    /// `text` as a JSON string literal.
    static func quoted(_ text: String) -> String {
        var literal = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": literal += "\\\""
            case "\\": literal += "\\\\"
            case let scalar where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                literal += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: literal.unicodeScalars.append(scalar)
            }
        }
        return literal + "\""
    }
}

private struct JSONReader {
    let bytes: [UInt8]
    var offset = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    func malformed() -> JSON.Malformed {
        JSON.Malformed(offset: offset, text: String(decoding: bytes.prefix(300), as: UTF8.self))
    }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    mutating func expect(_ character: Unicode.Scalar) throws {
        guard next == UInt8(ascii: character) else { throw malformed() }
        offset += 1
    }

    mutating func value() throws -> JSON {
        skipSpace()
        let start = offset
        let kind: JSON.Kind
        switch next {
        case UInt8(ascii: "{"): kind = .object(try members())
        case UInt8(ascii: "["): kind = .array(try elements())
        case UInt8(ascii: "\""): kind = .string(try string())
        case UInt8(ascii: "t"): kind = try word("true", .boolean(true))
        case UInt8(ascii: "f"): kind = try word("false", .boolean(false))
        case UInt8(ascii: "n"): kind = try word("null", .null)
        default: kind = try number()
        }
        return JSON(kind: kind, bytes: bytes[start..<offset])
    }

    mutating func word(_ word: String, _ kind: JSON.Kind) throws -> JSON.Kind {
        guard bytes[offset...].starts(with: word.utf8) else { throw malformed() }
        offset += word.utf8.count
        return kind
    }

    mutating func number() throws -> JSON.Kind {
        let start = offset
        while let byte = next, (0x30...0x39).contains(byte) || "+-.eE".utf8.contains(byte) { offset += 1 }
        guard offset > start else { throw malformed() }
        return .number
    }

    mutating func members() throws -> [(name: String, value: JSON)] {
        var members: [(name: String, value: JSON)] = []
        try expect("{")
        skipSpace()
        if next == UInt8(ascii: "}") {
            offset += 1
            return []
        }
        while true {
            skipSpace()
            let name = try string()
            skipSpace()
            try expect(":")
            members.append((name, try value()))
            skipSpace()
            if next == UInt8(ascii: "}") { break }
            try expect(",")
        }
        offset += 1
        return members
    }

    mutating func elements() throws -> [JSON] {
        var elements: [JSON] = []
        try expect("[")
        skipSpace()
        if next == UInt8(ascii: "]") {
            offset += 1
            return []
        }
        while true {
            elements.append(try value())
            skipSpace()
            if next == UInt8(ascii: "]") { break }
            try expect(",")
        }
        offset += 1
        return elements
    }

    mutating func string() throws -> String {
        try expect("\"")
        let start = offset
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { offset += 1 }
        var units = Array(bytes[start..<offset])
        while let byte = next, byte != UInt8(ascii: "\"") {
            offset += 1
            if byte == UInt8(ascii: "\\") { units += try escape().utf8 } else { units.append(byte) }
        }
        try expect("\"")
        return String(decoding: units, as: UTF8.self)
    }

    /// What follows a backslash.
    mutating func escape() throws -> String {
        guard let byte = next else { throw malformed() }
        offset += 1
        switch byte {
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "u"):
            var units = [try hexUnit()]
            if (0xD800...0xDBFF).contains(units[0]), bytes[offset...].starts(with: "\\u".utf8) {
                offset += 2
                units.append(try hexUnit())
            }
            return String(decoding: units, as: UTF16.self)
        default: return String(Unicode.Scalar(byte))
        }
    }

    mutating func hexUnit() throws -> UInt16 {
        guard offset + 4 <= bytes.count,
            let unit = UInt16(String(decoding: bytes[offset..<offset + 4], as: UTF8.self), radix: 16)
        else { throw malformed() }
        offset += 4
        return unit
    }
}
