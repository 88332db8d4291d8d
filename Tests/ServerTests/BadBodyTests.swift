import Testing

@Suite(.serialized) struct BadBodyTests {
    let user: TestUser

    init() throws { user = TestUser(try RunningServer.shared()) }

    private func post(_ body: [UInt8], _ target: String = "/v1/data", _ method: String = "POST") throws -> HTTPAnswer {
        try HTTPConnection(port: user.server.port).call(
            method, target, headers: [user.authorization, ("Content-Type", "application/json")], body: body)
    }

    private func expectNothingWritten(sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(try user.list(nil).json()["data"].items.isEmpty, sourceLocation: sourceLocation)
    }

    private static let malformed = [
        "", " ", "{", "}", "nul", "{'a':1}", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{\"a\":01}", "{\"a\":+1}",
        "{\"a\":.5}", "{\"a\":1.}", "{\"a\":1e}", "{\"a\":NaN}", "{\"a\":Infinity}", "{\"a\":-}", "{\"a\":0x10}",
        "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\t\"}", "{\"a\":\"\u{0}\"}", "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\\ud800\"}", "/*c*/{}", "{} //", "{}{}", "{}x", "{\"a\":tru}", "{\"a\":True}", "\u{FEFF}{}",
        "{\"a\":1;\"b\":2}", "{\"a\":\"unended", "[1 2]", "{\"a\":1}\u{0}", "{,}", "[,1]", "{\"a\":[1}",
    ]

    @Test(arguments: malformed)
    func `what is not JSON is 400 as a body, as a value and inside a value`(text: String) throws {
        try expectProblem(try post(Array(text.utf8)), 400, "malformed-json")
        try expectProblem(try post(Array(text.utf8), user.path("things", "k"), "PUT"), 400, "malformed-json")
        guard !text.isEmpty else { return }
        try expectProblem(try post(Array(user.upsertBody("k", "[\(text)").utf8)), 400, "malformed-json")
        try expectNothingWritten()
    }

    @Test(
        arguments: [
            [0xFF], [0xC0, 0x80], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88],
            [0x80], [0xE0, 0x80, 0xAF],
        ] as [[UInt8]])
    func `bytes that are not UTF-8 are 400`(bytes: [UInt8]) throws {
        let string = [0x22] + bytes + [0x22]
        try expectProblem(try post(string, user.path("things", "k"), "PUT"), 400, "malformed-json")
        for (before, after) in [("\"value\":", "}"), ("\"value\":1,\"other\":", "}")] {
            let body = "{\"user_id\":\(JSON.quoted(user.id)),\"collection\":\"c\",\"key\":\"k\"," + before
            try expectProblem(try post(Array(body.utf8) + string + Array(after.utf8)), 400, "malformed-json")
        }
        try expectNothingWritten()
    }

    @Test func `UTF-16 is not accepted for UTF-8`() throws {
        let utf16 = user.upsertBody("k", "1").utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        try expectProblem(try post([0xFF, 0xFE] + utf16), 400, "malformed-json")
        try expectProblem(try post(utf16), 400, "malformed-json")
    }

