import Testing

@Suite(.serialized) struct UserTests {
    let server: RunningServer

    init() throws { server = try RunningServer.shared() }

    private func newID() -> String { "made-\(UInt64.random(in: 0...UInt64.max))" }

    private func issue(_ id: String, _ extra: String = "") throws -> HTTPAnswer {
        try server.admin(
            "POST", "/v1/admin/users", body: "{\"user_id\":\(JSON.quoted(id))\(extra.isEmpty ? "" : ",\(extra)")}")
    }

    private func issued(_ id: String, _ extra: String = "") throws -> TestUser {
        TestUser(server, id: id, token: try #require(try issue(id, extra).json()["token"].text))
    }

    @Test func `a new user gets a token that works, and the answer says for how long`() throws {
        let id = newID()
        let before = Moment.now()
        let answer = try issue(id, #""display_name":"Alex""#)
        #expect(answer.status == 201)
        let json = try answer.json()
        #expect(json["user"]["user_id"].text == id && json["user"]["display_name"].text == "Alex")
        let created = try #require(Moment(json["user"]["created_at"].text))
        #expect(created >= before && created <= Moment.now())
        let token = try #require(json["token"].text)
        #expect(try Token.header(of: token)["alg"].text == "HS256")
        let claims = try Token.payload(of: token)
        #expect(claims["sub"].text == id && claims["user_id"].text == id)
        #expect(claims["jti"].text == json["jti"].text && claims["jti"].text?.isEmpty == false)
        let lifetime = try #require(claims["exp"].int) - (try #require(claims["iat"].int))
        #expect(lifetime == 30 * 86_400)
        #expect(Moment(json["expires_at"].text)?.seconds == claims["exp"].int)
        #expect(try TestUser(server, id: id, token: token).list().status == 200)
    }

    @Test func `asking again for the same user renames the user and gives another token, both good`() throws {
        let id = newID()
        let first = try issue(id, #""display_name":"Old""#).json()
        let answer = try issue(id, #""display_name":"New""#)
        #expect(answer.status == 200)
        let second = try answer.json()
        #expect(second["user"]["display_name"].text == "New")
        #expect(second["user"]["created_at"].text == first["user"]["created_at"].text)
        #expect(second["jti"].text != first["jti"].text)
        for json in [first, second] {
            #expect(try TestUser(server, id: id, token: try #require(json["token"].text)).list().status == 200)
        }
        #expect(try server.admin("GET", "/v1/admin/users/\(id)").text.contains("\"New\""))
    }

    @Test func `custom claims and a lifetime of one's own are in the token`() throws {
        let id = newID()
        let json = try issue(
            id, #""claims":{"role":"editor","big":9007199254740993,"list":[1,2]},"ttl_seconds":120"#
        ).json()
        let claims = try Token.payload(of: try #require(json["token"].text))
        #expect(claims["role"].text == "editor" && claims["big"].raw == "9007199254740993")
        #expect(claims["list"].items.count == 2)
        #expect(try #require(claims["exp"].int) - (try #require(claims["iat"].int)) == 120)
    }

    @Test(arguments: [#"{"sub":"root"}"#, #"{"user_id":"root"}"#, #"{"exp":99999999999}"#, #"{"jti":"mine"}"#])
    func `custom claims cannot take the place of the server's own`(claims: String) throws {
        let id = newID()
        let answer = try issue(id, "\"claims\":\(claims)")
        guard answer.status != 422 else { return }
        let payload = try Token.payload(of: try #require(try answer.json()["token"].text))
        #expect(payload["sub"].text == id && payload["user_id"].text == id)
        #expect(payload["exp"].int.map { $0 < 99_999_999_999 } == true && payload["jti"].text != "mine")
        #expect(Set(payload.names).count == payload.names.count)
    }

    @Test(arguments: [
        (#"{}"#, "/user_id"), (#"{"user_id":5}"#, "/user_id"), (#"{"user_id":""}"#, "/user_id"),
        (#"{"user_id":"a\u0000b"}"#, "/user_id"), (#"{"user_id":"u","ttl_seconds":0}"#, "/ttl_seconds"),
        (#"{"user_id":"u","ttl_seconds":-5}"#, "/ttl_seconds"), (#"{"user_id":"u","ttl_seconds":"x"}"#, "/ttl_seconds"),
        (#"{"user_id":"u","claims":[]}"#, "/claims"), (#"{"user_id":"u","display_name":7}"#, "/display_name"),
    ])
    func `a user cannot be made from wrong fields`(body: String, pointer: String) throws {
        try expectProblem(
            try server.admin("POST", "/v1/admin/users", body: body), 422, "invalid-field", at: pointer)
    }

    @Test func `users are listed in pages, each user once`() throws {
        let server = try RunningServer()
        let made = (0..<7).map { "user-\($0)" }
        for id in made {
            #expect(
                try server.admin("POST", "/v1/admin/users", body: "{\"user_id\":\"\(id)\"}").status == 201)
        }
        var seen: [String] = []
        var query = "?limit=3"
        for _ in 0..<4 {
            let page = try server.admin("GET", "/v1/admin/users\(query)").json()
            seen += page["data"].items.compactMap { $0["user_id"].text }
            guard page["has_more"].bool == true else { break }
            query = "?limit=3&cursor=\(try #require(page["next_cursor"].text))"
        }
        #expect(seen.sorted() == made && Set(seen).count == made.count)
        try expectProblem(try server.admin("GET", "/v1/admin/users?limit=0"), 400, "bad-parameter")
        try expectProblem(try server.admin("GET", "/v1/admin/users?cursor=AAAA"), 400, "bad-cursor")
    }

    @Test func `one user is shown with record count and bytes, and never with a token`() throws {
        let user = try issued(newID())
        try user.mustSet("a", "\"1234\"")
        try user.mustSet("b", "12")
        _ = try user.delete("b")
        let answer = try server.admin("GET", "/v1/admin/users/\(user.id)")
        #expect(answer.status == 200)
        #expect(answer.text.contains(JSON.quoted(user.id)))
        let json = try answer.json()
        let shown = json["user"].isObject ? json["user"] : json["data"].isObject ? json["data"] : json
        let all = [json, shown, shown["usage"], json["usage"]]
        #expect(all.contains { ($0["records"].int ?? $0["record_count"].int) == 1 }, "\(answer.text)")
        #expect(all.contains { $0["bytes"].int == 6 }, "\(answer.text)")
        #expect(!answer.text.contains(user.token))
        try expectProblem(try server.admin("GET", "/v1/admin/users/\(newID())"), 404, "not-found")
    }

    @Test func `rotation ends every earlier token, also one signed elsewhere, and gives a new one`() throws {
        let id = newID()
        let earlier = [try issued(id), try issued(id)]
        let foreign = TestUser(server, id: id, token: Token.external(id, issued: Moment.now().seconds - 10))
        #expect(try foreign.list().status == 200)
        let answer = try server.admin("POST", "/v1/admin/users/\(id)/rotate")
        #expect(answer.status == 200)
        let fresh = TestUser(server, id: id, token: try #require(try answer.json()["token"].text))
        for user in earlier + [foreign] { try expectProblem(try user.list(), 401, "token-revoked") }
        #expect(try fresh.list().status == 200)
        #expect(try answer.json()["jti"].text == Token.payload(of: fresh.token)["jti"].text)
        #expect(try issued(id).list().status == 200)
    }

    @Test func `rotating an unknown user is 404`() throws {
        try expectProblem(try server.admin("POST", "/v1/admin/users/\(newID())/rotate"), 404, "not-found")
    }

    @Test func `revoking one token, however often, ends it and leaves the user's others alone`() throws {
        let id = newID()
        let revoked = try issued(id)
        let other = try issued(id)
        let jti = try #require(try Token.payload(of: revoked.token)["jti"].text)
        for _ in 0..<3 {
            let answer = try server.admin("POST", "/v1/admin/tokens/revoke", body: "{\"jti\":\"\(jti)\"}")
            #expect(answer.status == 200, "\(answer.text)")
        }
        try expectProblem(try revoked.list(), 401, "token-revoked")
        #expect(try other.list().status == 200)
    }

    @Test func `a token signed elsewhere can be revoked by its jti before it was ever seen`() throws {
        let id = newID()
        let user = TestUser(server, id: id, token: Token.external(id, jti: "far-\(id)"))
        #expect(
            try server.admin("POST", "/v1/admin/tokens/revoke", body: "{\"jti\":\"far-\(id)\"}").status == 200)
        try expectProblem(try user.list(), 401, "token-revoked")
    }

    @Test(arguments: [#"{}"#, #"{"jti":""}"#, #"{"jti":3}"#, #"{"jti":"x","exp":"soon"}"#])
    func `a revocation without a readable jti or exp is 422`(body: String) throws {
        try expectProblem(try server.admin("POST", "/v1/admin/tokens/revoke", body: body), 422, "invalid-field")
    }

    @Test func `revoking a user ends all tokens and issues none, and the user may get new ones`() throws {
        let id = newID()
        let user = try issued(id)
        let answer = try server.admin("POST", "/v1/admin/users/\(id)/revoke")
        #expect(answer.status == 200)
        #expect(!answer.text.contains("token\":\""))
        try expectProblem(try user.list(), 401, "token-revoked")
        #expect(try server.admin("GET", "/v1/admin/users/\(id)").status == 200)
        #expect(try issued(id).list().status == 200)
    }

    @Test(.enabled(if: TestStorage.current.isKept)) func `a revocation outlives kill -9`() throws {
        let server = try RunningServer()
        let json = try server.admin("POST", "/v1/admin/users", body: #"{"user_id":"u1"}"#).json()
        let user = TestUser(server, id: "u1", token: try #require(json["token"].text))
        let second = try server.admin("POST", "/v1/admin/users", body: #"{"user_id":"u2"}"#).json()
        let other = TestUser(server, id: "u2", token: try #require(second["token"].text))
        let jti = try #require(json["jti"].text)
        #expect(try server.admin("POST", "/v1/admin/tokens/revoke", body: "{\"jti\":\"\(jti)\"}").status == 200)
        #expect(try server.admin("POST", "/v1/admin/users/u2/rotate").status == 200)
        try server.restart(after: .kill)
        try expectProblem(try user.list(), 401, "token-revoked")
        try expectProblem(try other.list(), 401, "token-revoked")
    }

    @Test func `deleting a user ends the tokens, deletes the records and forgets the user`() throws {
        let id = newID()
        let user = try issued(id)
        for key in ["a", "b"] { try user.mustSet(key, "1") }
        let answer = try server.admin("DELETE", "/v1/admin/users/\(id)")
        #expect(answer.status == 200 || answer.status == 204)
        try expectProblem(try user.list(), 401, "token-revoked")
        try expectProblem(try server.admin("GET", "/v1/admin/users/\(id)"), 404, "not-found")
        try expectProblem(try server.admin("DELETE", "/v1/admin/users/\(newID())"), 404, "not-found")
        let again = try issue(id)
        #expect(again.status == 201)
        let back = TestUser(server, id: id, token: try #require(try again.json()["token"].text))
        #expect(try back.list().json()["data"].items.isEmpty)
        let delta = try back.list(query: "?updated_since=2024-01-01T00:00:00.000Z").json()
        #expect(delta["data"].items.allSatisfy { $0["deleted_at"].text != nil && $0["value"].isNull })
        #expect(sequences(delta) == [3, 4])
        try expectProblem(try user.list(), 401, "token-revoked")
    }
}
