import Testing

/// What an administrator sees of everybody's data, and does to it.
@Suite(.serialized) struct AdminDataTests {
    private func get(_ server: RunningServer, _ path: String = "", headers: [(String, String)] = []) throws
        -> HTTPAnswer
    {
        try server.admin("GET", "/v1/admin/data\(path)", headers: headers)
    }

    /// All pages of a list, `limit` rows each.
    private func pages(_ server: RunningServer, _ path: String, limit: Int) throws -> [[JSON]] {
        var pages: [[JSON]] = []
        var cursor = ""
        for _ in 0..<50 {
            let separator = path.contains("?") ? "&" : "?"
            let page = try server.admin("GET", "\(path)\(separator)limit=\(limit)\(cursor)").json()
            #expect(page.names == ["data", "next_cursor", "has_more"])
            pages.append(page["data"].items)
            #expect(page["has_more"].bool == (page["next_cursor"].text != nil))
            guard let next = page["next_cursor"].text else { return pages }
            cursor = "&cursor=\(next)"
        }
        Issue.record("the pages do not end")
        return pages
    }

    /// The newest entry of the audit log: the export that shows it stands behind it.
    private func lastEntry(_ server: RunningServer) throws -> [String] {
        let lines = try server.admin("GET", "/admin/export/audit.csv").text.split(separator: "\r\n")
        return lines.dropLast().last?.split(separator: ",", omittingEmptySubsequences: false).map(String.init) ?? []
    }

    @Test func `at a glance there is everything that is counted, and what happened last`() throws {
        let server = try RunningServer()
        let user = TestUser(server, id: "u1")
        try user.mustSet("a", "1")
        let second = try user.mustSet("b", "2")
        #expect(try user.delete("a").status == 200)
        for id in ["made", "other"] {
            #expect(try server.admin("POST", "/v1/admin/users", body: "{\"user_id\":\"\(id)\"}").status == 201)
        }
        let device = #"{"user_id":"u1","device_id":"tv-1"}"#
        #expect(try user.call("POST", "/v1/devices/register", body: device).status == 201)
        #expect(try server.admin("POST", "/v1/admin/tokens/revoke", body: #"{"jti":"j"}"#).status == 200)
        let socket = try user.socket()
        _ = try socket.next(ofType: "hello")
        let stream = try HTTPConnection(port: server.port)
        try stream.send("GET", "/v1/stream/u1", headers: [user.authorization])
        _ = try stream.readHead()
        let glance = try server.admin("GET", "/admin/data").json()
        let counts = ["users": 2, "records": 1, "tombstones": 1, "devices": 1, "tokens_revoked": 1, "streams": 1]
        for (name, count) in counts { #expect(glance[name].int == count, "\(name)") }
        #expect(glance["sockets"].int == 1 && glance["connections"].int ?? 0 >= 3)
        #expect(glance["storage"].names == ["backend", "bytes", "durability"])
        #expect(glance["storage"]["backend"].text == TestStorage.current.rawValue)
        let changes = glance["changes"].items
        #expect(changes.map { $0["type"].text } == ["data.deleted", "data.updated", "data.updated"])
        #expect(changes.map { $0["seq"].int } == [3, 2, 1])
        #expect(changes[1].names == ["type", "user_id", "collection", "key", "seq", "at"])
        #expect(changes[1]["user_id"].text == "u1" && changes[1]["key"].text == "b" && second["seq"].int == 2)
        #expect(Moment(changes[1]["at"].text) != nil && !glance.raw.contains("value"))
        let audit = glance["audit"].items
        #expect(audit.first?["action"].text == "token.revoke" && audit.last?["action"].text == "data.write")
        #expect(try Array(lastEntry(server)[1...3]) == ["admin", "admin.read", "overview"])
    }

    @Test func `the newest 50 changes are shown, and no more`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        #expect(try user.bulk((0..<120).map { item("\($0)", "1") }).status == 200)
        try user.mustSet("x", "1")
        let changes = try server.admin("GET", "/admin/data").json()["changes"].items
        #expect(changes.compactMap { $0["seq"].int } == Array((72...121).reversed()))
    }

