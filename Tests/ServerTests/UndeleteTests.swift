import Testing

@Suite(.serialized) struct UndeleteTests {
    private func undelete(_ user: TestUser, _ key: String, in collection: String = "things") throws -> HTTPAnswer {
        try user.server.admin("POST", path(user, key, in: collection))
    }

    private func path(_ user: TestUser, _ key: String, in collection: String = "things") -> String {
        "/v1/admin/data/\([user.id, collection, key].map(encoded).joined(separator: "/"))/undelete"
    }

    @Test func `a deleted record comes back with its value, and every device sees it go and come`() throws {
        let user = TestUser(try RunningServer.shared())
        let socket = try user.listening()
        let value = #"{ "n": 1.0e0, "s": "\u00e9" }"#
        try user.mustSet("k/é", value, extra: "\"ttl_seconds\":3600")
        #expect(try user.delete("k/é").status == 200)
        try expectProblem(try user.get("k/é"), 404, "not-found")
        let answer = try undelete(user, "k/é")
        #expect(answer.status == 200 && answer["etag"] == "\"3\"", "\(answer.text)")
        #expect(answer.text.hasPrefix(#"{"applied":true,"data":{"user_id":"#))
        let record = try answer.json()["data"]
        #expect(answer.text.contains(value) && record["seq"].int == 3)
        #expect(record["deleted_at"].isNull && record["expires_at"].isNull)
        #expect(try user.get("k/é").json()["data"].raw == record.raw)
        #expect(keys(try user.list().json()) == ["k/é"])
        var seen: [JSON] = []
        for _ in 0..<3 { seen.append(try socket.next()) }
        #expect(seen.map { $0["type"].text } == ["data.updated", "data.deleted", "data.updated"])
        #expect(seen.map { $0["seq"].int } == [1, 2, 3])
        #expect(seen[2]["data"].raw == record.raw)
        #expect(seen[1]["data"]["value"].isMissing)
        let (deleted, restored) = (seen[1]["data"]["deleted_at"].text, record["updated_at"].text)
        #expect(try #require(Moment(deleted)) < #require(Moment(restored)))
    }

