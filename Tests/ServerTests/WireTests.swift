import Testing

/// HTTP/1.1 itself: limits, pipelining, and requests made to confuse.
@Suite(.serialized) struct WireTests {
    let server: RunningServer
    let user: TestUser

    init() throws {
        server = try RunningServer.shared()
        user = TestUser(server)
    }

    private func expectAlive(sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(try server.call("GET", "/health").status == 200, sourceLocation: sourceLocation)
    }

    @Test func `a header block beyond 16 KiB is 431, in one line or in many`() throws {
        let long = String(repeating: "h", count: 17 << 10)
        try expectProblem(try server.call("GET", "/health", headers: [("X-Long", long)]), 431, "headers-too-large")
        let many = (0..<400).map { ("X-Header-\($0)", String(repeating: "h", count: 40)) }
        try expectProblem(try server.call("GET", "/health", headers: many), 431, "headers-too-large")
        let small = [("X-Long", String(repeating: "h", count: 12 << 10))]
        #expect(try server.call("GET", "/health", headers: small).status == 200)
        try expectAlive()
    }

    @Test func `headers without end are cut off`() throws {
        let connection = try HTTPConnection(port: server.port)
        try connection.socket.send("GET /health HTTP/1.1\r\nHost: x\r\n")
        let line = Array((0..<100).map { "X-\($0): y\r\n" }.joined().utf8)
        // The kernel may take it all before the server has said no.
        do {
            for _ in 0..<2000 { try connection.socket.send(line) }
        } catch SocketFailure.closed {} catch SocketFailure.timedOut {}
        #expect(connection.socket.isClosedByServer())
        try expectAlive()
    }

    @Test func `a URL beyond 8 KiB is 414`() throws {
        let long = String(repeating: "u", count: 9 << 10)
        try expectProblem(try server.call("GET", "/v1/data/\(long)"), 414, "uri-too-long")
        try expectProblem(try server.call("GET", "/health?\(long)"), 414, "uri-too-long")
        #expect(try server.call("GET", "/health?\(String(repeating: "u", count: 7 << 10))").status == 200)
        try expectAlive()
    }

    @Test func `requests sent at once on one connection are answered in their order`() throws {
        let connection = try HTTPConnection(port: server.port)
        let head = "Host: x\r\nAuthorization: Bearer \(user.token)\r\n"
        var requests = ""
        for number in 0..<40 {
            let body = user.upsertBody("k\(number)", "\(number)")
            requests += "POST /v1/data HTTP/1.1\r\n\(head)Content-Type: application/json\r\n"
            requests += "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            requests += "GET \(user.path("things", "k\(number)")) HTTP/1.1\r\n\(head)\r\n"
            requests += "GET /nowhere/\(number) HTTP/1.1\r\n\(head)\r\n"
        }
        try connection.socket.send(requests)
        for number in 0..<40 {
            let written = try connection.read()
            #expect(written.status == 200)
            #expect(try written.json()["data"]["key"].text == "k\(number)")
            let read = try connection.read()
            #expect(try read.json()["data"]["value"].raw == "\(number)")
            #expect(try connection.read().status == 404)
        }
    }

    @Test func `a client that goes away in the middle of a request does no harm`() throws {
        for cut in [
            "GET /hea", "POST /v1/data HTTP/1.1\r\nContent-Le",
            "POST /v1/data HTTP/1.1\r\nHost: x\r\n"
                + "Content-Type: application/json\r\nAuthorization: Bearer \(user.token)\r\nContent-Length: 100"
                + "\r\n\r\n{\"user",
        ] {
            try HTTPConnection(port: server.port).socket.send(cut)
        }
        try expectAlive()
        #expect(try user.list().json()["data"].items.isEmpty)
    }

