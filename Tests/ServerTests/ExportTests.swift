import Testing

/// Exports over the wire, from the real program.
@Suite(.serialized) struct ExportTests {
    private func export(_ server: RunningServer, _ name: String) throws -> HTTPAnswer {
        try server.admin("GET", "/admin/export/\(name)")
    }

    /// The rows of CSV, each a list of cells; `nil` for what is none.
    private func parsed(_ text: String) -> [[String]]? {
        var (rows, row, cell, isQuoted, wasQuoted) = ([[String]](), [String](), [UInt8](), false, false)
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch (byte, isQuoted) {
            case (0x22, true) where rest.first == 0x22: cell.append(rest.removeFirst())
            case (0x22, true): (isQuoted, wasQuoted) = (false, true)
            case (_, true): cell.append(byte)
            case (0x22, false) where cell.isEmpty && !wasQuoted: isQuoted = true
            case (0x2C, false), (0x0D, false):
                row.append(String(decoding: cell, as: UTF8.self))
                (cell, wasQuoted) = ([], false)
                guard byte == 0x0D else { continue }
                guard rest.popFirst() == 0x0A else { return nil }
                rows.append(row)
                row = []
            case (0x0A, false), (0x22, false): return nil
            default: cell.append(byte)
            }
        }
        return row.isEmpty && cell.isEmpty && !isQuoted ? rows : nil
    }

    @Test func `users are an array of what they are, without tokens, as a file to be saved`() throws {
        let server = try RunningServer()
        #expect(try export(server, "users.json").text == "[]\n")
        for (id, name) in [("u2", "null"), ("u1", "\"Åsa \\\"x\\\"\"")] {
            let body = "{\"user_id\":\"\(id)\",\"display_name\":\(name)}"
            #expect(try server.admin("POST", "/v1/admin/users", body: body).status == 201)
        }
        let answer = try export(server, "users.json")
        #expect(answer.status == 200 && answer["content-type"] == "application/json")
        #expect(answer["content-disposition"] == "attachment; filename=\"users.json\"")
        #expect(answer["cache-control"] == "no-store" && answer["x-request-id"] != nil)
        #expect(answer["transfer-encoding"] == "chunked" && answer["content-length"] == nil)
        let users = try answer.json().items
        #expect(users.map(\.names) == Array(repeating: ["user_id", "display_name", "created_at"], count: 2))
        #expect(users.map { $0["user_id"].text } == ["u1", "u2"])
        #expect(users[0]["display_name"].text == "Åsa \"x\"" && users[1]["display_name"].isNull)
        #expect(Moment(users[0]["created_at"].text) != nil)
    }

    @Test func `data is an array of records, as REST answers them, of all owners or narrowed`() throws {
        let server = try RunningServer()
        let (anna, bert) = (TestUser(server, id: "anna"), TestUser(server, id: "bert"))
        let first = try anna.mustSet("a", #"{ "b":1.0, "a":[9007199254740993] }"#, in: "é/x")
        let second = try anna.mustSet("b", "null", in: "things")
        try anna.mustSet("gone", "1")
        let tombstone = try anna.delete("gone").json()["data"]
        let third = try bert.mustSet("c", "\"😀\\u00e9\"", in: "things")
        func lines(_ query: String = "") throws -> [String] {
            let answer = try export(server, "data.json\(query)")
            #expect(answer["content-disposition"] == "attachment; filename=\"data.json\"")
            return try answer.json().items.map(\.raw)
        }
        #expect(try lines() == [first, second, third].map(\.raw))
        #expect(try lines("?user_id=anna") == [first, second].map(\.raw))
        #expect(try lines("?collection=things") == [second, third].map(\.raw))
        #expect(try lines("?user_id=anna&collection=%C3%A9%2Fx") == [first.raw])
        #expect(try lines("?deleted=true") == [first, second, tombstone, third].map(\.raw))
        #expect(try lines("?user_id=nobody").isEmpty)
    }

    @Test func `the audit log is CSV with a row of names, the oldest entry first, narrowed as asked`() throws {
        let server = try RunningServer()
        let user = TestUser(server, id: "=cmd|'/C calc'!A0")
        try user.mustSet("a,b\"c\"", "1", in: "+1\u{2028}é")
        _ = try export(server, "users.json")
        let answer = try export(server, "audit.csv")
        #expect(answer["content-type"] == "text/csv; charset=utf-8; header=present")
        #expect(answer["content-disposition"] == "attachment; filename=\"audit.csv\"")
        let rows = try #require(parsed(answer.text), "\(answer.text)")
        #expect(rows.map(\.count) == Array(repeating: 8, count: 4))
        #expect(rows[0] == ["at", "actor", "action", "target", "ip", "request_id", "outcome", "detail"])
        #expect(rows[1][1] == "user:=cmd|'/C calc'!A0" && rows[1][2] == "data.write" && rows[1][6...] == ["ok", "set"])
        #expect(rows[1][3] == "'=cmd|'/C calc'!A0/+1\u{2028}é/a,b\"c\"")
        #expect(answer.text.contains(",\"'=cmd|'/C calc'!A0/+1\u{2028}é/a,b\"\"c\"\"\","))
        #expect(rows[2][1...3] == ["admin", "export", "users.json"] && rows[2][4] == "127.0.0.1")
        #expect(rows[3][2...3] == ["export", "audit.csv"] && rows[3][5] == answer["x-request-id"])
        for (query, count) in [
            ("action=data.write", 1), ("actor=admin", 4), ("actor=admin&action=data.write", 0),
            ("since=\(encoded(rows[2][0]))&action=data.write", rows[1][0] == rows[2][0] ? 1 : 0),
            ("until=\(encoded(rows[1][0]))", 0), ("since=2020-01-01T00:00:00Z&until=2099-01-01T00:00:00Z", 9),
        ] {
            let found = try #require(parsed(try export(server, "audit.csv?\(query)").text))
            #expect(found.count == count + 1, "\(query)")
        }
        let narrowed = try export(server, "audit.csv?action=export").text
        #expect(narrowed.contains(",actor=admin action=data.write\r\n"))
    }

    @Test(arguments: [
        ("users.csv", 404, "not-found"), ("data.json/", 404, "not-found"), ("", 404, "not-found"),
        ("data.json?user_id=", 400, "bad-parameter"), ("data.json?deleted=yes", 400, "bad-parameter"),
        ("audit.csv?since=yesterday", 400, "bad-parameter"),
    ])
    func `what there is not cannot be exported`(name: String, status: Int, code: String) throws {
        try expectProblem(try export(try RunningServer.shared(), name), status, code)
    }

    @Test func `exports need the administrator's key, and are only read`() throws {
        let server = try RunningServer.shared()
        for name in ["users.json", "data.json", "audit.csv", "none"] {
            try expectProblem(try server.call("GET", "/admin/export/\(name)"), 401, "unauthenticated")
            let user = TestUser(server)
            try expectProblem(try user.call("GET", "/admin/export/\(name)"), 401, "unauthenticated")
        }
        #expect(try server.admin("POST", "/admin/export/users.json", body: "{}").status == 405)
    }

    @Test func `HEAD gets the head alone, HTTP 1_0 everything until the end, and 1_1 goes on behind an export`() throws
    {
        let server = try RunningServer()
        let user = TestUser(server)
        let record = try user.mustSet("k", "1")
        let key = ("X-Admin-Api-Key", TestSecret.adminKey)
        let connection = try HTTPConnection(port: server.port)
        for _ in 0..<3 {
            let head = try connection.call("HEAD", "/admin/export/data.json", headers: [key])
            #expect(head.status == 200 && head.body.isEmpty && head["content-type"] == "application/json")
            let answer = try connection.call("GET", "/admin/export/data.json", headers: [key])
            #expect(answer.text == "[\n\(record.raw)\n]\n" && answer.keepsAlive)
        }
        let old = try HTTPConnection(port: server.port)
        try old.socket.send(
            Array("GET /admin/export/data.json HTTP/1.0\r\nConnection: keep-alive\r\n\(key.0): \(key.1)\r\n\r\n".utf8))
        let answer = try old.read()
        #expect(answer["transfer-encoding"] == nil && answer["content-length"] == nil && !answer.keepsAlive)
        #expect(answer.text == "[\n\(record.raw)\n]\n")
    }
}
