import Testing

@Suite(.serialized) struct TokenTests {
    let server: RunningServer

    init() throws { server = try RunningServer.shared() }

    private func list(_ user: String, _ token: String) throws -> HTTPAnswer {
        try TestUser(server, id: user, token: token).list()
    }

    private func expectUnauthenticated(
        _ answer: HTTPAnswer, _ code: String = "unauthenticated", sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try expectProblem(answer, 401, code, sourceLocation: sourceLocation)
        #expect(answer["www-authenticate"]?.hasPrefix("Bearer") == true, sourceLocation: sourceLocation)
    }

    @Test func `a token signed elsewhere with the same secret is good`() throws {
        #expect(try list("u", Token.external("u")).status == 200)
    }

    @Test func `either of sub and user_id is enough`() throws {
        let exp = Moment.now().seconds + 60
        #expect(try list("u", Token.signed(payload: "{\"sub\":\"u\",\"exp\":\(exp)}")).status == 200)
        #expect(try list("u", Token.signed(payload: "{\"user_id\":\"u\",\"exp\":\(exp)}")).status == 200)
    }

    @Test func `the scheme's name may be written in any letters`() throws {
        for scheme in ["bearer", "BEARER"] {
            let headers = [("Authorization", "\(scheme) \(Token.external("u"))")]
            #expect(try server.call("GET", "/v1/data/u/things", headers: headers).status == 200)
        }
    }

    @Test func `a clock that is off by less than 30 seconds does no harm`() throws {
        let now = Moment.now().seconds
        #expect(try list("u", Token.external("u", issued: now - 100, expires: now - 10)).status == 200)
        #expect(try list("u", Token.external("u", issued: now + 10)).status == 200)
        let payload = "{\"sub\":\"u\",\"exp\":\(now + 60),\"nbf\":\(now + 10)}"
        #expect(try list("u", Token.signed(payload: payload)).status == 200)
    }

    @Test func `without a token, or with something else in its place, the answer is 401`() throws {
        try expectUnauthenticated(try server.call("GET", "/v1/data/u/things"))
        for value in ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer a.b.c", "Bearer x", "Token abc"] {
            try expectUnauthenticated(
                try server.call("GET", "/v1/data/u/things", headers: [("Authorization", value)]))
        }
    }

    @Test func `a token that ended more than 30 seconds ago is told so`() throws {
        let now = Moment.now().seconds
        try expectUnauthenticated(
            try list("u", Token.external("u", issued: now - 200, expires: now - 60)), "token-expired")
    }

    @Test func `a token of another secret is refused`() throws {
        try expectUnauthenticated(
            try list("u", Token.external("u", secret: "another-secret-of-at-least-32-bytes!!")))
        try expectUnauthenticated(try list("u", Token.external("u", secret: "")))
    }

    @Test(arguments: [
        #"{"alg":"none"}"#, #"{"alg":"nOnE"}"#, #"{"alg":"HS384"}"#, #"{"alg":"HS512"}"#, #"{"alg":"RS256"}"#,
        #"{"alg":"hs256"}"#, #"{"typ":"JWT"}"#, #"{}"#, #"[]"#, #"{"alg":"HS256","crit":["exp"]}"#, "not json",
    ])
    func `only HS256 counts, whatever the header claims`(header: String) throws {
        let payload = "{\"sub\":\"u\",\"user_id\":\"u\",\"exp\":\(Moment.now().seconds + 60)}"
        let token = Token.signed(header: header, payload: payload)
        try expectUnauthenticated(try list("u", token))
        let unsigned = token.split(separator: ".").prefix(2).joined(separator: ".")
        try expectUnauthenticated(try list("u", unsigned + "."))
        try expectUnauthenticated(try list("u", unsigned))
    }

    @Test func `a token that was changed anywhere is refused`() throws {
        let good = Token.external("u")
        var refused = 0
        for index in stride(from: 0, to: good.utf8.count, by: 7) {
            var bytes = Array(good.utf8)
            guard bytes[index] != UInt8(ascii: ".") else { continue }
            let value = base64URLAlphabet.firstIndex(of: bytes[index]) ?? 0
            bytes[index] = base64URLAlphabet[value ^ 32]
            let answer = try list("u", String(decoding: bytes, as: UTF8.self))
            #expect(answer.status == 401, "byte \(index)")
            refused += 1
        }
        #expect(refused > 10)
        try expectUnauthenticated(try list("u", good + "A"))
        try expectUnauthenticated(try list("u", good + ".AAAA"))
        let content = good.split(separator: ".").prefix(2).joined(separator: ".")
        try expectUnauthenticated(try list("u", content + "."))
    }

    @Test(arguments: [
        #""sub":"u""#, #""sub":"u","exp":"soon""#, #""sub":"u","exp":null"#, #""sub":"u","exp":FUTURE,"nbf":FUTURE"#,
        #""sub":"u","exp":FUTURE,"iat":FUTURE"#, #""sub":"u","user_id":"v","exp":FUTURE"#, #""exp":FUTURE"#,
        #""sub":5,"exp":FUTURE"#, #""sub":"","exp":FUTURE"#, #""sub":"u\n","exp":FUTURE"#,
        #""sub":"u","user_id":null,"exp":-1"#,
    ])
    func `a well signed token with claims that are missing or wrong is refused`(claims: String) throws {
        let later = String(Moment.now().seconds + 600)
        let payload = "{" + claims.split(separator: "FUTURE", omittingEmptySubsequences: false).joined(separator: later)
        let answer = try list("u", Token.signed(payload: payload + "}"))
        #expect(answer.status == 401, "\(answer.status) \(answer.text)")
        #expect(answer["www-authenticate"]?.hasPrefix("Bearer") == true)
    }

    @Test(arguments: ["", "[]", "null", "{", "\u{FEFF}{}", "\"u\""])
    func `a well signed token without claims is refused`(payload: String) throws {
        try expectUnauthenticated(try list("u", Token.signed(payload: payload)))
    }

    @Test func `a token that was good once is met at its end although it is remembered`() throws {
        let now = Moment.now().seconds
        let user = TestUser(server, id: "u", token: Token.external("u", issued: now - 60, expires: now - 28))
        #expect(try user.list().status == 200)
        #expect(try eventually { try user.list().status == 401 })
        try expectUnauthenticated(try user.list(), "token-expired")
    }

    @Test func `every data route refuses the token of another user`() throws {
        let owner = TestUser(server)
        try owner.mustSet("k", "1")
        let other = TestUser(server, id: owner.id, token: Token.external("somebody-else"))
        let answers = [
            try other.set("k", "2"), try other.bulk([item("k", "2")]), try other.list(), try other.list(nil),
            try other.get("k"), try other.put("k", "2"), try other.delete("k"),
            try other.call("GET", "/v1/collections/\(owner.id)"),
            try other.list(query: "?updated_since=2024-01-01T00:00:00.000Z"),
        ]
        for answer in answers { try expectProblem(answer, 403, "forbidden") }
        #expect(try owner.get("k").json()["data"]["value"].raw == "1")
        #expect(try owner.get("k").json()["data"]["seq"].int == 1)
    }

    @Test func `an administrator's key is no token, and a token no administrator's key`() throws {
        let user = TestUser(server)
        try expectUnauthenticated(
            try server.call("GET", user.path("things"), headers: [("X-Admin-Api-Key", TestSecret.adminKey)]))
        #expect(try server.call("GET", "/v1/admin/users", headers: [user.authorization]).status == 401)
    }
}
