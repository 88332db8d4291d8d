/// Text, closing and limits.
extension ConformanceRow {
    static let goodText: [ConformanceRow] =
        ["Hello-µ@ßöäüàá-UTF-8!!", "κόσμε"].flatMap(letters)
        + goodScalars.compactMap(Unicode.Scalar.init).flatMap { letters(String($0)) }
        + noJSON

    /// The first and the last of each length, those beside the surrogates, and noncharacters.
    private static let goodScalars: [UInt32] = [
        0x7F, 0x80, 0x7FF, 0x800, 0xFFFD, 0xFFFF, 0x10000, 0xD7FF, 0xE000, 0xFDD0, 0xFDEF, 0xFFFE, 0x1FFFE, 0x8FFFF,
        0x10FFFE,
        0x10FFFF,
    ]

    private static let noJSON: [ConformanceRow] = [
        ConformanceRow("a byte order mark is no JSON", text("\u{FEFF}" + pingText("1")), then: .error),
        ConformanceRow("a zero byte is no JSON", text("\0"), then: .error),
    ]

    /// The same text whole, and with a fragment's end within its last letter.
    private static func letters(_ letters: String) -> [ConformanceRow] {
        let id = "\"\(letters)\""
        let bytes = Array(pingText(id).utf8)
        let points = letters.unicodeScalars.map { "U+" + String($0.value, radix: 16, uppercase: true) }
        let name = points.count == 1 ? points[0] : letters
        return [
            ConformanceRow("\(name) is taken", text(pingText(id)), then: .ack(id)),
            ConformanceRow(
                "\(name) is taken in two fragments", frame(Opcode.text, bytes.dropLast(3), final: false),
                frame(Opcode.ping), frame(Opcode.continuation, bytes.suffix(3)), then: .pong([]), .ack(id)),
        ]
    }

    static let badText: [ConformanceRow] = malformed.flatMap(refused) + cut.flatMap(cutOff)

    private static let malformed: [(name: String, bytes: [UInt8])] = [
        ("a continuation byte alone", [0x80]), ("the last continuation byte alone", [0xBF]),
        ("two continuation bytes", [0x80, 0xBF]), ("a lonely first byte of two", [0xC3, 0x20]),
        ("a lonely first byte of three", [0xE2, 0x20]), ("a lonely first byte of four", [0xF0, 0x20]),
        ("two of three bytes", [0xE2, 0x82, 0x20]), ("three of four bytes", [0xF0, 0x9F, 0x98, 0x20]),
        ("0xC0", [0xC0, 0xAF]), ("0xC1", [0xC1, 0xBF]), ("an overlong zero", [0xE0, 0x80, 0x80]),
        ("an overlong slash", [0xE0, 0x80, 0xAF]), ("an overlong U+7FF", [0xE0, 0x9F, 0xBF]),
        ("an overlong U+FFFF", [0xF0, 0x8F, 0xBF, 0xBF]), ("the surrogate U+D800", [0xED, 0xA0, 0x80]),
        ("the surrogate U+DBFF", [0xED, 0xAF, 0xBF]), ("the surrogate U+DC00", [0xED, 0xB0, 0x80]),
        ("the surrogate U+DFFF", [0xED, 0xBF, 0xBF]),
        ("a pair of surrogates", [0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80]), ("U+110000", [0xF4, 0x90, 0x80, 0x80]),
        ("0xF5", [0xF5, 0x80, 0x80, 0x80]), ("a letter of five bytes", [0xF8, 0x88, 0x80, 0x80, 0x80]),
        ("a letter of six bytes", [0xFC, 0x84, 0x80, 0x80, 0x80, 0x80]), ("0xFE", [0xFE]), ("0xFF", [0xFF]),
        ("the catalogue's κόσμε and a surrogate", Array("κόσμε".utf8) + [0xED, 0xA0, 0x80] + Array("edited".utf8)),
    ]

    private static func refused(_ name: String, _ bytes: [UInt8]) -> [ConformanceRow] {
        [
            ConformanceRow("\(name) is 1007", frame(Opcode.text, bytes), then: .close(1007)),
            ConformanceRow(
                "\(name) in the second fragment is 1007", text("{}", final: false), frame(Opcode.continuation, bytes),
                then: .close(1007)),
            ConformanceRow(
                "\(name) with a fragment for each byte is 1007", text("", final: false),
                bytes.flatMap { frame(Opcode.continuation, [$0], final: false) }, then: .close(1007)),
            ConformanceRow(
                "\(name) is 1007 before the rest of the frame came", head(Opcode.text, count: 1000), bytes,
                then: .close(1007)),
        ]
    }

    private static let cut: [[UInt8]] = [[0xC3], [0xE2], [0xE2, 0x82], [0xF0, 0x9F], [0xF0, 0x9F, 0x98]]

    private static func cutOff(_ bytes: [UInt8]) -> [ConformanceRow] {
        [
            ConformanceRow("to end after \(bytes) is 1007", frame(Opcode.text, [0x61] + bytes), then: .close(1007)),
            ConformanceRow(
                "to end with an empty fragment after \(bytes) is 1007", frame(Opcode.text, bytes, final: false),
                more("", final: true), then: .close(1007)),
            ConformanceRow(
                "to go on with a letter after \(bytes) is 1007", frame(Opcode.text, bytes, final: false),
                frame(Opcode.ping), more("a"), then: .pong([]), .close(1007)),
        ]
    }

