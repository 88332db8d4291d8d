import Testing

/// What `/openapi.json` and `/docs` say, held against what the server does.
@Suite(.serialized) struct APIDocumentTests {
    let server: RunningServer
    let user: TestUser

    init() throws {
        server = try RunningServer.shared()
        user = TestUser(server)
    }

    @Test func `the document is the same for everyone, again, and from another server`() throws {
        let first = try server.call("GET", "/openapi.json")
        #expect(first.status == 200 && first["content-type"] == "application/json")
        #expect(try first.json()["openapi"].text == "3.1.0")
        #expect(try first.json()["info"]["version"].text == server.call("GET", "/health").json()["version"].text)
        #expect(try user.call("GET", "/openapi.json").body == first.body)
        let other = try RunningServer(["DB_PATH": "memory:"]).call("GET", "/openapi.json")
        #expect(other.body == first.body && other["etag"] == first["etag"])
    }

    @Test(arguments: ["/openapi.json", "/docs", "/docs/style.css"])
    func `who has it already is told so`(path: String) throws {
        let tag = try #require(try server.call("GET", path)["etag"])
        for known in [tag, "\"other\", \(tag)", "W/\(tag)"] {
            let again = try server.call("GET", path, headers: [("If-None-Match", known)])
            #expect(again.status == 304 && again.body.isEmpty && again["etag"] == tag)
        }
        #expect(try server.call("GET", path, headers: [("If-None-Match", "\"other\"")]).status == 200)
        let head = try server.call("HEAD", path)
        #expect(head.status == 200 && head["etag"] == tag && head.body.isEmpty)
    }

    @Test func `a page of another listed origin may read the document`() throws {
        let server = try RunningServer(["CORS_ALLOW_ORIGINS": "https://app.example", "DB_PATH": "memory:"])
        let answer = try server.call("GET", "/openapi.json", headers: [("Origin", "https://app.example")])
        #expect(answer.status == 200 && answer["access-control-allow-origin"] == "https://app.example")
    }

    @Test func `the page needs nothing but its own style sheet, and may load nothing else`() throws {
        let page = try server.call("GET", "/docs")
        #expect(page.status == 200 && page["content-type"] == "text/html; charset=utf-8")
        let policy = try #require(page["content-security-policy"])
        #expect(policy.hasPrefix("default-src 'none'; style-src 'self';"))
        #expect(page["x-content-type-options"] == "nosniff")
        #expect(page.text.contains("<link rel=\"stylesheet\" href=\"/docs/style.css\">"))
        for banned in ["<script", " style=", " onclick", "src=", "<style", "@import"] {
            #expect(!page.text.contains(banned), "\(banned)")
        }
        let style = try server.call("GET", "/docs/style.css")
        #expect(style.status == 200 && style["content-type"] == "text/css; charset=utf-8")
        #expect(style.text.contains("prefers-color-scheme: dark"))
        #expect(!style.text.contains("url(") && !style.text.contains("@import"))
    }

