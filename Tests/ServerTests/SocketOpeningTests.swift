import Testing

@Suite(.serialized) struct SocketOpeningTests {
    let server: RunningServer
    let user: TestUser

    init() throws {
        server = try RunningServer.shared()
        user = TestUser(server)
    }

    private func expectRefused(
        _ status: Int, _ code: String, target: String = "/", headers: [(String, String)] = [],
        on server: RunningServer? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let port = (server ?? self.server).port
        let answer = try WebSocket.refusal(
            port: port, target: target, headers: headers, sourceLocation: sourceLocation)
        try expectProblem(answer, status, code, sourceLocation: sourceLocation)
        if status == 401 {
            let challenge = answer["www-authenticate"] ?? "none"
            #expect(challenge.hasPrefix("Bearer"), sourceLocation: sourceLocation)
        }
    }

    @Test func `an upgrade that Connection does not name is none, whatever follows it`() throws {
        let connection = try HTTPConnection(port: server.port)
        try connection.socket.send(
            "GET /?token=\(user.token) HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(try connection.read().status == 200)
        #expect(try user.list(nil).status == 200)
    }

    @Test func `hello comes first, also to a client that does not wait for it`() throws {
        let connection = try HTTPConnection(port: server.port)
        let ping = Array(#"{"type":"ping","id":1}"#.utf8)
        let request = """
            GET /?token=\(user.token) HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n
            """
        // A mask of zeros leaves the payload as it is.
        let frame = WebSocket.header(WebSocket.Opcode.text, count: ping.count) + [0, 0, 0, 0] + ping
        try connection.socket.send(Array(request.utf8) + frame)
        #expect(try connection.read().status == 101)
        for type in ["hello", "ack"] {
            let header = try connection.socket.take(2)
            let length =
                header[1] < 126
                ? Int(header[1]) : try connection.socket.take(2).reduce(0) { $0 << 8 | Int($1) }
            let text = String(decoding: try connection.socket.take(length), as: UTF8.self)
            #expect(text.hasPrefix(#"{"type":"\#(type)""#), "\(text)")
        }
    }

    @Test(arguments: ["/", "/v1/realtime"])
    func `the token may come in the query, in the header or as a subprotocol`(path: String) throws {
        let sockets = [
            try WebSocket(port: server.port, target: "\(path)?token=\(user.token)"),
            try WebSocket(port: server.port, target: path, headers: [user.authorization]),
            try WebSocket(
                port: server.port, target: path, headers: [("Sec-WebSocket-Protocol", "apus.bearer.\(user.token)")]),
        ]
        for socket in sockets {
            let hello = try socket.next()
            #expect(hello["type"].text == "hello" && hello["user_id"].text == user.id)
        }
        // RFC 6455, section 4.1: a browser fails a connection whose answer names no protocol it offered.
        #expect(sockets[2].upgrade["sec-websocket-protocol"] == "apus.bearer.\(user.token)")
        #expect(sockets[0].upgrade["sec-websocket-protocol"] == nil)
        #expect(sockets.allSatisfy { $0.upgrade["sec-websocket-extensions"] == nil })
    }

    @Test func `hello tells who, where in the history and how often the heart beats`() throws {
        try user.mustSet("a", "1")
        try user.mustSet("b", "1")
        let before = Moment.now()
        let hello = try user.socket().next()
        #expect(hello.names == ["type", "user_id", "epoch", "seq", "server_time", "heartbeat_ms"])
        #expect(hello["seq"].int == 2 && hello["epoch"].text?.isEmpty == false)
        #expect(hello["heartbeat_ms"].int == 25_000)
        let time = try #require(Moment(hello["server_time"].text))
        #expect(time >= before.adding(-0.001) && time <= Moment.now())
        #expect(try TestUser(server).socket().next()["seq"].int == 0)
    }

    @Test func `without a good token there is no upgrade`() throws {
        try expectRefused(401, "unauthenticated")
        try expectRefused(401, "unauthenticated", target: "/?token=")
        try expectRefused(401, "unauthenticated", target: "/v1/realtime?token=a.b.c")
        try expectRefused(401, "unauthenticated", headers: [("Authorization", "Bearer nonsense")])
        try expectRefused(401, "unauthenticated", headers: [("Sec-WebSocket-Protocol", "apus.bearer.nonsense")])
        let payload = "{\"sub\":\"u\",\"exp\":\(Moment.now().seconds + 60)}"
        let unsigned = Token.signed(header: #"{"alg":"none"}"#, payload: payload)
        try expectRefused(401, "unauthenticated", target: "/?token=\(unsigned)")
        let expired = Token.external("u", issued: 1, expires: Moment.now().seconds - 60)
        try expectRefused(401, "token-expired", target: "/?token=\(expired)")
    }

    @Test func `a revoked token opens no socket`() throws {
        let id = "revoked-\(UInt64.random(in: 0...UInt64.max))"
        let token = Token.external(id, jti: id)
        #expect(try server.admin("POST", "/v1/admin/tokens/revoke", body: "{\"jti\":\"\(id)\"}").status == 200)
        try expectRefused(401, "token-revoked", target: "/?token=\(token)")
    }

    @Test(arguments: ["-1", "abc", "1.5", "9223372036854775808", "", "+1", "0x1", "%20", "1e3"])
    func `a since that is no position is refused before the upgrade`(since: String) throws {
        try expectRefused(400, "bad-parameter", target: "/?token=\(user.token)&since=\(since)")
    }

    @Test func `a socket is opened only where there is one`() throws {
        try expectRefused(404, "not-found", target: "/nowhere?token=\(user.token)")
    }

    @Test(arguments: [
        [("Sec-WebSocket-Version", "12"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")],
        [("Sec-WebSocket-Version", "13")], [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")],
    ])
    func `an upgrade that is none is refused and answered`(headers: [(String, String)]) throws {
        let base = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
        let answer = try server.call("GET", "/?token=\(user.token)", headers: base + headers)
        #expect((400..<500).contains(answer.status), "\(answer.status) \(answer.text)")
        try expectAlive()
    }

    private func expectAlive() throws {
        #expect(try server.call("GET", "/health").status == 200)
    }

    @Test func `with a list of origins a browser of another origin gets no socket`() throws {
        let server = try RunningServer(["CORS_ALLOW_ORIGINS": "https://app.example.com,https://tv.example.com"])
        let target = "/?token=\(Token.external("u"))"
        for origin in ["https://app.example.com", "https://tv.example.com"] {
            let socket = try WebSocket(port: server.port, target: target, headers: [("Origin", origin)])
            #expect(try socket.next()["type"].text == "hello")
        }
        for origin in [
            "https://evil.example.com", "null", "http://app.example.com", "https://app.example.com.evil.com",
            "https://app.example.com:8443",
        ] {
            try expectRefused(403, "origin-not-allowed", target: target, headers: [("Origin", origin)], on: server)
        }
        #expect(try WebSocket(port: server.port, target: target).next()["type"].text == "hello")
    }

    @Test func `without a list every origin may connect`() throws {
        let socket = try WebSocket(
            port: server.port, target: "/?token=\(user.token)", headers: [("Origin", "https://anywhere.example")])
        #expect(try socket.next()["type"].text == "hello")
    }
}
