import Testing

@Suite(.serialized) struct LogTests {
    @Test(arguments: ["trace", "warning"])
    func `no log line ever holds a token, a key, a secret or a value`(level: String) throws {
        let server = try RunningServer(["LOG_LEVEL": level])
        let value = "a-value-nobody-may-log"
        let issued = try server.admin("POST", "/v1/admin/users", body: #"{"user_id":"logged"}"#).json()
        let user = TestUser(server, id: "logged", token: try #require(issued["token"].text))
        try user.mustSet("k", JSON.quoted(value))
        _ = try user.put("k", JSON.quoted(value))
        _ = try user.bulk([item("k", JSON.quoted(value)), item("", JSON.quoted(value))])
        _ = try user.set("k", "\"\(value)")
        _ = try user.set("k", JSON.quoted(value), headers: [("X-Conflict-Policy", "max_numeric")])
        _ = try user.set("k", JSON.quoted(value), headers: [("Idempotency-Key", "log")])
        _ = try user.get("k")
        let sockets = [
            try user.socket("&since=0"), try WebSocket(port: server.port, headers: [user.authorization]),
            try WebSocket(port: server.port, headers: [("Sec-WebSocket-Protocol", "apus.bearer.\(user.token)")]),
        ]
        for socket in sockets {
            #expect(try socket.next()["type"].text == "hello")
            try socket.send("{\"type\":\"\(value)\"}")
            #expect(try socket.next(ofType: "error")["type"].text == "error")
        }
        let forged = Token.external("logged", secret: "the-wrong-secret-of-32-bytes-or-more")
        _ = try TestUser(server, id: "logged", token: forged).list()
        _ = try? WebSocket(port: server.port, target: "/?token=\(forged)")
        _ = try server.call("GET", "/nowhere?token=\(user.token)")
        _ = try server.call("GET", "/v1/admin/users", headers: [("X-Admin-Api-Key", TestSecret.adminKey + "-wrong")])
        _ = try server.admin("POST", "/v1/admin/users/logged/rotate")
        for socket in sockets { #expect(try socket.closeCode() == 4401) }
        #expect(server.terminate() == Program.Ending(code: 0))
        let logged = server.errors + server.program.printed
        let fresh = server.program.printed.split(separator: "\n").filter { !$0.hasPrefix("curl ") }
        for secret in [user.token, forged, TestSecret.jwt, TestSecret.adminKey, value] {
            #expect(!server.errors.contains(secret), "\(level)")
            #expect(!fresh.contains { $0.contains(secret) })
        }
        for part in [user.token, forged].flatMap({ $0.split(separator: ".").dropFirst() }) {
            #expect(!logged.contains(part))
        }
    }

    @Test(arguments: ["trace", "debug", "info"])
    func `no log line holds a secret in another spelling either`(level: String) throws {
        let server = try RunningServer(["LOG_LEVEL": level])
        _ = try TestUser(server).list()
        _ = server.terminate()
        let logged = server.errors
        for secret in [TestSecret.jwt, TestSecret.adminKey] {
            let bytes = Array(secret.utf8.prefix(16))
            let isThereAsBytes = logged.contains(bytes.map { "\($0)" }.joined(separator: ", "))
            #expect(!isThereAsBytes, "\(level): as decimal bytes")
            let hex = bytes.map { String($0, radix: 16) }
            for text in [hex.joined(), hex.joined(separator: ", 0x"), base64URL(Array(bytes.prefix(15)))] {
                let isThere = logged.lowercased().contains(text.lowercased())
                #expect(!isThere, "\(level)")
            }
        }
    }

    @Test func `a name cannot break a log line in two`() throws {
        let server = try RunningServer(["LOG_LEVEL": "trace"])
        for target in ["/nowhere%0Aforged-line", "/v1/data/u%0Aforged-line/c", "/v1/data/u/\u{1B}forged-line"] {
            _ = try? server.call(
                "GET", target, headers: [("User-Agent", "x"), ("Authorization", "Bearer forged-line")])
        }
        _ = server.terminate()
        for line in server.errors.split(separator: "\n") { #expect(!line.hasPrefix("forged-line")) }
        #expect(!server.errors.contains("\u{1B}"))
    }
}
