import Testing

@Suite(.serialized) struct SocketWriteTests {
    let server: RunningServer
    let user: TestUser

    init() throws {
        server = try RunningServer.shared()
        user = TestUser(server)
    }

    /// A socket that hears no events, so that only answers come.
    private func quiet() throws -> WebSocket {
        let socket = try user.listening()
        try socket.send(#"{"type":"unsubscribe"}"#)
        #expect(try socket.next()["type"].text == "ack")
        return socket
    }

    private func ask(_ socket: WebSocket, _ frame: String) throws -> JSON {
        try socket.send(frame)
        return try socket.next()
    }

    @Test func `set, delete and bulk are answered with what REST answers, and are stored`() throws {
        let socket = try quiet()
        let set = try ask(
            socket, #"{"type":"set","id":1,"collection":"things","key":"k","value":{ "n":1.0 },"ttl_seconds":60}"#)
        #expect(set.names == ["type", "id", "applied", "data"])
        #expect(set["type"].text == "ack" && set["id"].int == 1 && set["applied"].bool == true)
        #expect(set["data"].raw == (try user.get("k").json())["data"].raw)
        #expect(set["data"]["value"].raw == #"{ "n":1.0 }"# && set["data"]["expires_at"].text != nil)
        let bulk = try ask(
            socket,
            #"{"type":"bulk","id":2,"atomic":false,"items":[{"collection":"things","key":"a","value":1},"#
                + #"{"collection":"things","key":"","value":1},{"collection":"things","key":"k","delete":true}]}"#)
        #expect(bulk.names == ["type", "id", "applied", "results"] && bulk["applied"].int == 2)
        #expect(bulk["results"].items[1]["error"]["code"].text == "invalid-field")
        #expect(try user.get("k").status == 404)
        let delete = try ask(socket, #"{"type":"delete","id":3,"collection":"things","key":"a"}"#)
        #expect(delete["applied"].bool == true && delete["data"]["deleted_at"].text != nil)
    }

    @Test func `the same rules hold as over REST, and the error is REST's problem`() throws {
        let socket = try quiet()
        let far = "\"updated_at\":\"2999-01-01T00:00:00Z\""
        for (members, status, code) in [
            ("\"type\":\"set\",\"key\":\"k\",\"value\":1", 422, "invalid-field"),
            ("\"type\":\"set\",\"collection\":\"c\",\"key\":\"k\",\"value\":1,\(far)", 422, "clock-skew"),
            (
                #""type":"set","collection":"c","key":"k","value":"x","conflict_policy":"max_numeric""#,
                422, "not-numeric"
            ),
            (
                "\"type\":\"set\",\"collection\":\"c\",\"key\":\"k\",\"value\":1,\"if_match\":9", 412,
                "precondition-failed"
            ),
            ("\"type\":\"set\",\"user_id\":\"other\",\"collection\":\"c\",\"key\":\"k\",\"value\":1", 403, "forbidden"),
            ("\"type\":\"delete\",\"collection\":\"c\",\"key\":\"never\"", 404, "not-found"),
            ("\"type\":\"bulk\",\"items\":[{\"collection\":\"c\",\"key\":\"\",\"value\":1}]", 422, "invalid-field"),
        ] {
            let answer = try ask(socket, "{\"id\":\"e\",\(members)}")
            #expect(answer["type"].text == "error" && answer["id"].text == "e")
            #expect(answer["error"]["status"].int == status && answer["error"]["code"].text == code)
        }
        #expect(try user.list("c").json()["data"].items.isEmpty)
        #expect(try ask(socket, #"{"type":"ping","id":1}"#)["type"].text == "ack")
    }

    @Test func `answers come in the order of the frames, and the writes are made in it`() throws {
        let socket = try quiet()
        let count = 300
        for number in 0..<count {
            try socket.send(
                number % 7 == 3
                    ? "{\"type\":\"ping\",\"id\":\(number)}"
                    : "{\"type\":\"set\",\"id\":\(number),\"collection\":\"things\",\"key\":\"k\",\"value\":\(number)}")
        }
        let answers = try (0..<count).map { _ in try socket.next() }
        #expect(answers.map { $0["id"].int } == Array(0..<count))
        let written = answers.compactMap { $0["data"]["seq"].int }
        #expect(written == Array(1...written.count))
        #expect(try user.get("k").json()["data"]["value"].raw == "\(count - 1)")
    }

    @Test func `a client that asks without reading gets every answer once it reads`() throws {
        let socket = try WebSocket(
            port: server.port, target: "/?token=\(user.token)&collection=none", receiveBytesMax: 4096)
        let value = "\"" + String(repeating: "v", count: 20_000) + "\""
        let count = 120
        for number in 0..<count {
            try socket.send(
                ##"{"type":"set","id":\##(number),"collection":"things","key":"k\##(number)","value":\##(value)}"##
            )
        }
        var heard: [Int] = []
        while heard.count < count { if let id = try socket.next()["id"].int { heard.append(id) } }
        #expect(heard == Array(0..<count))
    }

    @Test func `a write sent again under its idempotency key is made once and answered the same`() throws {
        let socket = try quiet()
        func set(_ id: Int, _ value: Int) -> String {
            #"{"type":"set","id":\#(id),"collection":"things","key":"k","value":\#(value),"#
                + #""idempotency_key":"once"}"#
        }
        let first = try ask(socket, set(1, 5))
        let again = try ask(try quiet(), set(2, 5))
        #expect(again["data"].raw == first["data"].raw && again["id"].int == 2)
        #expect(try ask(socket, set(3, 6))["error"]["code"].text == "conflict")
    }

    @Test func `the rate limit counts frames that ask for something`() throws {
        let server = try RunningServer(["RATE_LIMIT_PER_MIN": "5"])
        let user = TestUser(server)
        let socket = try user.listening()
        for _ in 0..<20 { try socket.send(#"{"type":"subscribe","collection":"c"}"#) }
        try socket.send(#"{"type":"ping","id":"end"}"#)
        let answers = try socket.messages { $0["id"].text == "end" }
        #expect(answers.filter { $0["error"]["code"].text == "rate-limited" }.count == 16)
    }
}
