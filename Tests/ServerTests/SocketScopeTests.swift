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

    @Test func `writers of one collection and changes of scope at the same time lose and repeat nothing`() throws {
        let socket = try user.listening("&collection=none")
        let rounds = 30
        for round in 0..<rounds {
            // The scope changes while its own collection is written by the same pipeline.
            try socket.send(
                "{\"type\":\"set\",\"id\":\"w\",\"collection\":\"c\(round % 3)\",\"key\":\"k\(round)\",\"value\":1}")
            try socket.send("{\"type\":\"subscribe\",\"id\":\(round),\"collection\":\"c\(round % 3)\",\"since\":0}")
            try socket.send(
                "{\"type\":\"set\",\"id\":\"w\",\"collection\":\"c\(round % 3)\",\"key\":\"l\(round)\",\"value\":1}")
            try socket.send("{\"type\":\"unsubscribe\",\"collection\":\"c\(round % 3)\"}")
        }
        try socket.send(#"{"type":"subscribe","id":"all","since":0}"#)
        var snapshots: [Int: Set<String>] = [:]
        var current: Int?
        var last = 0
        while case let message = try socket.next(), message["id"].text != "all" || message["type"].text != "current" {
            switch message["type"].text {
            case "ack" where message["id"].int != nil: (current, last) = (message["id"].int, 0)
            case "data.updated":
                let sequence = message["seq"].int ?? 0
                #expect(sequence > last)
                last = sequence
                if let current { snapshots[current, default: []].insert(message["data"]["key"].text ?? "") }
            case "ack" where message["seq"].int != nil: (current, last) = (nil, 0)
            default: break
            }
        }
        #expect(snapshots.count == rounds)
        for (round, keys) in snapshots {
            // What was acknowledged two rounds before is in the snapshot of the same collection.
            for earlier in stride(from: round % 3, to: round - 3, by: 3) { #expect(keys.contains("k\(earlier)")) }
        }
    }
}
