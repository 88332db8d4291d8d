import Testing

@Suite(.serialized) struct SocketScopeTests {
    let user: TestUser

    init() throws {
        user = TestUser(try RunningServer.shared())
    }

    private func ask(_ socket: WebSocket, _ frame: String) throws -> JSON {
        try socket.send(frame)
        while true {
            let message = try socket.next()
            if ["ack", "error"].contains(message["type"].text) { return message }
        }
    }

    /// The keys of the events before the one of `last`.
    private func keys(_ socket: WebSocket, before last: String) throws -> [String] {
        try socket.messages { $0["data"]["key"].text == last }.dropLast().compactMap { $0["data"]["key"].text }
    }

    @Test func `a subscription narrows the stream, more of them widen it, one that ends narrows it again`() throws {
        let socket = try user.listening()
        let ack = try ask(socket, #"{"type":"subscribe","id":"n","collection":"notes"}"#)
        #expect(ack["type"].text == "ack" && ack["id"].text == "n" && ack["seq"].int == 0)
        try user.mustSet("a", "1", in: "notes")
        try user.mustSet("b", "1", in: "tasks")
        try user.mustSet("end1", "1", in: "notes")
        #expect(try keys(socket, before: "end1") == ["a"])
        #expect(try ask(socket, #"{"type":"subscribe","collection":"tasks","key":"b"}"#)["seq"].int == 3)
        try user.mustSet("b", "2", in: "tasks")
        try user.mustSet("c", "2", in: "tasks")
        try user.mustSet("end2", "1", in: "notes")
        #expect(try keys(socket, before: "end2") == ["b"])
        #expect(try ask(socket, #"{"type":"unsubscribe","collection":"notes"}"#)["type"].text == "ack")
        try user.mustSet("d", "1", in: "notes")
        try user.mustSet("b", "3", in: "tasks")
        #expect(try socket.next()["data"]["value"].raw == "3")
    }

    @Test func `nobody subscribes to what is another user's`() throws {
        let socket = try user.listening()
        for type in ["subscribe", "unsubscribe"] {
            let answer = try ask(socket, "{\"type\":\"\(type)\",\"id\":1,\"user_id\":\"other\"}")
            #expect(answer["error"]["code"].text == "forbidden" && answer["error"]["status"].int == 403)
        }
        try user.mustSet("a", "1")
        #expect(try socket.next()["seq"].int == 1, "the stream goes on as it was")
    }

    @Test func `an event that two scopes of one socket hold is sent once`() throws {
        let socket = try user.listening()
        for scope in [
            #""collection":"notes""#, #""collection":"notes","key":"ab""#, #""collection":"notes","prefix":"a""#,
        ] {
            #expect(try ask(socket, "{\"type\":\"subscribe\",\(scope)}")["type"].text == "ack")
        }
        for key in ["ab", "a", "x", "ab"] { try user.mustSet(key, "1", in: "notes") }
        try user.mustSet("end", "1", in: "notes")
        #expect(try keys(socket, before: "end") == ["ab", "a", "x", "ab"])
    }

    @Test func `a prefix is a prefix of bytes, and other collections are not meant`() throws {
        let socket = try user.listening()
        _ = try ask(socket, #"{"type":"subscribe","collection":"notes","prefix":"2024/é"}"#)
        for (key, collection) in [
            ("2024/é", "notes"), ("2024/e\u{301}", "notes"), ("2024/école", "notes"), ("2024/école", "tasks"),
            ("2024", "notes"),
        ] { try user.mustSet(key, "1", in: collection) }
        try user.mustSet("2024/é-end", "1", in: "notes")
        #expect(try keys(socket, before: "2024/é-end") == ["2024/é", "2024/école"])
    }

    @Test func `a subscription with since sends what changed in it, then current, then what happens`() throws {
        try user.mustSet("old", "1", in: "notes")
        try user.mustSet("a", "1", in: "notes")
        try user.mustSet("x", "1", in: "tasks")
        try user.mustSet("a", "2", in: "notes")
        #expect(try user.delete("old", in: "notes").status == 200)
        let socket = try user.listening()
        try socket.send(#"{"type":"subscribe","id":[1],"collection":"notes","since":1}"#)
        let messages = try socket.messages { $0["type"].text == "current" }
        #expect(messages.map { $0["type"].text } == ["ack", "data.updated", "data.deleted", "current"])
        #expect(messages.map { $0["seq"].int } == [5, 4, 5, 5])
        #expect(messages[0]["id"].raw == "[1]" && messages[3]["id"].raw == "[1]")
        try user.mustSet("x", "2", in: "tasks")
        try user.mustSet("b", "1", in: "notes")
        #expect(try socket.next()["seq"].int == 7)
    }

    @Test func `a position that cannot be served is reset for the subscription that asked`() throws {
        try user.mustSet("a", "1", in: "notes")
        let socket = try user.listening()
        for (since, reason) in [(#""since":99"#, "future"), (#""since":1,"epoch":"then""#, "other-epoch")] {
            try socket.send("{\"type\":\"subscribe\",\"id\":7,\"collection\":\"notes\",\(since)}")
            let messages = try socket.messages { $0["type"].text == "current" }
            #expect(messages.map { $0["type"].text } == ["ack", "reset", "data.updated", "current"])
            #expect(messages[1]["reason"].text == reason && messages[1]["id"].int == 7)
        }
    }

    @Test func `scopes in the URL hold from the start`() throws {
        try user.mustSet("a", "1", in: "notes")
        try user.mustSet("b", "1", in: "tasks")
        let socket = try user.listening("&collection=notes&since=0")
        #expect(try socket.next()["data"]["key"].text == "a")
        #expect(try socket.next()["type"].text == "current")
        try user.mustSet("c", "1", in: "tasks")
        try user.mustSet("d", "1", in: "notes")
        #expect(try socket.next()["data"]["key"].text == "d")
        for wrong in ["&key=a", "&collection=c&key=a&prefix=b", "&collection="] {
            let target = "/?token=\(user.token)\(wrong)"
            try expectProblem(try WebSocket.refusal(port: user.server.port, target: target), 400, "bad-parameter")
        }
    }

    @Test func `what was acknowledged before a subscription is in its snapshot, whatever happens`() throws {
        let socket = try user.listening("&collection=none")
        for round in 0..<40 {
            let place = "\"collection\":\"c\(round % 3)\""
            try socket.send("{\"type\":\"set\",\"id\":\"a\(round)\",\(place),\"key\":\"a\(round)\",\"value\":1}")
            try socket.send("{\"type\":\"subscribe\",\"id\":\(round),\(place),\"since\":0}")
            try socket.send("{\"type\":\"set\",\"id\":\"b\(round)\",\(place),\"key\":\"b\(round)\",\"value\":1}")
            try socket.send("{\"type\":\"unsubscribe\",\(place)}")
        }
        var acknowledged: [String: Set<String>] = [:]
        var (expected, snapshot) = (Set<String>(), [String]())
        var (last, finished) = (0, 0)
        while finished < 40 {
            let message = try socket.next()
            switch (message["type"].text, message["id"].int) {
            case ("ack", let round?):
                (expected, snapshot, last) = (acknowledged["c\(round % 3)"] ?? [], [], 0)
            case ("ack", nil):
                guard let collection = message["data"]["collection"].text else { continue }
                acknowledged[collection, default: []].insert(message["id"].text ?? "")
            case ("current", let round?):
                #expect(expected.isSubset(of: snapshot), "subscription \(round)")
                finished += 1
            default:
                let sequence = message["seq"].int ?? 0
                #expect(sequence > last, "in order, each once")
                last = sequence
                snapshot.append(message["data"]["key"].text ?? "")
            }
        }
    }
}
