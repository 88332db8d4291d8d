import Testing

/// When the server closes a socket, and with which code.
@Suite(.serialized) struct SocketEndingTests {
    let server: RunningServer

    init() throws { server = try RunningServer.shared() }

    private func issued(_ id: String) throws -> (user: TestUser, jti: String) {
        let json = try server.admin("POST", "/v1/admin/users", body: "{\"user_id\":\"\(id)\"}").json()
        let user = TestUser(server, id: id, token: try #require(json["token"].text))
        return (user, try #require(json["jti"].text))
    }

    private func newID() -> String { "ending-\(UInt64.random(in: 0...UInt64.max))" }

    @Test func `revoking one token closes its sockets with 4401 and no others`() throws {
        let id = newID()
        let (user, jti) = try issued(id)
        let (again, _) = try issued(id)
        let closing = [try user.listening(), try user.listening("&since=0")]
        let staying = [try again.listening(), try TestUser(server).listening()]
        #expect(try server.admin("POST", "/v1/admin/tokens/revoke", body: "{\"jti\":\"\(jti)\"}").status == 200)
        for socket in closing { #expect(try socket.closeCode() == 4401) }
        for socket in staying {
            try socket.send(#"{"type":"ping"}"#)
            #expect(try socket.next()["type"].text == "ack")
        }
    }

    @Test(arguments: ["rotate", "revoke", "delete"])
    func `whatever ends all tokens of a user closes all the user's sockets with 4401`(how: String) throws {
        let id = newID()
        let (user, _) = try issued(id)
        let outside = TestUser(server, id: id, token: Token.external(id))
        let sockets = [try user.listening(), try outside.listening()]
        let other = try TestUser(server).listening()
        let answer =
            how == "delete"
            ? try server.admin("DELETE", "/v1/admin/users/\(id)")
            : try server.admin("POST", "/v1/admin/users/\(id)/\(how)")
        #expect((200...204).contains(answer.status))
        for socket in sockets { #expect(try socket.closeCode() == 4401) }
        try other.send(#"{"type":"ping"}"#)
        #expect(try other.next()["type"].text == "ack")
    }

    @Test func `after the answer to a revocation no change reaches the socket any more`() throws {
        let id = newID()
        let (user, jti) = try issued(id)
        let (writer, _) = try issued(id)
        let socket = try user.listening()
        try writer.mustSet("before", "1")
        #expect(try server.admin("POST", "/v1/admin/tokens/revoke", body: "{\"jti\":\"\(jti)\"}").status == 200)
        try writer.mustSet("after", "1")
        var seen: [String] = []
        do {
            while true { seen.append(try socket.next()["data"]["key"].text ?? "") }
        } catch let closed as WebSocket.Closed {
            #expect(closed.code == 4401)
        }
        #expect(seen == ["before"])
    }

    @Test func `a socket is closed with 4401 when its token ends`() throws {
        let now = Moment.now().seconds
        let user = TestUser(server, id: newID(), token: Token.external("", issued: now - 60))
        let short = TestUser(
            server, id: user.id, token: Token.external(user.id, issued: now - 60, expires: now - 27))
        let socket = try short.listening()
        #expect(try socket.closeCode() == 4401)
        #expect(Moment.now().seconds >= now)
    }

    @Test func `a stopped server closes its sockets with 1001 and ends with 0`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        let sockets = try (0..<20).map { _ in try user.listening() }
        try user.mustSet("k", "1")
        let ending = server.terminate()
        #expect(ending == Program.Ending(code: 0))
        for socket in sockets { #expect(try socket.closeCode() == 1001) }
        try server.restart()
        #expect(try user.get("k").status == 200)
    }

    @Test func `a server with sockets that do not answer still stops`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        let silent = try (0..<3).map { _ in try user.listening() }
        let value = "\"" + String(repeating: "x", count: 700_000) + "\""
        for _ in 0..<3 { try user.mustSet("k", value) }
        let half = try HTTPConnection(port: server.port)
        try half.socket.send("POST /v1/data HTTP/1.1\r\nHost: x\r\n")
        #expect(server.terminate() == Program.Ending(code: 0))
        #expect(silent.count == 3)
    }
}