    /// Whatever the server does with these, what hides in the body is never answered, and the connection ends.
    @Test(arguments: [
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 44\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nContent-Length: 0x0\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nX: a\r\n Content-Length: 0\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nContent-Length\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\nX: a\u{0}b\r\n\r\n",
        "POST /v1/data HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n",
        "GET /health HTTP/1.1\nHost: x\n\n", "GET /health HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
        "GET /health HTTP/9.9\r\nHost: x\r\n\r\n", "GET /health\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}", "nonsense\r\n\r\n",
    ])
    func `a request that two servers could read in two ways is refused and the connection closed`(text: String) throws {
        let connection = try HTTPConnection(port: server.port)
        // Strangers are sent away before the body is looked at.
        let known = text.replacing("Host: x\r\n", with: "Host: x\r\nAuthorization: Bearer \(user.token)\r\n")
        try connection.socket.send(known + "GET /v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(connection.socket.isClosedByServer(within: patience), "the connection stays open")
        var answers: [HTTPAnswer] = []
        while let answer = try? connection.read() { answers.append(answer) }
        #expect(answers.count <= 1, "\(answers.map { "\($0.status) \($0.text)" })")
        if let answer = answers.first { #expect(answer.status == 400, "\(answer.status) \(answer.text)") }
        try expectAlive()
    }

    @Test func `what follows an upgrade that is refused is not taken for a request`() throws {
        let connection = try HTTPConnection(port: server.port)
        let upgrade =
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        try connection.socket.send(upgrade + "GET /v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(connection.socket.isClosedByServer(within: patience))
        #expect(try connection.read().status == 401)
        #expect((try? connection.read()) == nil)
    }

    @Test func `HTTP 1.0 and Connection close end the connection after the answer`() throws {
        for request in ["GET /health HTTP/1.0\r\n\r\n", "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
        {
            let connection = try HTTPConnection(port: server.port)
            try connection.socket.send(request)
            #expect(try connection.read().status == 200)
            #expect(connection.socket.isClosedByServer(within: patience))
        }
    }

    @Test func `a client that waits for 100 Continue before it sends a body is told to go on`() throws {
        let connection = try HTTPConnection(port: server.port)
        let body = Array(user.upsertBody("k", "1").utf8)
        let head = [
            user.authorization, ("Content-Type", "application/json"), ("Content-Length", "\(body.count)"),
            ("Expect", "100-continue"),
        ]
        try connection.send("POST", "/v1/data", headers: head)
        #expect(try connection.socket.takeLine(within: 10).hasPrefix("HTTP/1.1 100"))
        #expect(try connection.socket.takeLine().isEmpty)
        try connection.socket.send(body)
        #expect(try connection.read(answeringTo: "POST").status == 200)
    }

    @Test func `line ends in what a client sends never start a header of the answer`() throws {
        for target in ["/%0d%0aX-Injected:%20yes", "/v1/data/u%0d%0aX-Injected:%20yes/c"] {
            let answer = try user.call("GET", target)
            #expect(answer["x-injected"] == nil && answer.status >= 400)
        }
    }
}

/// Clients that take their time; the test takes its own with them, beside the others.
@Suite struct SlowClientTests {
    @Test func `a body that never ends stops nobody else and is cut off`() async throws {
        let server = try RunningServer()
        let isCut = try await Background {
            let user = TestUser(server)
            let connection = try HTTPConnection(port: server.port)
            let head = [user.authorization, ("Content-Type", "application/json"), ("Content-Length", "1000000")]
            try connection.send("POST", "/v1/data", headers: head)
            let end = monotonicSeconds() + 3 * patience
            while monotonicSeconds() < end {
                guard (try? connection.socket.send(" ")) != nil else { return true }
                if connection.socket.isClosedByServer(within: 0.5) { return true }
                try TestUser(server).mustSet("k", "1")
            }
            return false
        }.value()
        #expect(isCut)
        #expect(try server.call("GET", "/health").status == 200)
    }

    @Test func `headers that never end stop nobody else and are cut off`() async throws {
        let server = try RunningServer()
        let isCut = try await Background {
            let connection = try HTTPConnection(port: server.port)
            try connection.socket.send("GET /health HTTP/1.1\r\nHost: x\r\n")
            let end = monotonicSeconds() + 3 * patience
            while monotonicSeconds() < end {
                guard (try? connection.socket.send("X-Slow: y\r\n")) != nil else { return true }
                if connection.socket.isClosedByServer(within: 0.5) { return true }
                _ = try server.call("GET", "/health")
            }
            return false
        }.value()
        #expect(isCut)
    }
}
