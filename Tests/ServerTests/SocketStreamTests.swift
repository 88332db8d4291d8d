import Testing

@Suite(.serialized) struct SocketStreamTests {
    let server: RunningServer
    let user: TestUser

    init() throws {
        server = try RunningServer.shared()
        user = TestUser(server)
    }

    @Test func `a write and a delete arrive as the contract writes them, the value byte for byte`() throws {
        let socket = try user.listening()
        let value = #"{ "big":9007199254740993, "f":1.0, "dup":1,"dup":2, "u":"\u00e9é" }"#
        let record = try user.mustSet("theme", value, in: "profile")
        let update = try socket.next()
        #expect(update.names == ["type", "seq", "data"])
        #expect(update["type"].text == "data.updated" && update["seq"].int == 1)
        #expect(update["data"].raw == record.raw && update["data"]["value"].raw == value)
        let tombstone = try user.delete("theme", in: "profile").json()["data"]
        let deletion = try socket.next()
        #expect(deletion["type"].text == "data.deleted" && deletion["seq"].int == 2)
        #expect(deletion["data"].names == ["user_id", "collection", "key", "deleted_at", "seq"])
        #expect(deletion["data"]["deleted_at"].text == tombstone["deleted_at"].text)
        #expect(deletion["data"]["seq"].int == 2 && deletion["data"]["key"].text == "theme")
    }

    @Test func `two sockets get a bulk of 1,000 in order, each change exactly once`() throws {
        let sockets = [try user.listening(), try user.listening()]
        let items = (0..<1000).map { item("k\($0)", "{\"n\":\($0)}") }
        #expect(try user.bulk(items).status == 200)
        try user.mustSet("last", "1")
        for socket in sockets {
            let events = try socket.messages { $0["data"]["key"].text == "last" }
            #expect(events.map { $0["seq"].int ?? 0 } == Array(1...1001))
            #expect(events.allSatisfy { $0["type"].text == "data.updated" && $0["seq"].int == $0["data"]["seq"].int })
            #expect(events.dropLast().map { $0["data"]["value"].raw } == (0..<1000).map { "{\"n\":\($0)}" })
        }
    }

    @Test func `several writes of one key in one bulk are several events`() throws {
        let socket = try user.listening()
        let delete = "{\"collection\":\"things\",\"key\":\"k\",\"delete\":true}"
        #expect(try user.bulk([item("k", "1"), item("k", "2"), delete, item("k", "3")]).json()["applied"].int == 4)
        let events = try (0..<4).map { _ in try socket.next() }
        #expect(events.map { $0["seq"].int } == [1, 2, 3, 4])
        #expect(events.map { $0["type"].text } == ["data.updated", "data.updated", "data.deleted", "data.updated"])
    }

    @Test func `another user's changes are never seen`() throws {
        let other = TestUser(server)
        let socket = try user.listening()
        let others = try other.listening()
        for number in 0..<20 {
            try other.mustSet("secret\(number)", "\"theirs\"")
            if number % 5 == 0 { try user.mustSet("k\(number)", "\"mine\"") }
        }
        try user.mustSet("last", "1")
        try other.mustSet("last", "1")
        let mine = try socket.messages { $0["data"]["key"].text == "last" }
        #expect(mine.map { $0["seq"].int } == [1, 2, 3, 4, 5])
        #expect(mine.allSatisfy { $0["data"]["user_id"].text == user.id })
        let theirs = try others.messages { $0["data"]["key"].text == "last" }
        #expect(theirs.map { $0["seq"].int } == Array(1...21))
    }

    @Test func `what loses, fails or is replayed sends no event`() throws {
        let socket = try user.listening()
        let once = [("Idempotency-Key", "once")]
        #expect(try user.set("k", "5", headers: once).status == 200)
        #expect(try user.set("k", "5", headers: once).status == 200)
        #expect(try user.set("k", "4", headers: [("X-Conflict-Policy", "max_numeric")]).status == 200)
        #expect(try user.set("k", "4", extra: "\"updated_at\":\"1999-01-01T00:00:00Z\"").status == 200)
        #expect(try user.put("k", "6", headers: [("If-Match", "\"99\"")]).status == 412)
        #expect(try user.bulk([item("a", "1"), item("", "1")]).status == 422)
        #expect(try user.delete("never").status == 404)
        try user.mustSet("last", "1")
        let events = try socket.messages { $0["data"]["key"].text == "last" }
        #expect(events.map { $0["data"]["key"].text } == ["k", "last"])
        #expect(events.map { $0["seq"].int } == [1, 2])
    }

    @Test func `writers at the same time are seen by all sockets in one and the same order without holes`() throws {
        let user = user
        let sockets = try (0..<4).map { _ in try user.listening() }
        _ = try inParallel(8) { writer in
            for step in 0..<25 { try user.mustSet("k\(step % 5)", "[\(writer),\(step)]") }
        }
        var streams: [[String]] = []
        for socket in sockets {
            let events = try (0..<200).map { _ in try socket.next() }
            #expect(events.map { $0["seq"].int ?? 0 } == Array(1...200))
            streams.append(events.map(\.raw))
        }
        #expect(streams.dropFirst().allSatisfy { $0 == streams[0] })
    }

    @Test func `a large value arrives whole`() throws {
        let socket = try user.listening()
        let value = "\"" + String(repeating: "x", count: (1 << 20) - 2) + "\""
        let record = try user.mustSet("large", value)
        #expect(try socket.next()["data"].raw == record.raw)
    }

    @Test func `a client that does not read is let go, holds up nobody, and can come back`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        let slow = try WebSocket(port: server.port, target: "/?token=\(user.token)", receiveBytesMax: 65_536)
        #expect(try slow.next()["type"].text == "hello")
        let quick = try user.listening()
        let value = "\"" + String(repeating: "z", count: 500_000) + "\""
        let count = 40
        for number in 1...count {
            try user.mustSet("k\(number % 3)", value)
            #expect(try quick.next()["seq"].int == number)
        }
        let isLetGo = try eventually(within: 2 * patience) {
            try quick.send(#"{"type":"ping"}"#)
            #expect(try quick.next()["type"].text == "ack")
            return try server.call("GET", "/health").json()["sockets"].int == 1
        }
        #expect(isLetGo)
        var last = 0
        do {
            while true {
                let event = try slow.next()
                #expect(event["seq"].int == last + 1)
                last = event["seq"].int ?? 0
            }
        } catch let closed as WebSocket.Closed {
            // The code arrives only if there is room for it behind what the client did not take.
            #expect(closed.code == 1013 || closed.code == nil)
        }
        #expect(last < count)
        let again = try user.listening("&since=\(last)")
        let caught = try again.messages { $0["type"].text == "current" }
        #expect(caught.last?["seq"].int == count)
        #expect(caught.dropLast().compactMap { $0["seq"].int } == Array(count - 2...count))
    }
}
