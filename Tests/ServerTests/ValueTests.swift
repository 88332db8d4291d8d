import Testing

@Suite(.serialized) struct ValueTests {
    let user: TestUser

    init() throws { user = TestUser(try RunningServer.shared()) }

    private static let values = [
        "null", "true", "false", "0", "-0", "1.0", "1.50", "1e400", "-1E-400", "9007199254740993",
        "-9223372036854775808", "18446744073709551615", "3.141592653589793238462643383279", "\"\"", "[]", "{}",
        #"{"b":1,"a":2}"#, #"{"a":1,"a":2,"a":{"a":3}}"#, #"{ "a" : [ 1 , 2 ] , "b" : null }"#, "[1,\n\t2\r\n]",
        #""\u00e9\u0301\ud83d\ude00 é 😀 \/ \" \\ \b\f\n\r\t""#, "\"e\u{301} \u{E9} \u{2028} \u{FEFF}\"", #""\u0000""#,
        #"{"":""}"#, #"{"é":1,"e\u0301":2}"#, "\"</script><!--\"", "\"\u{7F}\"",
    ]

    @Test(arguments: values)
    func `a value comes back byte for byte, however it was written and read`(value: String) throws {
        let upserted = try user.mustSet("a", value)
        #expect(upserted["value"].raw == value)
        #expect(try user.put("b", value).json()["data"]["value"].raw == value)
        #expect(try user.bulk([item("c", value)]).json()["results"][0]["data"]["value"].raw == value)
        for key in ["a", "b", "c"] { #expect(try user.get(key).json()["data"]["value"].raw == value) }
        for query in ["", "?updated_since=2024-01-01T00:00:00.000Z"] {
            let listed = try user.list(query: query).json()["data"].items
            #expect(listed.count == 3 && listed.allSatisfy { $0["value"].raw == value })
        }
    }

    @Test func `a null value is a record like any other`() throws {
        let record = try user.mustSet("k", "null")
        #expect(record["value"].isNull && record["deleted_at"].isNull)
        #expect(try user.get("k").status == 200)
        #expect(keys(try user.list().json()) == ["k"])
    }

    @Test func `128 levels are stored, one more is refused and writes nothing`() throws {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            func nested(_ depth: Int) -> String {
                String(repeating: open, count: depth - 1) + (open == "[" ? "[]" : "{}")
                    + String(repeating: close, count: depth - 1)
            }
            let good = nested(128)
            #expect(try user.mustSet("a", good)["value"].raw == good)
            #expect(try user.put("a", good).status == 200)
            #expect(try user.bulk([item("a", good)]).status == 200)
            let bad = nested(129)
            for answer in [try user.set("b", bad), try user.put("b", bad), try user.bulk([item("b", bad)])] {
                #expect(answer.status == 400 || answer.status == 422, "\(answer.text)")
            }
            #expect(try user.get("b").status == 404)
        }
    }

    @Test(arguments: ["[", "{\"a\":", "[{\"a\":["])
    func `a hundred thousand nested brackets are refused and the server lives`(bracket: String) throws {
        let bomb = String(repeating: bracket, count: 100_000)
        for (target, body) in [
            ("/v1/data", bomb), ("/v1/data", user.upsertBody("k", bomb)), ("/v1/data/bulk", bomb),
            ("/v1/data/bulk", "{\"user_id\":\(JSON.quoted(user.id)),\"items\":\(bomb)"),
        ] {
            let answer = try user.call("POST", target, body: body)
            #expect(answer.status == 400, "\(answer.text)")
        }
        try expectProblem(try user.put("k", bomb), 400, "malformed-json")
        try expectProblem(
            try user.server.admin("POST", "/v1/admin/users", body: "{\"user_id\":\"u\",\"claims\":\(bomb)"), 400,
            "malformed-json")
        #expect(try user.server.call("GET", "/health").status == 200)
    }

    @Test func `a value of exactly 1 MiB is stored, one byte more is 413`() throws {
        let good = "\"" + String(repeating: "x", count: (1 << 20) - 2) + "\""
        let bad = "\"" + String(repeating: "x", count: (1 << 20) - 1) + "\""
        #expect(try user.set("a", good).status == 200)
        #expect(try user.put("b", good).status == 200)
        #expect(try user.bulk([item("c", good)]).status == 200)
        let stored = try user.get("a").body
        #expect(String(decoding: stored, as: UTF8.self).contains(good))
        try expectProblem(try user.set("d", bad), 413, "value-too-large")
        try expectProblem(try user.put("d", bad), 413, "value-too-large")
        let bulk = try user.bulk([item("e", "1"), item("d", bad)])
        #expect(bulk.status == 413 || bulk.status == 422, "\(bulk.text)")
        #expect(try bulk.json()["errors"].items.contains { $0["pointer"].text?.hasPrefix("/items/1") == true })
        #expect(try user.get("d").status == 404 && user.get("e").status == 404)
    }

    @Test func `a body of exactly 16 MiB is read, one byte more is 413 before it was sent`() throws {
        let value = "\"" + String(repeating: "y", count: 1_000_000) + "\""
        let items = (0..<16).map { item("k\($0)", value) }.joined(separator: ",")
        var body = "{\"user_id\":\(JSON.quoted(user.id)),\"items\":[\(items)]}"
        body += String(repeating: " ", count: (16 << 20) - body.utf8.count)
        let answer = try user.call("POST", "/v1/data/bulk", body: body)
        #expect(answer.status == 200, "\(answer.text.prefix(300))")
        let connection = try HTTPConnection(port: user.server.port)
        let head = [user.authorization, ("Content-Type", "application/json"), ("Content-Length", "\((16 << 20) + 1)")]
        try connection.send("POST", "/v1/data/bulk", headers: head)
        try expectProblem(try connection.read(answeringTo: "POST"), 413, "body-too-large")
    }

    @Test func `a body in chunks is cut off at 16 MiB too`() throws {
        let connection = try HTTPConnection(port: user.server.port)
        let head = [user.authorization, ("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]
        try connection.send("POST", "/v1/data", headers: head)
        let chunk = Array("100000\r\n".utf8) + [UInt8](repeating: 0x20, count: 1 << 20) + Array("\r\n".utf8)
        do {
            for _ in 0..<20 { try connection.socket.send(chunk) }
            try connection.socket.send("0\r\n\r\n")
        } catch SocketFailure.closed {}
        let answer = try? connection.read(answeringTo: "POST")
        if let answer { try expectProblem(answer, 413, "body-too-large") }
        #expect(try user.server.call("GET", "/health").status == 200)
    }

    @Test func `a body in chunks is read like any other`() throws {
        let connection = try HTTPConnection(port: user.server.port)
        let body = user.upsertBody("chunked", "[1,2,3]")
        let head = [user.authorization, ("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]
        try connection.send("POST", "/v1/data", headers: head)
        for byte in body.utf8 { try connection.socket.send(Array("1\r\n".utf8) + [byte] + Array("\r\n".utf8)) }
        try connection.socket.send("0\r\n\r\n")
        #expect(try connection.read(answeringTo: "POST").status == 200)
        #expect(try user.get("chunked").json()["data"]["value"].raw == "[1,2,3]")
    }
}