    @Test func `every call of the document is there, and is on the page`() throws {
        let contract = try APIContract(server)
        let page = try server.call("GET", "/docs").text
        let admin = ("X-Admin-Api-Key", TestSecret.adminKey)
        #expect(contract.operations.count > 20)
        for (method, pattern) in contract.operations {
            let id = contract.document["paths"][pattern][method.lowercased()]["operationId"].text ?? "none"
            #expect(page.contains("<article id=\"\(id)\">"), "\(method) \(pattern)")
            let path = pattern.replacing("{user}", with: user.id).replacing(#/\{[a-z_]+\}/#, with: "x")
            // Without an end of its own a stream is seen by its head alone.
            let isStream = contract.document["paths"][pattern]["get"]["responses"]["200"]["content"]
                .names.contains("text/event-stream")
            let answer = try user.call(isStream ? "HEAD" : method, path, headers: [admin])
            let isNoRoute = answer.status == 404 && answer.text.contains("nothing at this path")
            #expect(answer.status != 405 && !isNoRoute, "\(method) \(path): \(answer.status) \(answer.text)")
            if !isStream { try contract.hold(answer, to: method, pattern) }
        }
    }
}

// MARK: - Answers

extension APIDocumentTests {
    @Test func `an answer that is not as the document has it is noticed`() throws {
        let contract = try APIContract(server)
        let schema = contract.document["components"]["schemas"]["WriteAnswer"]
        let answer = try user.set("a", "1").text
        #expect(try contract.faults(of: JSON(answer), by: schema, at: "") == [])
        for (part, other) in [
            ("\"applied\":true,", ""), ("\"applied\":true", "\"applied\":1"), ("\"seq\":1", "\"seq\":1.5"),
            ("\"seq\":1", "\"seq\":0"), ("\"deleted_at\":null", "\"deleted_at\":\"yesterday\""),
            ("\"applied\":true", "\"applied\":false,\"reason\":\"whim\""), ("\"key\":\"a\"", "\"key\":\"\""),
            ("\"seq\":1", "\"seq\":1,\"more\":1"),
        ] {
            let wrong = answer.replacing(part, with: other)
            #expect(wrong != answer)
            #expect(try contract.faults(of: JSON(wrong), by: schema, at: "") != [], "\(wrong)")
        }
    }
}

// MARK: - Each call's answers

extension APIDocumentTests {
    @Test func `answers about records are as the document has them`() throws {
        let contract = try APIContract(server)
        let (one, list) = ("/v1/data/{user}/{collection}/{key}", "/v1/data/{user}/{collection}")
        for extra in ["", "\"ttl_seconds\":60", "\"updated_at\":\"2020-01-01T00:00:00Z\""] {
            try contract.hold(try user.set("a", "{\"x\":[1.5,null]}", extra: extra), to: "POST", "/v1/data")
        }
        for body in ["{", "{}", "[]", user.upsertBody("a", "1", extra: "\"updated_at\":\"2999-01-01T00:00:00Z\"")] {
            try contract.hold(try user.call("POST", "/v1/data", body: body), to: "POST", "/v1/data")
        }
        let key = [("Idempotency-Key", "k")]
        for value in ["1", "1", "2"] {
            try contract.hold(try user.set("i", value, headers: key), to: "POST", "/v1/data")
        }
        for headers in [
            [], [("If-None-Match", "*")], [("Content-Type", "text/plain")], [("X-Conflict-Policy", "x")],
            [("X-Conflict-Policy", "max_numeric")],
        ] {
            try contract.hold(try user.put("p", "\"v\"", headers: headers), to: "PUT", one)
        }
        for key in ["a", "none"] { try contract.hold(try user.get(key), to: "GET", one) }
        let tag = try #require(try user.get("a")["etag"])
        try contract.hold(try user.get("a", headers: [("If-None-Match", tag)]), to: "GET", one)
        for extra in ["", "\"atomic\":false"] {
            let items = [item("b", "1"), item("", "1"), "{\"collection\":\"c\",\"key\":\"gone\",\"delete\":true}"]
            try contract.hold(try user.bulk(items, extra: extra), to: "POST", "/v1/data/bulk")
        }
        for key in ["a", "a"] { try contract.hold(try user.delete(key), to: "DELETE", one) }
        for query in ["", "?limit=1", "?limit=0", "?cursor=x", "?updated_since=2020-01-01T00:00:00Z"] {
            try contract.hold(try user.list(query: query), to: "GET", list)
            try contract.hold(try user.list(nil, query: query), to: "GET", "/v1/data/{user}")
        }
        let collections = "/v1/collections/\(user.id)"
        try contract.hold(try user.call("GET", collections), to: "GET", "/v1/collections/{user}")
        try contract.hold(try server.call("GET", collections), to: "GET", "/v1/collections/{user}")
        let stranger = TestUser(server)
        try contract.hold(try stranger.call("GET", collections), to: "GET", "/v1/collections/{user}")
    }

