import Glibc
import Testing

/// What a connection does with its requests: which it begins, in which order, and how it ends.
@Suite(.serialized) struct RequestOrderTests {
    let server: RunningServer
    let user: TestUser

    init() throws {
        server = try RunningServer.shared()
        user = TestUser(server)
    }

    /// A whole request that writes `key`.
    private func write(_ key: String, _ headers: String = "", value: String = "1") -> String {
        let body = user.upsertBody(key, value)
        return "POST /v1/data HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(user.token)\r\n"
            + "Content-Type: application/json\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    @Test func `10,000 requests sent at once are answered one by one`() throws {
        let connection = try HTTPConnection(port: server.port)
        let count = 10_000
        let sender = Background { [socket = Sole(connection.socket), user] in
            let one = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            try socket.value.send(
                String(repeating: one, count: count)
                    + "GET \(user.path("none")) HTTP/1.1\r\nHost: x\r\n\(user.authorizationLine)\r\n")
        }
        for _ in 0..<count {
            let status = try connection.read().status
            guard status == 200 else {
                Issue.record("\(status)")
                return
            }
        }
        #expect(try connection.read().json()["data"].items.isEmpty)
        try sender.wait()
    }

    @Test func `a request behind one that closes the connection is not begun`() throws {
        let connection = try HTTPConnection(port: server.port)
        try connection.socket.send(write("first", "Connection: close\r\n") + write("second") + write("third"))
        let answer = try connection.read()
        #expect(answer.status == 200 && !answer.keepsAlive)
        #expect(connection.socket.isClosedByServer())
        #expect((try? connection.read()) == nil)
        #expect(keys(try user.list().json()) == ["first"])
    }

    @Test func `what a client still sends behind a last answer does not keep the answer from it`() throws {
        let connection = try HTTPConnection(port: server.port)
        try connection.socket.send(write("first", "Connection: close\r\n"))
        for _ in 0..<16 { try connection.socket.send([UInt8](repeating: 0x20, count: 1 << 20)) }
        #expect(try connection.read().status == 200)
        #expect(connection.socket.isClosedByServer())
    }

    @Test func `a client that sends nothing more is still answered, whatever it asked for`() throws {
        let value = "\"" + String(repeating: "x", count: 900_000) + "\""
        try user.mustSet("big", value)
        for request in [
            write("k"), "GET \(user.path("things", "big")) HTTP/1.1\r\nHost: x\r\n\(user.authorizationLine)\r\n",
            "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", write("a") + write("b"),
        ] {
            let connection = try HTTPConnection(port: server.port, receiveBytesMax: 4096)
            try connection.socket.send(request)
            connection.socket.finishSending()
            let answers = request.components(of: " HTTP/1.1\r\n")
            for _ in 0..<answers { #expect(try connection.read().status == 200) }
            #expect(connection.socket.isClosedByServer())
        }
        #expect(try user.list().json()["data"].items.count == 4)
    }

    @Test func `half a request is refused when its end cannot come any more`() throws {
        let connection = try HTTPConnection(port: server.port)
        try connection.socket.send(String(write("k").dropLast(5)))
        connection.socket.finishSending()
        try expectProblem(try connection.read(), 400, "bad-parameter")
        #expect(connection.socket.isClosedByServer())
        #expect(try user.list().json()["data"].items.isEmpty)
    }

    @Test func `a socket whose client stops sending is closed`() throws {
        let socket = try user.listening()
        socket.socket.finishSending()
        #expect(socket.socket.isClosedByServer())
    }

    @Test func `a stopping server answers what is whole, refuses what is not, and begins nothing new`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        let json = [user.authorization, ("Content-Type", "application/json"), ("Content-Length", "100000")]
        let half = try (0..<3).map { _ in
            let connection = try HTTPConnection(port: server.port)
            try connection.send("POST", "/v1/data", headers: json)
            try connection.socket.send(" ")
            return connection
        }
        let refused = try HTTPConnection(port: server.port)
        try refused.send("POST", "/v1/data", headers: [("Content-Length", "1000000")])
        #expect(try refused.read().status == 401)
        let idle = try HTTPConnection(port: server.port)
        #expect(try idle.call("GET", "/health").status == 200)
        server.program.signal(SIGTERM)
        #expect(idle.socket.isClosedByServer())
        _ = try? idle.socket.send(Array("GET /health HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        for connection in half {
            let answer = try connection.read()
            try expectProblem(answer, 503, "overloaded")
            #expect(!answer.keepsAlive)
        }
        #expect(server.program.waitForEnd() == Program.Ending(code: 0))
        try server.restart()
        #expect(try user.list().json()["data"].items.isEmpty)
    }

    @Test func `a body that is finished while the server stops is still written`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        let body = Array(user.upsertBody("k", "1").utf8)
        let connection = try HTTPConnection(port: server.port)
        let json = [user.authorization, ("Content-Type", "application/json"), ("Content-Length", "\(body.count)")]
        try connection.send("POST", "/v1/data", headers: json)
        try connection.socket.send(Array(body.prefix(10)))
        let idle = try HTTPConnection(port: server.port)
        #expect(try idle.call("GET", "/health").status == 200)
        server.program.signal(SIGTERM)
        #expect(idle.socket.isClosedByServer())
        try connection.socket.send(Array(body.dropFirst(10)))
        let answer = try connection.read()
        #expect(answer.status == 200 && !answer.keepsAlive)
        #expect(server.program.waitForEnd() == Program.Ending(code: 0))
        try server.restart()
        #expect(try user.get("k").status == 200)
    }
}

extension String {
    /// How often `part` stands in it.
    fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}

extension TestUser {
    /// The header line with the token.
    var authorizationLine: String { "Authorization: Bearer \(token)\r\n" }
}