    static let closing: [ConformanceRow] = goodbyes + goodCodes.map(answered) + badCodes.flatMap(refused)

    private static let goodbyes: [ConformanceRow] =
        [
            ConformanceRow("an empty goodbye is answered with an empty one", frame(Opcode.close), then: .close(nil)),
            ConformanceRow("a goodbye of one byte is 1002", frame(Opcode.close, [3]), then: .close(1002)),
            ConformanceRow(
                "a reason may be 123 bytes", close(1000, String(repeating: "r", count: 123)), then: .close(1000)),
            ConformanceRow(
                "a reason of 124 is 1002", close(1000, String(repeating: "r", count: 124)), then: .close(1002)),
            ConformanceRow("a reason may have any letters", close(3000, "é€😀\u{FFFF}"), then: .close(3000)),
            ConformanceRow(
                "a reason that is not UTF-8 is 1007", frame(Opcode.close, [3, 0xE8, 0xFF]), then: .close(1007)),
            ConformanceRow(
                "a reason cut within a letter is 1007", frame(Opcode.close, [3, 0xE8, 0xC3]), then: .close(1007)),
            ConformanceRow(
                "a surrogate in it is 1007", frame(Opcode.close, [3, 0xE8, 0xED, 0xA0, 0x80]), then: .close(1007)),
            ConformanceRow(
                "a goodbye in fragments is 1002", frame(Opcode.close, [3, 0xE8], final: false), then: .close(1002)),
            ConformanceRow(
                "a goodbye of 64 KiB is 1002 before it came", head(Opcode.close, count: 65_536), then: .close(1002)),
            ConformanceRow(
                "what came before a goodbye is answered", text(pingText("1")), frame(Opcode.ping), close(1000),
                then: .ack("1"), .pong([]), .close(1000)),
            ConformanceRow(
                "a ping after a goodbye is not answered", close(1000), frame(Opcode.ping), then: .close(1000)),
            ConformanceRow("nor is a message", close(1000), text(pingText("1")), then: .close(1000)),
            ConformanceRow("nor is a second goodbye", close(1000), close(1001), then: .close(1000)),
            ConformanceRow(
                "nor is a fault", close(1000), frame(3), WebSocket.frame(Opcode.text, isMasked: false),
                then: .close(1000)),
            ConformanceRow(
                "after a fault nothing more is answered", frame(3), frame(Opcode.ping), text(pingText("1")),
                frame(Opcode.binary), then: .close(1002)),
            ConformanceRow(
                "the rest of a frame that was refused is passed over",
                frame(Opcode.binary, frame(Opcode.ping) + text(pingText("1"))), then: .close(1003)),
        ]

    private static let goodCodes = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
    ]
    private static let badCodes = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]

    private static func answered(_ code: Int) -> ConformanceRow {
        ConformanceRow("a goodbye with \(code) is answered with it", close(code, "bye"), then: .close(code))
    }

    private static func refused(_ code: Int) -> [ConformanceRow] {
        [
            ConformanceRow("a goodbye with \(code) is 1002", close(code), then: .close(1002)),
            ConformanceRow("a goodbye with \(code) and a reason is 1002", close(code, "bye"), then: .close(1002)),
        ]
    }

    private static let messageBytesMax = 1 << 20

    static let limits: [ConformanceRow] = [
        ConformanceRow(
            "a message of a byte too many is 1009 before it came", head(Opcode.text, count: (1 << 20) + 1),
            then: .close(1009)),
        ConformanceRow(
            "so is its first fragment", head(Opcode.text, count: (1 << 20) + 1, final: false), then: .close(1009)),
        ConformanceRow("so is one of 2^40 bytes", head(Opcode.text, count: 1 << 40), then: .close(1009)),
        ConformanceRow("so is one of 2^63 - 1 bytes", head(Opcode.text, count: (1 << 63) - 1), then: .close(1009)),
        ConformanceRow(
            "fragments may be as many bytes as a frame", inFragments(bytes: messageBytesMax),
            then: .ack(id(messageBytes: messageBytesMax))),
        ConformanceRow(
            "a fragment that is a byte too many is 1009", text(String(repeating: " ", count: 1 << 20), final: false),
            head(Opcode.continuation, count: 1), then: .close(1009)),
        ConformanceRow(
            "so is one that adds up to more with those before",
            text(String(repeating: " ", count: 700_000), final: false),
            head(Opcode.continuation, count: 400_000), then: .close(1009)),
        ConformanceRow(
            "an empty one is not", text(String(repeating: " ", count: 1 << 20), final: false), more("", final: true),
            then: .error),
        ConformanceRow(
            "a message of a byte too many is 1009 when it came",
            frame(Opcode.text, [UInt8](repeating: 0x20, count: (1 << 20) + 1)),
            then: .close(1009)),
    ]

    private static func inFragments(bytes: Int) -> [UInt8] {
        let message = Array(pingText(id(messageBytes: bytes)).utf8)
        let starts = Array(stride(from: 0, to: bytes, by: 9000))
        return starts.flatMap { start in
            frame(
                start == 0 ? Opcode.text : Opcode.continuation, Array(message[start..<min(start + 9000, bytes)]),
                final: start == starts.last)
        }
    }
}