    @Test func `a name that stands twice in our own part of the body is 400`() throws {
        let body = user.upsertBody("k", "1")
        for extra in [
            "\"key\":\"other\"", "\"value\":2", "\"user_id\":\"root\"", "\"\\u006bey\":\"other\"",
            "\"collection\":\"c\"",
            "\"ttl_seconds\":5,\"ttl_seconds\":6", "\"updated_at\":null,\"updated_at\":null",
        ] {
            try expectProblem(
                try user.call("POST", "/v1/data", body: body.dropLast() + ",\(extra)}"), 400, "malformed-json")
        }
        let twice = "{\"user_id\":\(JSON.quoted(user.id)),\"items\":[],\"items\":[\(item("k", "1"))]}"
        try expectProblem(try user.call("POST", "/v1/data/bulk", body: twice), 400, "malformed-json")
        try expectProblem(try user.bulk([item("k", "1", extra: "\"key\":\"j\"")]), 400, "malformed-json")
        try expectProblem(
            try user.server.admin("POST", "/v1/admin/users", body: #"{"user_id":"u","user_id":"v"}"#), 400,
            "malformed-json")
        try expectNothingWritten()
    }

    @Test(arguments: [
        ("user_id", "5"), ("user_id", "null"), ("collection", "5"), ("collection", "{}"), ("key", "7"), ("key", "[]"),
        ("key", "null"), ("key", "true"), ("ttl_seconds", "\"5\""), ("ttl_seconds", "0"), ("ttl_seconds", "-1"),
        ("ttl_seconds", "1.5"), ("ttl_seconds", "315360001"), ("ttl_seconds", "99999999999999999999"),
        ("ttl_seconds", "true"), ("expires_at", "5"), ("expires_at", "\"soon\""), ("collection", "\"\""),
        ("key", "\"\""),
        ("key", "\"a\\nb\""), ("key", "\"\\u0000\""), ("key", "\"\\u007f\""), ("collection", "\"a\\u001fb\""),
    ])
    func `a field of the wrong kind or out of bounds is 422 and named`(name: String, value: String) throws {
        var fields = [
            "user_id": JSON.quoted(user.id), "collection": "\"things\"", "key": "\"k\"", "value": "1",
        ]
        fields[name] = value
        let body = "{" + fields.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
        let answer = try user.call("POST", "/v1/data", body: body)
        try expectProblem(answer, 422, "invalid-field", at: "/\(name)")
        guard name != "user_id" else { return }
        fields["user_id"] = nil
        let item = "{" + fields.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
        try expectProblem(
            try user.bulk([ServerTests.item("good", "1"), item]), 422, "invalid-field", at: "/items/1/\(name)")
        try expectNothingWritten()
    }

    @Test(arguments: ["user_id", "collection", "key", "value"])
    func `a field that is missing is 422 and named`(name: String) throws {
        let all = ["user_id": JSON.quoted(user.id), "collection": "\"things\"", "key": "\"k\"", "value": "1"]
        let body = "{" + all.filter { $0.key != name }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
        try expectProblem(try user.call("POST", "/v1/data", body: body), 422, "invalid-field", at: "/\(name)")
        try expectNothingWritten()
    }

    @Test func `names may be as long as the contract says, in bytes, and no longer`() throws {
        let letters = { (count: Int) in String(repeating: "a", count: count) }
        let umlauts = { (count: Int) in String(repeating: "ü", count: count) }
        #expect(try user.set(letters(256), "1", in: letters(128)).status == 200)
        #expect(try user.set(umlauts(128), "1", in: umlauts(64)).status == 200)
        #expect(try user.get(umlauts(128), in: umlauts(64)).status == 200)
        try expectProblem(try user.set(letters(257), "1"), 422, "invalid-field", at: "/key")
        try expectProblem(try user.set(umlauts(128) + "a", "1"), 422, "invalid-field", at: "/key")
        try expectProblem(try user.set("k", "1", in: letters(129)), 422, "invalid-field", at: "/collection")
        let longest = TestUser(user.server, id: letters(118) + String(UInt32.random(in: 1_000_000_000...UInt32.max)))
        #expect(longest.id.utf8.count == 128)
        #expect(try longest.set("k", "1").status == 200)
    }

    @Test(arguments: ["[]", "5", "\"text\"", "null", "true"])
    func `a body that is JSON but no object is refused`(body: String) throws {
        for target in ["/v1/data", "/v1/data/bulk"] {
            let answer = try user.call("POST", target, body: body)
            #expect(answer.status == 422 || answer.status == 400, "\(answer.text)")
        }
        let answer = try user.server.admin("POST", "/v1/admin/users", body: body)
        #expect(answer.status == 422 || answer.status == 400, "\(answer.text)")
    }

    @Test(arguments: ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/html", "json"])
    func `a body of another media type is 415`(type: String) throws {
        let header = [("Content-Type", type)]
        try expectProblem(try user.set("k", "1", headers: header), 415, "unsupported-media-type")
        try expectProblem(try user.put("k", "1", headers: header), 415, "unsupported-media-type")
        try expectProblem(try user.bulk([item("k", "1")], headers: header), 415, "unsupported-media-type")
        try expectNothingWritten()
    }

    @Test(arguments: ["application/json; charset=utf-8", "Application/JSON", "application/json ;charset=UTF-8"])
    func `JSON is JSON with a charset and in any letters`(type: String) throws {
        #expect(try user.set("k", "1", headers: [("Content-Type", type)]).status == 200)
        #expect(try user.put("k", "1", headers: [("Content-Type", type)]).status == 200)
    }

    @Test func `an unpaired surrogate in a name is refused`() throws {
        let body = "{\"user_id\":\(JSON.quoted(user.id)),\"collection\":\"c\",\"key\":\"\\ud800\",\"value\":1}"
        let answer = try user.call("POST", "/v1/data", body: body)
        #expect(answer.status == 400 || answer.status == 422, "\(answer.text)")
        try expectNothingWritten()
    }
}
