import Testing

@Suite(.serialized) struct SocketTokenTests {
    let server: RunningServer
    let user: TestUser

    init() throws {
        server = try RunningServer.shared()
        user = TestUser(server)
    }

    @Test func `a socket whose token ends soon is told, and goes on with another one`() throws {
        let end = Moment.now().seconds + 3
        let old = Token.external(user.id, expires: end, jti: "old-\(user.id)")
        let new = Token.external(user.id, jti: "new-\(user.id)")
        let socket = try WebSocket(port: server.port, target: "/?token=\(old)")
        let warning = try socket.next(ofType: "auth.expiring")
        #expect(warning["expires_at"].text == Moment(milliseconds: end * 1000).text)
        try socket.send("{\"type\":\"auth\",\"id\":1,\"token\":\"\(new)\"}")
        let ack = try socket.next()
        #expect(ack["type"].text == "ack" && ack["id"].int == 1 && ack["expires_at"].text != nil)
        #expect(try server.admin("POST", "/v1/admin/tokens/revoke", body: "{\"jti\":\"old-\(user.id)\"}").status == 200)
        #expect(eventually { Moment.now().seconds > end + 1 })
        try user.mustSet("k", "1")
        #expect(
            try socket.next()["type"].text == "data.updated", "neither the old token's end nor its revocation count")
        #expect(try server.admin("POST", "/v1/admin/tokens/revoke", body: "{\"jti\":\"new-\(user.id)\"}").status == 200)
        #expect(try socket.closeCode() == 4401)
    }

    @Test func `a token that is bad, run out or another user's is refused, and the socket keeps its own`() throws {
        let socket = try user.listening()
        for (token, code) in [
            ("nonsense", "unauthenticated"), (Token.external("other"), "forbidden"),
            (Token.external(user.id, issued: 1, expires: 100), "token-expired"),
        ] {
            try socket.send("{\"type\":\"auth\",\"id\":\"a\",\"token\":\"\(token)\"}")
            let answer = try socket.next()
            #expect(answer["type"].text == "error" && answer["id"].text == "a")
            #expect(answer["error"]["code"].text == code)
        }
        try user.mustSet("k", "1")
        #expect(try socket.next()["type"].text == "data.updated")
    }
}
