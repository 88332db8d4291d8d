import Testing

@Suite(.serialized) struct ExpiryTests {
    @Test func `a record is gone from every read the moment its time is up, long before the sweeper comes`() throws {
        let user = TestUser(try RunningServer(["CLEANUP_INTERVAL_MS": "600000"]))
        let before = Moment.now()
        let record = try user.mustSet("short", "1", extra: "\"ttl_seconds\":1")
        let expires = try #require(Moment(record["expires_at"].text))
        #expect(expires >= before.adding(1) && expires <= Moment.now().adding(1))
        let at = Moment.now().adding(1)
        #expect(try user.mustSet("dated", "1", extra: "\"expires_at\":\"\(at.text)\"")["expires_at"].text == at.text)
        try user.mustSet("stays", "1", extra: "\"ttl_seconds\":315360000")
        #expect(keys(try user.list().json()) == ["dated", "short", "stays"])
        while Moment.now() < max(expires, at).adding(0.002) { sleepSeconds(0.02) }
        for key in ["short", "dated"] {
            try expectProblem(try user.get(key), 404, "not-found")
        }
        #expect(keys(try user.list().json()) == ["stays"])
        #expect(keys(try user.list(query: "?updated_since=2024-01-01T00:00:00Z").json()) == ["stays"])
        #expect(keys(try user.list(nil).json()) == ["stays"])
        #expect(try user.call("GET", "/v1/collections/\(user.id)").text.contains("1"))
        let socket = try user.listening("&since=0")
        let snapshot = try socket.messages { $0["type"].text == "current" }
        #expect(
            snapshot.dropLast().filter { $0["type"].text == "data.updated" }.map { $0["data"]["key"].text } == ["stays"]
        )
        #expect(try user.put("short", "2", headers: [("If-None-Match", "*")]).status == 200)
        #expect(try user.get("short").json()["data"]["expires_at"].isNull)
    }

    @Test func `the sweeper tells every socket that the record expired, with the next number`() throws {
        let user = TestUser(try RunningServer(["CLEANUP_INTERVAL_MS": "100"]))
        let socket = try user.listening()
        try user.mustSet("k", "1", extra: "\"ttl_seconds\":1")
        #expect(try socket.next()["type"].text == "data.updated")
        let deleted = try socket.next()
        #expect(deleted["type"].text == "data.deleted" && deleted["seq"].int == 2)
        #expect(deleted["data"]["key"].text == "k" && deleted["data"]["seq"].int == 2)
        #expect(deleted["reason"].text ?? deleted["data"]["reason"].text == "expired")
        try expectProblem(try user.get("k"), 404, "not-found")
        let delta = try user.list(query: "?updated_since=2024-01-01T00:00:00Z").json()
        #expect(delta["data"].items.count == 1 && delta["data"][0]["deleted_at"].text != nil)
        #expect(try user.mustSet("k", "2")["seq"].int == 3)
    }

    @Test func `a write without a lifetime clears an earlier one, and a new one replaces it`() throws {
        let user = TestUser(try RunningServer(["CLEANUP_INTERVAL_MS": "100"]))
        for key in ["cleared", "replaced", "put"] { try user.mustSet(key, "1", extra: "\"ttl_seconds\":1") }
        #expect(try user.mustSet("cleared", "2")["expires_at"].isNull)
        try user.mustSet("replaced", "2", extra: "\"ttl_seconds\":3600")
        #expect(try user.put("put", "2").json()["data"]["expires_at"].isNull)
        try user.mustSet("witness", "1", extra: "\"ttl_seconds\":1")
        #expect(try eventually { try user.get("witness").status == 404 })
        for key in ["cleared", "replaced", "put"] { #expect(try user.get(key).status == 200, "\(key)") }
    }

    @Test(.enabled(if: TestStorage.current.isKept))
    func `what expires while the server is down is gone when it is back, and told`() throws {
        let server = try RunningServer(["CLEANUP_INTERVAL_MS": "100"])
        let user = TestUser(server)
        try user.mustSet("k", "1", extra: "\"ttl_seconds\":1")
        server.kill()
        sleepSeconds(1.1)
        try server.restart()
        #expect(try user.get("k").status == 404)
        #expect(
            try eventually {
                let delta = try user.list(query: "?updated_since=2024-01-01T00:00:00Z").json()
                return sequences(delta) == [2]
            })
    }

    @Test func `many records that expire together are all told, each once and without holes`() throws {
        let user = TestUser(try RunningServer(["CLEANUP_INTERVAL_MS": "100"]))
        let socket = try user.listening()
        let items = (0..<1500).map { item("k\($0)", "1", extra: "\"ttl_seconds\":2") }
        #expect(try user.bulk(items).status == 200)
        var deleted: Set<String> = []
        for sequence in 1...3000 {
            let message = try socket.next()
            #expect(message["seq"].int == sequence)
            if message["type"].text == "data.deleted" { deleted.insert(message["data"]["key"].text ?? "") }
        }
        #expect(deleted.count == 1500)
    }
}
