import Testing

/// RFC 6455 and the frames a client may send.
@Suite(.serialized) struct SocketProtocolTests {
    typealias Opcode = WebSocket.Opcode
    let user: TestUser

    init() throws { user = TestUser(try RunningServer.shared()) }

    /// Whether the socket still answers and still hears of changes.
    private func expectUsable(_ socket: WebSocket, sourceLocation: SourceLocation = #_sourceLocation) throws {
        try socket.send(#"{"type":"ping","id":"still-there"}"#)
        let ack = try socket.next(ofType: "ack")
        #expect(ack["id"].text == "still-there", sourceLocation: sourceLocation)
        try user.mustSet("heard", "1")
        #expect(try socket.next(ofType: "data.updated")["data"]["key"].text == "heard", sourceLocation: sourceLocation)
    }

    @Test func `a ping is answered with its own bytes, and a pong with nothing`() throws {
        let socket = try user.listening()
        for payload in [[], Array("hello".utf8), [UInt8](repeating: 0xFF, count: 125)] {
            try socket.send(Opcode.ping, payload)
            let frame = try #require(try socket.readFrame())
            #expect(frame.opcode == Opcode.pong && frame.payload == payload && frame.isFinal)
        }
        try socket.send(Opcode.pong, Array("unasked".utf8))
        try expectUsable(socket)
    }

    @Test func `a close is answered with its own code and the connection ends`() throws {
        for code in [1000, 1001, 3000, 4999] {
            let socket = try user.listening()
            try socket.sendClose(code, "bye")
            let frame = try #require(try socket.readFrame())
            #expect(frame.opcode == Opcode.close && frame.closeCode == code)
            #expect(try socket.readFrame() == nil)
        }
        let socket = try user.listening()
        try socket.send(Opcode.close)
        let frame = try #require(try socket.readFrame())
        #expect(frame.opcode == Opcode.close)
        #expect(socket.socket.isClosedByServer())
    }

    @Test(arguments: [0, 999, 1004, 1005, 1006, 1015, 1100, 2999, 5000, 65_535])
    func `a close with a code that may not be sent is 1002`(code: Int) throws {
        let socket = try user.listening()
        try socket.sendClose(code)
        #expect(try socket.closeCode() == 1002)
    }

    @Test func `a close that is malformed is 1002, or 1007 when its reason is not UTF-8`() throws {
        let short = try user.listening()
        try short.send(Opcode.close, [3])
        #expect(try short.closeCode() == 1002)
        let garbled = try user.listening()
        try garbled.send(Opcode.close, [0x03, 0xE8, 0xFF, 0xFE])
        #expect(try garbled.closeCode() == 1007)
    }

    @Test func `a frame without a mask is 1002`() throws {
        for opcode in [Opcode.text, Opcode.ping] {
            let socket = try user.listening()
            try socket.send(opcode, Array(#"{"type":"ping"}"#.utf8), isMasked: false)
            #expect(try socket.closeCode() == 1002)
            #expect(socket.socket.isClosedByServer())
        }
    }

    @Test(arguments: [1, 2, 4, 7] as [UInt8])
    func `a frame with reserved bits is 1002`(bits: UInt8) throws {
        for opcode in [Opcode.text, Opcode.ping] {
            let socket = try user.listening()
            try socket.send(opcode, Array(#"{"type":"ping"}"#.utf8), reserved: bits)
            #expect(try socket.closeCode() == 1002)
        }
    }

    @Test(arguments: [3, 4, 7, 11, 15] as [UInt8])
    func `an unknown kind of frame is 1002`(opcode: UInt8) throws {
        let socket = try user.listening()
        try socket.send(opcode, [1, 2, 3])
        #expect(try socket.closeCode() == 1002)
    }

    @Test func `a control frame that is too long or in parts is 1002`() throws {
        let long = try user.listening()
        try long.send(Opcode.ping, [UInt8](repeating: 1, count: 126))
        #expect(try long.closeCode() == 1002)
        let part = try user.listening()
        try part.send(Opcode.ping, [1], isFinal: false)
        #expect(try part.closeCode() == 1002)
    }

    @Test func `parts out of order are 1002`() throws {
        let alone = try user.listening()
        try alone.send(Opcode.continuation, [1])
        #expect(try alone.closeCode() == 1002)
        let second = try user.listening()
        try second.send(Opcode.text, Array("{".utf8), isFinal: false)
        try second.send(Opcode.text, Array("}".utf8))
        #expect(try second.closeCode() == 1002)
    }

    @Test func `a message in parts is put together, with control frames in between and letters cut in two`() throws {
        let socket = try user.listening()
        let message = Array(#"{"type":"ping","id":"é😀"}"#.utf8)
        for (index, byte) in message.enumerated() {
            let opcode = index == 0 ? Opcode.text : Opcode.continuation
            try socket.send(opcode, [byte], isFinal: index == message.count - 1)
            if index % 5 == 0 && index < message.count - 1 {
                try socket.send(Opcode.ping, [UInt8(index)])
                #expect(try socket.readFrame()?.payload == [UInt8(index)])
            }
        }
        #expect(try socket.next()["id"].text == "é😀")
        try socket.send(Opcode.text, [], isFinal: false)
        try socket.send(Opcode.continuation, message, isFinal: false)
        try socket.send(Opcode.continuation, [])
        #expect(try socket.next()["id"].text == "é😀")
    }

    @Test(
        arguments: [
            [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xCE, 0xBA, 0xE1],
        ] as [[UInt8]])
    func `text that is not UTF-8 is 1007, in one frame or in parts`(bytes: [UInt8]) throws {
        let whole = try user.listening()
        try whole.send(Opcode.text, bytes)
        #expect(try whole.closeCode() == 1007)
        let parts = try user.listening()
        try parts.send(Opcode.text, Array("{}".utf8), isFinal: false)
        try parts.send(Opcode.continuation, bytes)
        #expect(try parts.closeCode() == 1007)
    }

    @Test func `a binary message is 1003`() throws {
        let socket = try user.listening()
        try socket.send(Opcode.binary, [1, 2, 3])
        #expect(try socket.closeCode() == 1003)
    }

    @Test func `a message beyond 1 MiB is 1009 before it was sent, also in parts`() throws {
        for count in [(1 << 20) + 1, 1 << 40] {
            let one = try user.listening()
            try one.socket.send(WebSocket.header(Opcode.text, count: count) + [0, 0, 0, 0] + Array("{}".utf8))
            #expect(try one.closeCode() == 1009)
        }
        let parts = try user.listening()
        let part = [UInt8](repeating: 0x20, count: 300_000)
        do {
            for index in 0..<5 {
                try parts.send(index == 0 ? Opcode.text : Opcode.continuation, part, isFinal: false)
            }
        } catch SocketFailure.closed {}
        #expect(try parts.closeCode() == 1009)
        let largest = try user.listening()
        let ping = #"{"type":"ping"}"#
        try largest.send(String(repeating: " ", count: (1 << 20) - ping.utf8.count) + ping)
        #expect(try largest.next()["type"].text == "ack")
    }

    @Test func `a length whose highest bit is set is refused`() throws {
        let socket = try user.listening()
        try socket.socket.send([0x81, 0xFF] + [UInt8](repeating: 0xFF, count: 8) + [0, 0, 0, 0])
        #expect([1002, 1009].contains(try socket.closeCode()))
    }

    @Test func `empty parts without end are cut off or take no memory`() throws {
        let socket = try user.listening()
        var frames = WebSocket.header(Opcode.text, count: 0, isFinal: false) + [0, 0, 0, 0]
        let empty = WebSocket.header(Opcode.continuation, count: 0, isFinal: false) + [0, 0, 0, 0]
        for _ in 0..<20_000 { frames += empty }
        do {
            try socket.socket.send(frames)
            try socket.send(Opcode.continuation, Array(#"{"type":"ping"}"#.utf8))
            let frame = try socket.readFrame()
            #expect(frame?.opcode == Opcode.text || [1002, 1008, 1009].contains(frame?.closeCode ?? 0))
        } catch SocketFailure.closed {}
        #expect(try user.server.call("GET", "/health").status == 200)
    }

    @Test func `a ping in a text frame is acknowledged with its id, whatever kind of id it is`() throws {
        let socket = try user.listening()
        for id in ["1", "\"abc\"", "\"é\\n\"", "9007199254740993"] {
            try socket.send("{\"type\":\"ping\",\"id\":\(id)}")
            let ack = try socket.next()
            #expect(ack["type"].text == "ack", "\(ack.raw)")
            #expect(try ack["id"].text == JSON(id).text)
            if ack["id"].text == nil { #expect(ack["id"].raw == id) }
        }
        try socket.send(#"{"id":7,"type":"ping"}"#)
        #expect(try socket.next()["id"].raw == "7")
        try socket.send(#"{"type":"ping"}"#)
        let ack = try socket.next()
        #expect(ack["type"].text == "ack" && ack["id"].text == nil)
    }

    @Test(
        arguments: [
            (#"{"type":"dance","id":5}"#, "5"), (#"{"id":"x","type":"dance"}"#, "\"x\""), (#"{"id":5}"#, "5"),
            (#"{"type":7,"id":5}"#, "5"), ("{}", nil), ("[]", nil), ("null", nil), ("", nil), ("{", nil),
            ("nonsense", nil),
            (#"{"type":"ping","type":"ping"}"#, nil), (#"{"type":"ping",}"#, nil), ("\u{FEFF}{\"type\":\"ping\"}", nil),
        ] as [(String, String?)])
    func `a frame that says nothing we know gets an error, and the socket goes on`(text: String, id: String?) throws {
        let socket = try user.listening()
        try socket.send(text)
        let answer = try socket.next()
        #expect(answer["type"].text == "error", "\(answer.raw)")
        let problem = answer["error"]
        #expect(problem["code"].text?.isEmpty == false && problem["status"].int.map { $0 >= 400 } == true)
        for name in ["type", "title", "detail"] { #expect(problem[name].text?.isEmpty == false, "\(name)") }
        if let id { #expect(answer["id"].raw == id, "\(answer.raw)") }
        try expectUsable(socket)
    }

    @Test func `nested brackets in a frame are an error, and the socket goes on`() throws {
        let socket = try user.listening()
        try socket.send(String(repeating: "[", count: 100_000))
        #expect(try socket.next()["type"].text == "error")
        try socket.send("{\"type\":\"ping\",\"id\":" + String(repeating: "[", count: 100_000))
        #expect(try socket.next()["type"].text == "error")
        try expectUsable(socket)
    }
}
