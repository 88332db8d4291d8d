import Testing

@Suite(.serialized) struct EventStreamTests {
    let server: RunningServer
    let user: TestUser

    init() throws {
        server = try RunningServer.shared()
        user = TestUser(server)
    }

    @Test func `a stream begins with hello and sends what a socket is sent`() throws {
        let (stream, socket) = (try user.stream(), try user.listening())
        #expect(stream.head["content-type"] == "text/event-stream" && stream.head["cache-control"] == "no-store")
        let hello = try stream.next()
        #expect(hello.type == "hello" && hello.id == "0")
        #expect(try hello.json()["user_id"].text == user.id)
        try user.mustSet("k", "{\"a\":\n1}")
        #expect(try user.delete("k").status == 200)
        for type in ["data.updated", "data.deleted"] {
            let (event, message) = (try stream.next(), try socket.next())
            #expect(event.type == type && event.id == message["seq"].raw)
            #expect(event.data == message.raw)
        }
    }

    @Test func `a client that comes back with Last-Event-ID has every change exactly once`() throws {
        let first = try user.stream("?since=0")
        #expect(try first.next().type == "hello")
        #expect(try first.next().id == "0", "current, in an empty database")
        try user.mustSet("a", "1")
        let seen = try first.next()
        for key in ["b", "c", "b"] { try user.mustSet(key, "2") }
        let second = try user.stream("?since=0", headers: [("Last-Event-ID", seen.id ?? "")])
        var events = try second.events { $0.type == "current" }
        #expect(events.map(\.type) == ["hello", "data.updated", "data.updated", "current"])
        try user.mustSet("d", "1")
        events.append(try second.next())
        #expect(events.first?.id == nil, "nobody may go on from a hello that has a past to tell")
        let keys = try events.compactMap { try $0.json()["data"]["key"].text }
        #expect(keys == ["c", "b", "d"])
    }

    @Test func `a stream may be narrowed to a collection, and resumes in it`() throws {
        for (key, collection) in [("a", "notes"), ("b", "tasks"), ("c", "notes")] {
            try user.mustSet(key, "1", in: collection)
        }
        let stream = try user.stream("?collection=notes&since=1")
        let events = try stream.events { $0.type == "current" }
        #expect(events.map(\.id) == [nil, "3", "3"])
    }

    @Test func `the token may stand in the URL, and only the user's own stream opens`() throws {
        let path = "/v1/stream/\(encoded(user.id))"
        let stream = try EventSource(port: server.port, target: "\(path)?token=\(user.token)")
        #expect(try stream.next().type == "hello")
        for (target, status, code) in [
            (path, 401, "unauthenticated"), ("/v1/stream/other?token=\(user.token)", 403, "forbidden"),
            ("\(path)?token=x", 401, "unauthenticated"), ("\(path)?token=\(user.token)&since=x", 400, "bad-parameter"),
            ("\(path)?token=\(user.token)&key=x", 400, "bad-parameter"),
        ] {
            let refused = try #require(throws: WebSocket.Refused.self) {
                try EventSource(port: server.port, target: target)
            }
            try expectProblem(refused.answer, status, code)
        }
        try expectProblem(
            try user.call("GET", path, headers: [("Last-Event-ID", "x")]), 400, "bad-parameter")
        #expect(try server.call("POST", path, headers: [user.authorization]).status == 405)
        let head = try server.call("HEAD", path, headers: [user.authorization])
        #expect(head.status == 200 && head["content-type"] == "text/event-stream")
    }

    @Test func `a stream ends when its token is revoked`() throws {
        let jti = "stream-\(user.id)"
        let token = Token.external(user.id, jti: jti)
        let stream = try EventSource(port: server.port, target: "/v1/stream/\(encoded(user.id))?token=\(token)")
        #expect(try stream.next().type == "hello")
        #expect(try server.admin("POST", "/v1/admin/tokens/revoke", body: "{\"jti\":\"\(jti)\"}").status == 200)
        #expect(stream.isClosedByServer())
    }

    @Test func `a stream that nobody reads is ended and holds up nobody`() throws {
        let server = try RunningServer(["WS_BUFFER_BYTES": "65536", "RATE_LIMIT_PER_MIN": "0"])
        let user = TestUser(server)
        let lazy = try EventSource(
            port: server.port, target: "/v1/stream/\(encoded(user.id))", headers: [user.authorization],
            receiveBytesMax: 4096)
        let socket = try user.listening()
        let value = "\"" + String(repeating: "v", count: 100_000) + "\""
        for number in 0..<60 { try user.mustSet("k\(number)", value) }
        let events = try (0..<60).map { _ in try socket.next()["seq"].int }
        #expect(events == Array(1...60))
        #expect(try eventually { try server.call("GET", "/health").json()["sockets"].int == 1 })
        withExtendedLifetime(lazy) {}
    }
}
