/// The table of ``SocketConformanceTests``, from RFC 6455 and what conformance suites for it send.
extension ConformanceRow {
    static let framing: [ConformanceRow] = framed + messageSizes.map(taken)

    private static let messageSizes = [
        24, 124, 125, 126, 127, 128, 129, 255, 256, 4096, 65_535, 65_536, 65_537, 1 << 20,
    ]

    private static func taken(_ count: Int) -> ConformanceRow {
        let id = id(messageBytes: count)
        return ConformanceRow("a message of \(count) bytes is taken whole", text(pingText(id)), then: .ack(id))
    }

    private static let framed: [ConformanceRow] =
        [
            ConformanceRow("an empty text message is no JSON, which is an error and no fault", text(""), then: .error),
            ConformanceRow("so is one of one byte", text("x"), then: .error),
            ConformanceRow("a number is no frame of ours", text("1"), then: .error),
            ConformanceRow(
                "messages sent together are answered in their order", text(pingText("1")), text("?"),
                text(pingText("2")), then: .ack("1"), .error, .ack("2")),
            ConformanceRow(
                "a frame without a mask is 1002", WebSocket.frame(Opcode.text, [0x7B], isMasked: false),
                then: .close(1002)),
            ConformanceRow("so is an empty one", WebSocket.frame(Opcode.text, isMasked: false), then: .close(1002)),
            ConformanceRow("so is a ping", WebSocket.frame(Opcode.ping, isMasked: false), then: .close(1002)),
            ConformanceRow(
                "so is a goodbye", WebSocket.frame(Opcode.close, [0x03, 0xE8], isMasked: false), then: .close(1002)),
            ConformanceRow(
                "so is one after a good message", text(pingText("1")), WebSocket.frame(Opcode.text, isMasked: false),
                then: .ack("1"), .close(1002)),
            ConformanceRow(
                "a length of 0 in two bytes is 1002", head(Opcode.text, count: 0, lengthBytes: 2), then: .close(1002)),
            ConformanceRow(
                "a length of 125 in two bytes is 1002", head(Opcode.text, count: 125, lengthBytes: 2),
                then: .close(1002)),
            ConformanceRow(
                "a length of 125 in eight bytes is 1002", head(Opcode.text, count: 125, lengthBytes: 8),
                then: .close(1002)),
            ConformanceRow(
                "a length of 65,535 in eight bytes is 1002", head(Opcode.text, count: 65_535, lengthBytes: 8),
                then: .close(1002)),
            ConformanceRow(
                "a ping's in two bytes is 1002", head(Opcode.ping, count: 5, lengthBytes: 2), then: .close(1002)),
            ConformanceRow(
                "a length with the highest bit is 1002", head(Opcode.text, count: 1 << 63), then: .close(1002)),
            ConformanceRow("the greatest of all lengths is 1002", head(Opcode.text, count: .max), then: .close(1002)),
            ConformanceRow("a binary message is 1003", frame(Opcode.binary, [1, 2, 3]), then: .close(1003)),
            ConformanceRow("an empty binary message is 1003", frame(Opcode.binary), then: .close(1003)),
            ConformanceRow(
                "a binary message is 1003 before it came", head(Opcode.binary, count: 1 << 19), then: .close(1003)),
            ConformanceRow(
                "a binary message in fragments is 1003", frame(Opcode.binary, [1], final: false), then: .close(1003)),
            ConformanceRow("bytes of 0xFF are 1002", [UInt8](repeating: 0xFF, count: 64), then: .close(1002)),
            ConformanceRow(
                "another HTTP request is 1002", Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), then: .close(1002)),
        ]

    static let control: [ConformanceRow] = controlled + pingPayloads.map(answered)

    private static let pingPayloads: [[UInt8]] = [
        [], [0x61], Array("hello".utf8), [0x00, 0xFF, 0xFE, 0xFD], [UInt8](repeating: 0xFF, count: 125),
    ]

    private static func answered(_ payload: [UInt8]) -> ConformanceRow {
        ConformanceRow(
            "a ping of \(payload.count) bytes is answered with them", frame(Opcode.ping, payload), then: .pong(payload))
    }

    private static let controlled: [ConformanceRow] =
        [
            ConformanceRow("a pong that nobody asked for is passed over", frame(Opcode.pong, [1, 2]), expected: []),
            ConformanceRow("so is an empty one", frame(Opcode.pong), expected: []),
            ConformanceRow(
                "so is one of 125 bytes", frame(Opcode.pong, [UInt8](repeating: 0, count: 125)), expected: []),
            ConformanceRow(
                "a pong does not keep a ping from being answered", frame(Opcode.pong, [1]), frame(Opcode.ping, [2]),
                then: .pong([2])),
            ConformanceRow(
                "ten pings sent together get ten pongs in their order",
                (0..<10).flatMap { frame(Opcode.ping, [$0]) }, expected: (0..<10).map { .pong([$0]) }),
            ConformanceRow(
                "pings between messages are answered in their place", text(pingText("1")), frame(Opcode.ping, [7]),
                text(pingText("2")), then: .ack("1"), .pong([7]), .ack("2")),
            ConformanceRow(
                "a ping of 126 bytes is 1002", frame(Opcode.ping, [UInt8](repeating: 1, count: 126)), then: .close(1002)
            ),
            ConformanceRow(
                "a pong of 126 bytes is 1002", frame(Opcode.pong, [UInt8](repeating: 1, count: 126)), then: .close(1002)
            ),
            ConformanceRow(
                "a ping of 126 bytes is 1002 before it came", head(Opcode.ping, count: 126), then: .close(1002)),
            ConformanceRow(
                "a ping of 64 KiB is 1002 before it came", head(Opcode.ping, count: 65_536), then: .close(1002)),
            ConformanceRow("a ping in fragments is 1002", frame(Opcode.ping, [1], final: false), then: .close(1002)),
            ConformanceRow("a pong in fragments is 1002", frame(Opcode.pong, [1], final: false), then: .close(1002)),
        ]

    static let reserved: [ConformanceRow] =
        (UInt8(1)...7).flatMap(reservedBits) + [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap(reservedOpcode)

    private static func reservedBits(_ bits: UInt8) -> [ConformanceRow] {
        [
            ConformanceRow(
                "text with reserved bits \(bits) is 1002", frame(Opcode.text, [0x7B], reserved: bits),
                then: .close(1002)),
            ConformanceRow(
                "a ping with reserved bits \(bits) is 1002", frame(Opcode.ping, reserved: bits), then: .close(1002)),
            ConformanceRow(
                "a goodbye with bits \(bits) is 1002", frame(Opcode.close, reserved: bits), then: .close(1002)),
            ConformanceRow(
                "a fragment with reserved bits \(bits) is 1002", text("{", final: false),
                frame(Opcode.continuation, [0x7D], reserved: bits), then: .close(1002)),
            ConformanceRow(
                "reserved bits \(bits) after a good message are 1002", text(pingText("1")),
                frame(Opcode.text, reserved: bits), frame(Opcode.ping), then: .ack("1"), .close(1002)),
        ]
    }

    private static func reservedOpcode(_ opcode: UInt8) -> [ConformanceRow] {
        [
            ConformanceRow("opcode \(opcode) is 1002", frame(opcode), then: .close(1002)),
            ConformanceRow("opcode \(opcode) with a payload is 1002", frame(opcode, [1, 2, 3]), then: .close(1002)),
            ConformanceRow(
                "opcode \(opcode) that is not final is 1002", frame(opcode, [1], final: false), then: .close(1002)),
            ConformanceRow("opcode \(opcode) is 1002 before its payload", head(opcode, count: 200), then: .close(1002)),
            ConformanceRow(
                "opcode \(opcode) after a good message is 1002", text(pingText("1")), frame(opcode),
                frame(Opcode.ping), then: .ack("1"), .close(1002)),
            ConformanceRow(
                "opcode \(opcode) in a message is 1002", text("{", final: false), frame(opcode), then: .close(1002)),
        ]
    }

    static let fragments: [ConformanceRow] = [
        ConformanceRow(
            "a message in two fragments is one", text(#"{"type":"pi"#, final: false),
            more(#"ng","id":7}"#, final: true),
            then: .ack("7")),
        ConformanceRow(
            "every byte may be a fragment", bytewise(pingText("\"aé€😀\"")), then: .ack("\"aé€😀\"")),
        ConformanceRow(
            "pings and pongs may stand between all of them",
            bytewise(pingText("1"), between: frame(Opcode.ping, [5]) + frame(Opcode.pong)),
            expected: pingText("1").utf8.dropLast().map { _ in .pong([5]) } + [.ack("1")]),
        ConformanceRow(
            "fragments may be empty, the first, the last and those between", text("", final: false), more(""),
            more(pingText("1")), more(""), more("", final: true), then: .ack("1")),
        ConformanceRow(
            "a message of empty fragments is an empty one", text("", final: false), more(""), more("", final: true),
            then: .error),
        ConformanceRow(
            "20,000 empty fragments are nothing",
            text("", final: false), (0..<20_000).flatMap { _ in more("") }, more(pingText("1"), final: true),
            then: .ack("1")),
        ConformanceRow("to continue nothing is 1002", more("x"), then: .close(1002)),
        ConformanceRow("to end nothing is 1002", more("x", final: true), then: .close(1002)),
        ConformanceRow(
            "to continue a message that has ended is 1002", text(pingText("1")), more("x"), then: .ack("1"),
            .close(1002)),
        ConformanceRow(
            "so it is if that had fragments", text("{", final: false), more("}", final: true), more("", final: true),
            then: .error, .close(1002)),
        ConformanceRow("a message inside a message is 1002", text("{", final: false), text("}"), then: .close(1002)),
        ConformanceRow(
            "also when that begins with fragments", text("{", final: false), text("}", final: false), then: .close(1002)
        ),
        ConformanceRow("a binary one is 1003", text("{", final: false), frame(Opcode.binary), then: .close(1003)),
        ConformanceRow(
            "a fragmented ping inside a message is 1002", text("{", final: false), frame(Opcode.ping, final: false),
            then: .close(1002)),
        ConformanceRow(
            "a long ping inside a message is 1002", text("{", final: false), head(Opcode.ping, count: 126),
            then: .close(1002)),
        ConformanceRow(
            "a fragment without a mask is 1002", text("{", final: false),
            WebSocket.frame(Opcode.continuation, isMasked: false), then: .close(1002)),
        ConformanceRow(
            "a goodbye inside a message is answered", text("{", final: false), close(1000), then: .close(1000)),
        ConformanceRow(
            "what is left of the message is not heard", text("{", final: false), close(1001), more("}", final: true),
            then: .close(1001)),
    ]

    /// The message with a fragment for each byte.
    private static func bytewise(_ message: String, between: [UInt8] = []) -> [UInt8] {
        let bytes = Array(message.utf8)
        return bytes.indices.flatMap { index in
            frame(index == 0 ? Opcode.text : Opcode.continuation, [bytes[index]], final: index == bytes.count - 1)
                + (index == bytes.count - 1 ? [] : between)
        }
    }
}