    @Test func `owners are listed with how far they are, by what their names start with`() throws {
        let server = try RunningServer()
        #expect(try get(server).json().raw == #"{"data":[],"next_cursor":null,"has_more":false}"#)
        let names = ["b", "ba", "bb", "b\u{301}", "b😀", "a", "c", "é"]
        for name in names { try TestUser(server, id: name).mustSet("k", "1") }
        try TestUser(server, id: "ba").mustSet("k", "2")
        let all = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        for (prefix, limit) in [("", 3), ("", 100), ("b", 1), ("b", 5), ("b", 100), ("b\u{301}", 1), ("z", 1)] {
            let pages = try pages(server, "/v1/admin/data?prefix=\(encoded(prefix))", limit: limit)
            #expect(pages.dropLast().allSatisfy { $0.count == limit })
            let found = pages.joined().compactMap { $0["user_id"].text }
            let wanted = all.filter { $0.utf8.starts(with: prefix.utf8) }
            #expect(found.map { Array($0.utf8) } == wanted.map { Array($0.utf8) }, "\(prefix) by \(limit)")
        }
        let row = try #require(try get(server, "?prefix=ba").json()["data"].items.first)
        #expect(row.names == ["user_id", "seq", "last_change_at"] && row["seq"].int == 2)
        #expect(Moment(row["last_change_at"].text) != nil)
        #expect(try Array(lastEntry(server)[2...3]) == ["admin.read", "data"])
    }

    @Test func `users are listed by what their names start with`() throws {
        let server = try RunningServer()
        for name in ["b", "ba", "a", "c", "bb"] {
            #expect(try server.admin("POST", "/v1/admin/users", body: "{\"user_id\":\"\(name)\"}").status == 201)
        }
        for (prefix, wanted) in [("b", ["b", "ba", "bb"]), ("", ["a", "b", "ba", "bb", "c"]), ("bab", [])] {
            let pages = try pages(server, "/v1/admin/users?prefix=\(prefix)", limit: 2)
            #expect(pages.joined().compactMap { $0["user_id"].text } == wanted)
        }
        let cursor = try #require(try server.admin("GET", "/v1/admin/users?limit=1").json()["next_cursor"].text)
        try expectProblem(
            try server.admin("GET", "/v1/admin/users?prefix=b&cursor=\(cursor)"), 400, "bad-cursor")
    }

    @Test func `an owner's collections and records are shown, tombstones if they are asked for`() throws {
        let server = try RunningServer()
        let user = TestUser(server, id: "u/1")
        for key in ["a", "ba", "bb", "bc", "c"] { try user.mustSet(key, "1") }
        try user.mustSet("k", "1", in: "other")
        #expect(try user.delete("bb").status == 200)
        #expect(
            try get(server, "/u%2F1").text
                == #"{"data":[{"collection":"other","count":1},{"collection":"things","count":4}]}"#)
        #expect(try get(server, "/nobody").text == #"{"data":[]}"#)
        func shown(_ query: String, limit: Int) throws -> String {
            let pages = try pages(server, "/v1/admin/data/u%2F1/things\(query)", limit: limit)
            return pages.joined().compactMap { $0["key"].text }.joined(separator: " ")
        }
        for limit in [1, 2, 3, 100] {
            #expect(try shown("", limit: limit) == "a ba bc c")
            #expect(try shown("?deleted=true", limit: limit) == "a ba bb bc c")
            #expect(try shown("?prefix=b", limit: limit) == "ba bc")
            #expect(try shown("?prefix=b&deleted=true", limit: limit) == "ba bb bc")
            #expect(try shown("?prefix=bb", limit: limit) == "")
        }
        let rows = try get(server, "/u%2F1/things?deleted=true&prefix=b").json()["data"].items
        #expect(rows[0].raw == (try user.get("ba").json()["data"].raw))
        #expect(rows[1]["value"].isNull && rows[1]["deleted_at"].text != nil)
        let entry = try lastEntry(server)
        #expect(entry[1...3] == ["admin", "admin.read", "u/1/things"] && entry.last == "prefix=b deleted=true")
    }