    @Test func `answers about users and devices are as the document has them`() throws {
        let contract = try APIContract(server)
        let (users, named) = ("/v1/admin/users", "/v1/admin/users/{id}")
        for body in ["{\"user_id\":\"\(user.id)\",\"display_name\":\"A\"}", "{\"user_id\":\"\(user.id)\"}", "{}", "{"] {
            try contract.hold(try server.admin("POST", users, body: body), to: "POST", users)
        }
        let device = "{\"user_id\":\"\(user.id)\",\"device_id\":\"tv\",\"name\":\"TV\"}"
        for body in [device, device, "{}"] {
            let answer = try user.call("POST", "/v1/devices/register", body: body)
            try contract.hold(answer, to: "POST", "/v1/devices/register")
        }
        try contract.hold(try user.call("GET", "/v1/devices/\(user.id)"), to: "GET", "/v1/devices/{user}")
        for id in [user.id, "nobody-\(user.id)"] {
            try contract.hold(try server.admin("GET", "\(users)/\(id)"), to: "GET", named)
        }
        for _ in 0..<2 {
            let answer = try user.call("DELETE", "/v1/devices/\(user.id)/tv")
            try contract.hold(answer, to: "DELETE", "/v1/devices/{user}/{device_id}")
        }
        for query in ["", "?limit=1", "?cursor=x"] {
            try contract.hold(try server.admin("GET", users + query), to: "GET", users)
        }
        try contract.hold(try server.call("GET", users), to: "GET", users)
        for end in ["rotate", "revoke"] {
            let answer = try server.admin("POST", "\(users)/\(user.id)/\(end)")
            try contract.hold(answer, to: "POST", "\(named)/\(end)")
        }
        for body in ["{\"jti\":\"x\"}", "{}"] {
            let answer = try server.admin("POST", "/v1/admin/tokens/revoke", body: body)
            try contract.hold(answer, to: "POST", "/v1/admin/tokens/revoke")
        }
        for _ in 0..<2 { try contract.hold(try server.admin("DELETE", "\(users)/\(user.id)"), to: "DELETE", named) }
    }

    @Test func `the server's own answers are as the document has them`() throws {
        let contract = try APIContract(server)
        for path in ["/", "/v1/realtime", "/health", "/openapi.json", "/docs", "/docs/style.css"] {
            try contract.hold(try server.call("GET", path), to: "GET", path)
        }
        for target in ["/", "/?token=x", "/?since=-1"] {
            try contract.hold(try WebSocket.refusal(port: server.port, target: target), to: "GET", "/")
        }
        let longTarget = "/health?" + String(repeating: "x", count: 9000)
        try contract.hold(try server.call("GET", longTarget), to: "GET", "/health")
        let large = [("X-Large", String(repeating: "x", count: 20_000))]
        try contract.hold(try server.call("GET", "/health", headers: large), to: "GET", "/health")
        let refused = try server.call("GET", "/v1/stream/\(user.id)")
        try contract.hold(refused, to: "GET", "/v1/stream/{user}")
        let stream = try user.stream()
        try contract.hold(stream.head, to: "GET", "/v1/stream/{user}")
    }

    @Test func `a limit that is met is in the document`() throws {
        let server = try RunningServer([
            "RATE_LIMIT_PER_MIN": "1", "ADMIN_RATE_LIMIT_PER_MIN": "1", "DB_PATH": "memory:",
        ])
        let contract = try APIContract(server)
        let user = TestUser(server)
        let statuses = try (0..<2).map { _ in
            let (own, admin) = (try user.list(), try server.admin("GET", "/v1/admin/users"))
            try contract.hold(own, to: "GET", "/v1/data/{user}/{collection}")
            try contract.hold(admin, to: "GET", "/v1/admin/users")
            return [own.status, admin.status]
        }
        #expect(statuses == [[200, 200], [429, 429]])
    }
}
