import Testing

@Suite(.serialized) struct HealthAndRoutesTests {
    let server: RunningServer

    init() throws { server = try RunningServer.shared() }

    @Test func `anybody may ask for the health, and no path or secret is told`() throws {
        let answer = try server.call("GET", "/health")
        #expect(answer.status == 200)
        #expect(answer["content-type"]?.hasPrefix("application/json") == true)
        let health = try answer.json()
        #expect(health["status"].text == "ok")
        #expect(health["version"].text?.isEmpty == false)
        #expect(health["uptime_seconds"].int.map { $0 >= 0 } == true)
        #expect(health["storage"].isObject)
        #expect(!health["connections"].isMissing)
        #expect(!answer.text.contains(server.directory.path))
        #expect(!answer.text.contains("data.db"))
        #expect(!answer.text.contains(TestSecret.jwt) && !answer.text.contains(TestSecret.adminKey))
    }

    @Test func `every answer carries its own X-Request-Id`() throws {
        let user = TestUser(server)
        let answers = [
            try server.call("GET", "/health"), try user.set("a", "1"), try user.get("a"), try user.get("nothing"),
            try server.call("GET", "/nowhere"), try server.call("GET", user.path("things")),
            try user.get("a", headers: [("If-None-Match", "\"1\"")]), try server.admin("GET", "/v1/admin/users"),
        ]
        #expect(answers.map(\.status) == [200, 200, 200, 404, 404, 401, 304, 200])
        let ids = answers.compactMap { $0["x-request-id"] }
        #expect(ids.count == answers.count && Set(ids).count == ids.count)
    }

    @Test(arguments: ["/nowhere", "/v1", "/v1/dat", "/v1/data/u/c/k/more", "/healthy", "/v1/admin/nothing"])
    func `an unknown route is 404`(target: String) throws {
        let user = TestUser(server)
        try expectProblem(
            try user.call("GET", target, headers: [("X-Admin-Api-Key", TestSecret.adminKey)]), 404, "not-found")
    }

    @Test(arguments: [
        ("DELETE", "/health", ["GET"]), ("GET", "/v1/data", ["POST"]), ("GET", "/v1/data/bulk/x/y", []),
        ("PATCH", "/v1/data/u/c/k", ["GET", "PUT", "DELETE"]), ("POST", "/v1/data/u/c", ["GET"]),
        ("PUT", "/v1/admin/users", ["GET", "POST"]), ("GET", "/v1/admin/users/u/rotate", ["POST"]),
        ("DELETE", "/v1/collections/u", ["GET"]),
    ])
    func `a known route with another method is 405 and says which are allowed`(
        method: String, target: String, allowed: [String]
    ) throws {
        guard !allowed.isEmpty else { return }
        let user = TestUser(server)
        let answer = try user.call(method, target, headers: [("X-Admin-Api-Key", TestSecret.adminKey)])
        try expectProblem(answer, 405, "method-not-allowed")
        let told = (answer["allow"] ?? "").split(separator: ",").map { $0.filter { $0 != " " } }
        for method in allowed { #expect(told.contains(method), "\(answer["allow"] ?? "no Allow")") }
        #expect(!told.contains(method))
    }

    @Test(arguments: ["%zz", "%2", "%", "a%G0b", "%ff%fe"])
    func `a path whose percent-encoding is broken is 400`(segment: String) throws {
        let user = TestUser(server)
        let answer = try user.call("GET", user.path("things") + "/" + segment)
        try expectProblem(answer, 400, "bad-parameter")
    }

    @Test func `a name in a path may not hold control characters`() throws {
        let user = TestUser(server)
        for segment in ["%00", "a%0Ab", "%7F", "%1F"] {
            let answer = try user.call("PUT", user.path("things") + "/" + segment, body: "1")
            #expect(answer.status == 422 || answer.status == 400, "\(segment): \(answer.status) \(answer.text)")
        }
        #expect(try user.list().json()["data"].items.isEmpty)
    }

    @Test func `names with slashes and other odd characters work in paths when percent-encoded`() throws {
        let user = TestUser(server)
        for (collection, key) in [("a/b", "x/y"), ("a b+c", "ü?#%/&=;"), ("..", "."), ("日本", "e\u{301}"), ("é", "é")] {
            let put = try user.put(key, "\"here\"", in: collection)
            #expect(put.status == 200, "\(put.text)")
            #expect(try put.json()["data"]["key"].text.map { Array($0.utf8) } == Array(key.utf8))
            #expect(try user.get(key, in: collection).json()["data"]["value"].raw == "\"here\"")
            #expect(keys(try user.list(collection).json()).map { Array($0.utf8) } == [Array(key.utf8)])
            #expect(try user.delete(key, in: collection).status == 200)
        }
    }

    @Test func `the composed and the decomposed form of a letter are two keys`() throws {
        let user = TestUser(server)
        try user.mustSet("\u{E9}", "1")
        try user.mustSet("e\u{301}", "2")
        #expect(try user.get("\u{E9}").json()["data"]["value"].raw == "1")
        #expect(try user.get("e\u{301}").json()["data"]["value"].raw == "2")
        #expect(try user.list().json()["data"].items.count == 2)
    }

    @Test func `a refused request leaves its connection usable`() throws {
        let user = TestUser(server)
        let connection = try HTTPConnection(port: server.port)
        let json = [user.authorization, ("Content-Type", "application/json")]
        for (target, body, status) in [
            ("/v1/data", "{", 400), ("/v1/data", "{}", 422), ("/nowhere", "{}", 404),
            ("/v1/data", user.upsertBody("k", "1"), 200),
        ] {
            let answer = try connection.call("POST", target, headers: json, body: Array(body.utf8))
            #expect(answer.status == status, "\(answer.text)")
            #expect(answer.keepsAlive)
        }
    }

    @Test func `a user who asks too often is told when to come back, and nobody else is`() throws {
        let server = try RunningServer(["RATE_LIMIT_PER_MIN": "5"])
        let busy = TestUser(server)
        for _ in 0..<5 { #expect(try busy.list().status == 200) }
        let answer = try busy.list()
        try expectProblem(answer, 429, "rate-limited")
        #expect(answer["retry-after"].flatMap { Int($0) }.map { $0 >= 1 && $0 <= 60 } == true)
        #expect(try TestUser(server).list().status == 200)
        #expect(try server.call("GET", "/health").status == 200)
        let refused = try WebSocket.refusal(port: server.port, target: "/?token=\(busy.token)")
        #expect(refused.status == 429)
    }

    @Test func `an administrator's address that asks too often is told when to come back`() throws {
        let server = try RunningServer(["ADMIN_RATE_LIMIT_PER_MIN": "3"])
        for _ in 0..<3 { #expect(try server.admin("GET", "/v1/admin/users").status == 200) }
        let answer = try server.admin("GET", "/v1/admin/users")
        try expectProblem(answer, 429, "rate-limited")
        #expect(answer["retry-after"].flatMap { Int($0) }.map { $0 >= 1 } == true)
        #expect(try TestUser(server).list().status == 200)
    }
}