    @Test func `one record is shown with its tag, as a tombstone, too`() throws {
        let server = try RunningServer()
        let user = TestUser(server, id: "u1")
        let record = try user.mustSet("k", "[1]")
        let answer = try get(server, "/u1/things/k")
        #expect(answer.text == "{\"data\":\(record.raw)}" && answer["etag"] == "\"1\"")
        #expect(try get(server, "/u1/things/k", headers: [("If-None-Match", "\"1\"")]).status == 304)
        #expect(try Array(lastEntry(server)[2...3]) == ["admin.read", "u1/things/k"])
        let tombstone = try user.delete("k").json()["data"]
        let after = try get(server, "/u1/things/k")
        #expect(after.status == 200 && after["etag"] == "\"2\"")
        #expect(after.text == "{\"data\":\(tombstone.raw),\"restorable\":true}")
        try expectProblem(try get(server, "/u1/things/none"), 404, "not-found")
        let entry = try lastEntry(server)
        #expect(entry[3] == "u1/things/none" && entry[6] == "not-found")
    }

    @Test func `an administrator writes and deletes as the user would, under the same rules`() throws {
        let server = try RunningServer()
        let user = TestUser(server, id: "u1")
        let path = "/v1/admin/data/u1/things/k"
        let written = try server.admin("PUT", path, body: "[1]", headers: [("If-None-Match", "*")])
        #expect(written.status == 200 && written["etag"] == "\"1\"")
        #expect(try user.get("k").json()["data"].raw == (try written.json()["data"].raw))
        #expect(try Array(lastEntry(server)[1...3]) == ["admin", "data.write", "u1/things/k"])
        for (headers, method) in [
            ([("If-Match", "\"7\"")], "PUT"), ([("If-None-Match", "*")], "PUT"),
            ([("If-Match", "\"7\"")], "DELETE"),
        ] {
            let refused = try server.admin(method, path, body: method == "PUT" ? "2" : nil, headers: headers)
            try expectProblem(refused, 412, "precondition-failed")
        }
        let policy = ("X-Conflict-Policy", "max_numeric")
        try expectProblem(try server.admin("PUT", path, body: "\"x\"", headers: [policy]), 422, "not-numeric")
        #expect(try server.admin("PUT", path, body: "5", headers: [policy]).json()["applied"].bool == true)
        let lost = try server.admin("PUT", path, body: "4", headers: [policy]).json()
        #expect(lost["applied"].bool == false && lost["reason"].text == "not-greater")
        try expectProblem(try server.admin("PUT", path, body: "{"), 400, "malformed-json")
        #expect(try server.admin("DELETE", path, headers: [("If-Match", "\"2\"")]).status == 200)
        try expectProblem(try server.admin("DELETE", path), 404, "not-found")
        #expect(try user.get("k").status == 404)
    }

    @Test func `none of it is for users, nor for everyone`() throws {
        let server = try RunningServer.shared()
        let user = TestUser(server)
        for (method, path) in [
            ("GET", "/admin/data"), ("GET", "/v1/admin/data"), ("GET", "/v1/admin/data/u"),
            ("GET", "/v1/admin/data/u/c"), ("GET", "/v1/admin/data/u/c/k"), ("PUT", "/v1/admin/data/u/c/k"),
            ("DELETE", "/v1/admin/data/u/c/k"),
        ] {
            let body = method == "PUT" ? "1" : nil
            try expectProblem(try server.call(method, path, body: body), 401, "unauthenticated")
            try expectProblem(try user.call(method, path, body: body), 401, "unauthenticated")
        }
    }

    @Test func `a socket sees what an administrator writes`() throws {
        let server = try RunningServer()
        let user = TestUser(server, id: "u1")
        let socket = try user.socket()
        _ = try socket.next(ofType: "hello")
        #expect(try server.admin("PUT", "/v1/admin/data/u1/c/k", body: "7").status == 200)
        let event = try socket.next(ofType: "data.updated")
        #expect(event["data"]["value"].raw == "7")
    }
}
