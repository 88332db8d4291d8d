import Testing

@Suite(.serialized) struct DeviceTests {
    let server: RunningServer

    init() throws { server = try RunningServer.shared() }

    private func expectNames(_ device: JSON, sourceLocation: SourceLocation = #_sourceLocation) {
        let names = ["user_id", "device_id", "name", "platform", "registered_at", "last_seen_at", "online"]
        #expect(device.names == names, sourceLocation: sourceLocation)
    }

    @Test func `a device is registered, then known, and changes only what is given`() throws {
        let user = TestUser(server)
        let before = Moment.now()
        let first = try user.register("tv-1", #""name":"TV","platform":"tvos""#)
        #expect(first.status == 201)
        let made = try first.json()["data"]
        expectNames(made)
        #expect(made["user_id"].text == user.id && made["device_id"].text == "tv-1")
        #expect(made["name"].text == "TV" && made["platform"].text == "tvos")
        #expect(made["last_seen_at"].isNull && made["online"].bool == false)
        let at = try #require(Moment(made["registered_at"].text))
        #expect(at >= before && at <= Moment.now())
        let second = try user.register("tv-1", #""name":"Den 😀""#)
        #expect(second.status == 200)
        let known = try second.json()["data"]
        #expect(known["name"].text == "Den 😀" && known["platform"].text == "tvos")
        #expect(known["registered_at"].text == made["registered_at"].text)
        let third = try user.register("tv-1", #""name":null"#).json()["data"]
        #expect(third["name"].isNull && third["platform"].text == "tvos")
        #expect(try user.register("tv-1").json()["data"].raw == third.raw)
    }

    @Test func `devices are listed by the bytes of their ids, each user's own`() throws {
        let (user, other) = (TestUser(server), TestUser(server))
        #expect(try user.devices().isEmpty)
        for id in ["b", "\u{E9}", "e\u{301}", "a/b", "B"] { #expect(try user.register(id).status == 201) }
        #expect(try other.register("b").status == 201)
        let ids = try user.devices().compactMap { $0["device_id"].text }
        #expect(ids.map { Array($0.utf8) } == ["B", "a/b", "b", "e\u{301}", "\u{E9}"].map { Array($0.utf8) })
        for device in try user.devices() { expectNames(device) }
        #expect(try other.devices().count == 1)
    }

    @Test func `a deleted device is told as it was, and is gone`() throws {
        let user = TestUser(server)
        let made = try user.register("a/b é", #""name":"TV""#).json()["data"]
        try user.register("other")
        let answer = try user.call("DELETE", "/v1/devices/\(user.id)/\(encoded("a/b é"))")
        #expect(answer.status == 200)
        #expect(try answer.json()["data"].raw == made.raw)
        #expect(try user.devices().compactMap { $0["device_id"].text } == ["other"])
        try expectProblem(
            try user.call("DELETE", "/v1/devices/\(user.id)/\(encoded("a/b é"))"), 404, "not-found")
        #expect(try user.register("a/b é").status == 201)
    }

    @Test func `devices are nobody else's to see, register or delete`() throws {
        let (user, other) = (TestUser(server), TestUser(server))
        try user.register("d")
        try expectProblem(try other.call("GET", "/v1/devices/\(user.id)"), 403, "forbidden")
        try expectProblem(try other.call("DELETE", "/v1/devices/\(user.id)/d"), 403, "forbidden")
        try expectProblem(
            try other.call(
                "POST", "/v1/devices/register", body: "{\"user_id\":\"\(user.id)\",\"device_id\":\"d\"}"), 403,
            "forbidden")
        for (method, path) in [("GET", ""), ("DELETE", "/d")] {
            try expectProblem(
                try server.call(method, "/v1/devices/\(user.id)\(path)"), 401, "unauthenticated")
        }
        try expectProblem(
            try server.call("POST", "/v1/devices/register", body: "{}"), 401, "unauthenticated")
        #expect(try user.devices().count == 1)
    }

    @Test(arguments: [
        (#""device_id":"""#, "/device_id"), (#""device_id":7"#, "/device_id"), (#""device_id":"\n""#, "/device_id"),
        (#""device_id":"d","name":7"#, "/name"), (#""device_id":"d","platform":"\u0000""#, "/platform"),
        (#""name":"no id""#, "/device_id"),
    ])
    func `a device with wrong fields is refused`(members: String, pointer: String) throws {
        let user = TestUser(server)
        try expectProblem(
            try user.call("POST", "/v1/devices/register", body: "{\"user_id\":\"\(user.id)\",\(members)}"), 422,
            "invalid-field", at: pointer)
        #expect(try user.devices().isEmpty)
    }

    @Test func `names are as long as may be, and not longer`() throws {
        let user = TestUser(server)
        let long = String(repeating: "é", count: 64)
        let answer = try user.register(long, "\"name\":\"\(long)\(long)\"")
        #expect(answer.status == 201)
        #expect(try user.devices().compactMap { $0["device_id"].text } == [long])
        #expect(try user.call("DELETE", "/v1/devices/\(user.id)/\(encoded(long))").status == 200)
        try expectProblem(try user.register(long + "a"), 422, "invalid-field", at: "/device_id")
        try expectProblem(
            try user.call("DELETE", "/v1/devices/\(user.id)/\(encoded(long + "a"))"), 400, "bad-parameter")
    }

    @Test func `a user has at most 1,000 devices`() throws {
        let user = TestUser(server)
        let connection = try HTTPConnection(port: server.port)
        func register(_ id: Int) throws -> HTTPAnswer {
            try connection.call(
                "POST", "/v1/devices/register", headers: [user.authorization, ("Content-Type", "application/json")],
                body: Array("{\"user_id\":\"\(user.id)\",\"device_id\":\"\(id)\"}".utf8))
        }
        for id in 0..<1000 { try #require(try register(id).status == 201) }
        try expectProblem(try register(1000), 413, "too-many-items")
        #expect(try register(7).status == 200)
        #expect(try user.call("DELETE", "/v1/devices/\(user.id)/7").status == 200)
        #expect(try register(1000).status == 201)
        #expect(try user.devices().count == 1000)
    }

    @Test func `a user who is called like the word in another path has devices, too`() throws {
        let user = TestUser(server, id: "register")
        #expect(try user.register("d").status < 300)
        #expect(try user.devices().count == 1)
        #expect(try user.call("DELETE", "/v1/devices/register/d").status == 200)
        try expectProblem(try user.call("PUT", "/v1/devices/register", body: "{}"), 405, "method-not-allowed")
    }

    @Test func `the administrator sees a user's devices, and deletes them with the user`() throws {
        let id = "made-\(UInt64.random(in: 0...UInt64.max))"
        let made = try server.admin("POST", "/v1/admin/users", body: "{\"user_id\":\"\(id)\"}").json()
        let user = TestUser(server, id: id, token: try #require(made["token"].text))
        #expect(try server.admin("GET", "/v1/admin/users/\(id)").json()["devices"].raw == "[]")
        try user.register("b")
        try user.register("a", #""name":"A""#)
        let shown = try server.admin("GET", "/v1/admin/users/\(id)").json()
        #expect(shown.names == ["user", "records", "bytes", "tokens", "devices"])
        #expect(shown["devices"].raw == (try user.call("GET", "/v1/devices/\(id)").json()["data"].raw))
        #expect(try server.admin("DELETE", "/v1/admin/users/\(id)").status == 200)
        let again = try server.admin("POST", "/v1/admin/users", body: "{\"user_id\":\"\(id)\"}").json()
        let back = TestUser(server, id: id, token: try #require(again["token"].text))
        #expect(try back.devices().isEmpty)
    }

    @Test(.enabled(if: TestStorage.current.isKept)) func `devices outlive kill -9`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        try user.register("d", #""name":"TV""#)
        let before = try user.devices().map(\.raw)
        try server.restart(after: .kill)
        #expect(try user.devices().map(\.raw) == before && before.count == 1)
    }
}

extension TestUser {
    /// `POST /v1/devices/register`; `extra` is further members, such as `"name":"TV"`.
    @discardableResult
    func register(_ device: String, _ extra: String = "") throws -> HTTPAnswer {
        let body = "{\"user_id\":\(JSON.quoted(id)),\"device_id\":\(JSON.quoted(device))"
        return try call("POST", "/v1/devices/register", body: body + (extra.isEmpty ? "}" : ",\(extra)}"))
    }

    /// The devices as listed.
    func devices(sourceLocation: SourceLocation = #_sourceLocation) throws -> [JSON] {
        let answer = try call("GET", "/v1/devices/\(encoded(id))")
        try #require(answer.status == 200, "\(answer.text.prefix(500))", sourceLocation: sourceLocation)
        return try answer.json()["data"].items
    }
}
