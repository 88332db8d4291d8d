import Testing

/// The small print of HTTP/1.1 and of the WebSocket handshake.
@Suite(.serialized) struct RequestFormTests {
    let server: RunningServer
    let user: TestUser

    init() throws {
        server = try RunningServer.shared()
        user = TestUser(server)
    }

    private func answer(to request: String, method: String = "GET") throws -> (answer: HTTPAnswer, isClosed: Bool) {
        let connection = try HTTPConnection(port: server.port)
        try connection.socket.send(request)
        let answer = try connection.read(answeringTo: method)
        if answer.keepsAlive { #expect(try connection.call("GET", "/health").status == 200) }
        return (answer, !answer.keepsAlive && connection.socket.isClosedByServer())
    }

    @Test func `a client of HTTP 1.0 that wants to go on is told that it may`() throws {
        let connection = try HTTPConnection(port: server.port)
        for _ in 0..<2 {
            try connection.socket.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            let answer = try connection.read()
            #expect(answer.status == 200 && answer["connection"] == "keep-alive")
        }
        #expect(try answer(to: "GET /health HTTP/1.0\r\n\r\n").isClosed)
    }

    @Test func `a client of HTTP 1.0 is not told to continue, which it would take for the answer`() throws {
        let connection = try HTTPConnection(port: server.port)
        let body = user.upsertBody("k", "1")
        try connection.socket.send(
            "POST /v1/data HTTP/1.0\r\n\(user.authorization.0): \(user.authorization.1)\r\nExpect: 100-continue\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        #expect(try connection.socket.takeLine() == "HTTP/1.1 200 OK")
    }

    @Test func `a chunked body in HTTP 1.0 is 400, and the connection ends`() throws {
        let chunked = "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        let found = try answer(to: "POST /v1/data HTTP/1.0\r\nConnection: keep-alive\r\n" + chunked)
        try expectProblem(found.answer, 400, "bad-parameter")
        #expect(found.isClosed)
    }

    @Test func `spaces behind a header's value are not part of it`() throws {
        let body = user.upsertBody("spaces", "1")
        let request =
            "POST /v1/data HTTP/1.1\r\nHost: x \r\n\(user.authorizationLine)Content-Type: application/json \t\r\n"
            + "Content-Length: \(body.utf8.count) \r\n\r\n\(body)"
        #expect(try answer(to: request).answer.status == 200)
    }

    @Test(arguments: [
        "GET /health HTTP/1.1\r\n\r\n", "GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /health HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
    ])
    func `a request without Host, or with two, is 400`(request: String) throws {
        try expectProblem(try answer(to: request).answer, 400, "bad-parameter")
    }

    @Test func `OPTIONS asks about the whole server, too`() throws {
        let answer = try server.call("OPTIONS", "*")
        #expect(answer.status == 204 && answer["allow"]?.contains("DELETE") == true)
        try expectProblem(try server.call("GET", "*"), 400, "bad-parameter")
    }

    @Test func `an opened socket has a request id`() throws {
        let ids = try (0..<2).map { _ in try user.socket().upgrade["x-request-id"] }
        #expect(ids[0]?.isEmpty == false && ids[1] != nil && ids[0] != ids[1])
    }

    @Test func `a WebSocket of another version is told which one is served`() throws {
        let answer = try server.call(
            "GET", "/?token=\(user.token)",
            headers: [
                ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "8"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ])
        try expectProblem(answer, 426, "upgrade-required")
        #expect(answer["connection"]?.lowercased().contains("upgrade") == true)
        #expect(answer["sec-websocket-version"] == "13" && answer["upgrade"] == "websocket")
    }

    @Test func `a socket can be opened on a connection that was used before`() throws {
        let connection = try HTTPConnection(port: server.port)
        #expect(try connection.call("GET", "/health").status == 200)
        try connection.send(
            "GET", "/?token=\(user.token)",
            headers: [
                ("Connection", "keep-alive, Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ])
        #expect(try connection.read().status == 101)
        #expect(try connection.socket.take(2)[0] == 0x81)
    }

    @Test func `a body that is no HTTP is 400, and the connection ends`() throws {
        let (answer, isClosed) = try answer(
            to: "POST /v1/data HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(user.token)\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n")
        try expectProblem(answer, 400, "bad-parameter")
        #expect(isClosed)
    }

    @Test func `nonsense after HEAD is answered with a body again`() throws {
        let connection = try HTTPConnection(port: server.port)
        try connection.send("HEAD", "/health")
        #expect(try connection.read(answeringTo: "HEAD").status == 200)
        try connection.socket.send("nonsense\r\n\r\n")
        try expectProblem(try connection.read(), 400, "bad-parameter")
    }

    @Test func `a refusal comes instead of 100 Continue`() throws {
        let json = ("Content-Type", "application/json")
        for (headers, length, status) in [
            ([json], 5, 401), ([user.authorization, json], 16 << 20 + 1, 413),
            ([user.authorization, ("Content-Type", "text/plain")], 5, 415),
        ] {
            let connection = try HTTPConnection(port: server.port)
            try connection.send(
                "POST", "/v1/data", headers: headers + [("Content-Length", "\(length)"), ("Expect", "100-continue")])
            #expect(try connection.socket.takeLine().hasPrefix("HTTP/1.1 \(status) "))
        }
    }

    @Test func `a request that has no use for its body reads over a small one, and refuses a large one`() throws {
        let connection = try HTTPConnection(port: server.port)
        let small = [UInt8](repeating: 0x20, count: 16 << 10)
        for _ in 0..<2 { #expect(try connection.call("GET", "/health", body: small).status == 200) }
        #expect(try connection.call("GET", "/nowhere", body: small).status == 404)
        let answer = try connection.call("GET", "/health", body: small + [0x20])
        try expectProblem(answer, 413, "body-too-large")
        #expect(!answer.keepsAlive && connection.socket.isClosedByServer())
    }

    /// A token that has to be verified is refused later than none, when nothing is read from the connection.
    @Test(arguments: [[], [("Authorization", "Bearer \(Token.external("u", issued: 1, expires: 2))")]])
    func `a client that sends all of a refused body first still reads the refusal`(
        headers: [(String, String)]
    ) throws {
        let connection = try HTTPConnection(port: server.port)
        try connection.send("POST", "/v1/data", headers: headers + [("Content-Length", "\(8 << 20)")])
        for _ in 0..<8 { try connection.socket.send([UInt8](repeating: 0x20, count: 1 << 20)) }
        let answer = try connection.read()
        try expectProblem(answer, 401, headers.isEmpty ? "unauthenticated" : "token-expired")
        #expect(connection.socket.isClosedByServer())
    }

    @Test func `large bodies are read like small ones, idempotency and refusals included`() throws {
        let items = (0..<2000).map { item("k\($0)", "\"" + String(repeating: "x", count: 200) + "\"") }
        let key = [("Idempotency-Key", "large")]
        let first = try user.bulk(items, headers: key)
        #expect(first.status == 200)
        #expect(try first.json()["applied"].int == 2000)
        let again = try user.bulk(items, headers: key)
        #expect(again["idempotency-replayed"] == "true" && again.body == first.body)
        #expect(try user.bulk(items + [item("more", "1")], headers: key).status == 422)
        let value = "\"" + String(repeating: "y", count: 400_000) + "\""
        #expect(try user.put("big", value).json()["data"]["value"].raw == value)
        #expect(try user.set("big", value, headers: [("If-Match", "\"1\"")]).status == 412)
        try expectProblem(try user.put("big", value + "x"), 400, "malformed-json")
        let other = TestUser(server, id: "other", token: user.token)
        try expectProblem(try other.bulk(items), 403, "forbidden")
        #expect(try other.put("big", value).status == 403)
    }
}
