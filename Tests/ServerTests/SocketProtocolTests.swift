import Testing

/// The frames a client may send. How they are framed is for ``SocketConformanceTests``.
@Suite(.serialized) struct SocketProtocolTests {
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