    @Test func `the value of a deleted record is shown nowhere and counts nowhere`() throws {
        let server = try RunningServer.shared()
        let user = TestUser(server, id: "user-\(UInt64.random(in: 0...UInt64.max))")
        #expect(try server.admin("POST", "/v1/admin/users", body: "{\"user_id\":\"\(user.id)\"}").status == 201)
        try user.mustSet("k", "\"a secret value\"")
        let gone = try user.delete("k")
        let socket = try user.listening("&since=0")
        let shown = [
            gone.text, try user.list().text, try user.list(nil).text, try user.get("k").text,
            try user.list(query: "?updated_since=2024-01-01T00:00:00Z").text, try user.delete("k").text,
            try socket.messages { $0["type"].text == "current" }.map(\.raw).joined(),
            try server.admin("GET", "/v1/admin/users/\(user.id)").text,
        ]
        for text in shown { #expect(!text.contains("secret"), "\(text)") }
        let detail = try server.admin("GET", "/v1/admin/users/\(user.id)").json()
        #expect(detail["records"].int == 0 && detail["bytes"].int == 0)
        #expect(try undelete(user, "k").text.contains("\"a secret value\""))
    }

    @Test func `what is live, was never there or expired is not restored, and only an administrator may ask`() throws {
        let server = try RunningServer(["CLEANUP_INTERVAL_MS": "50"])
        let user = TestUser(server)
        try user.mustSet("live", "1")
        try expectProblem(try undelete(user, "live"), 412, "precondition-failed")
        try expectProblem(try undelete(user, "never"), 404, "not-found")
        try expectProblem(try undelete(user, "live", in: "others"), 404, "not-found")
        try expectProblem(try undelete(user, "\u{7}"), 400, "bad-parameter")
        let socket = try user.listening()
        try user.mustSet("short", "1", extra: "\"ttl_seconds\":1")
        #expect(try socket.next(ofType: "data.deleted")["data"]["key"].text == "short")
        try expectProblem(try undelete(user, "short"), 404, "not-found")
        #expect(try user.delete("live").status == 200)
        try expectProblem(try user.call("POST", path(user, "live")), 401, "unauthenticated")
        #expect(try user.server.admin("GET", path(user, "live")).status == 405)
        #expect(try undelete(user, "live").status == 200)
        try expectProblem(try undelete(user, "live"), 412, "precondition-failed")
    }

    @Test func `each way to delete can be undone, and what was written since is not overwritten`() throws {
        let user = TestUser(try RunningServer.shared())
        for key in ["rest", "bulk", "socket"] { try user.mustSet(key, "\"\(key)\"") }
        #expect(try user.delete("rest").status == 200)
        let items = [#"{"collection":"things","key":"bulk","delete":true}"#]
        #expect(try user.bulk(items).status == 200)
        let socket = try user.listening()
        try socket.send(
            #"{"type":"delete","id":1,"user_id":"\#(user.id)","collection":"things","key":"socket"}"#)
        #expect(try socket.next(ofType: "data.deleted")["data"]["key"].text == "socket")
        for key in ["rest", "bulk", "socket"] {
            #expect(try undelete(user, key).json()["data"]["value"].text == key)
        }
        let both = item("both", "\"2\"")
        #expect(try user.bulk([both, #"{"collection":"things","key":"both","delete":true}"#]).status == 200)
        #expect(try undelete(user, "both").json()["data"]["value"].text == "2")
        #expect(try user.delete("rest").status == 200)
        try user.mustSet("rest", "\"new\"")
        try expectProblem(try undelete(user, "rest"), 412, "precondition-failed")
        #expect(try user.get("rest").json()["data"]["value"].text == "new")
    }

    @Test func `a deleted user's records are gone for good, also those deleted before`() throws {
        let server = try RunningServer.shared()
        let user = TestUser(server)
        try user.mustSet("before", "1")
        try user.mustSet("with", "2")
        #expect(try user.delete("before").status == 200)
        #expect(try server.admin("DELETE", "/v1/admin/users/\(user.id)").status == 200)
        for key in ["before", "with"] { try expectProblem(try undelete(user, key), 404, "not-found") }
    }

    @Test(.enabled(if: TestStorage.current.isKept), arguments: [RunningServer.Stop.terminate, .kill])
    func `a restarted server can restore what was deleted before`(stop: RunningServer.Stop) throws {
        let server = try RunningServer()
        let user = TestUser(server)
        try user.mustSet("k", "[1, 2]")
        #expect(try user.delete("k").status == 200)
        try server.restart(after: stop)
        #expect(try undelete(user, "k").text.contains("\"value\":[1, 2]"))
        #expect(try user.get("k").json()["data"]["seq"].int == 3)
    }

    @Test(arguments: keptPairs)
    func `a migrated, backed up and restored database can restore it too`(from: String, to: String) throws {
        let directory = ScratchDirectory()
        let server = try RunningServer(["DB_PATH": "\(from):old"], in: directory)
        let user = TestUser(server)
        let long = "\"" + String(repeating: "v", count: 200_000) + "\""
        for (key, value) in [("k", "[1, 2]"), ("long", long), ("gone", "0")] { try user.mustSet(key, value) }
        for key in ["k", "long"] { #expect(try user.delete(key).status == 200) }
        #expect(server.terminate() == Program.Ending(code: 0))
        for arguments in [
            ["migrate", "--from", "\(from):old", "--to", "\(to):new"],
            ["backup", "saved", "--db", "\(to):new"], ["restore", "saved", "--to", "\(to):again"],
            ["doctor", "--db", "\(to):again"],
        ] {
            let run = try CommandRun(arguments, in: directory.path)
            #expect(run.code == 0, "\(arguments): \(run)")
        }
        let next = try RunningServer(["DB_PATH": "\(to):again"], in: directory)
        let same = TestUser(next, id: user.id)
        try expectProblem(try same.get("k"), 404, "not-found")
        #expect(try undelete(same, "k").text.contains("\"value\":[1, 2]"))
        #expect(try undelete(same, "long").text.contains(long))
        try expectProblem(try undelete(same, "gone"), 412, "precondition-failed")
    }
}
