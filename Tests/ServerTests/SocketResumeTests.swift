import Testing

@Suite(.serialized) struct SocketResumeTests {
    let user: TestUser

    init() throws { user = TestUser(try RunningServer.shared()) }

    /// What comes before `current`, and its `seq`.
    private func caughtUp(_ socket: WebSocket) throws -> (messages: [JSON], sequence: Int) {
        let messages = try socket.messages { $0["type"].text == "current" }
        let current = try #require(messages.last)
        #expect(current.names == ["type", "seq"])
        return (messages.dropLast(), try #require(current["seq"].int))
    }

    @Test func `since=0 is a snapshot of the latest states, then current, then what comes live`() throws {
        for key in ["a", "b", "a", "c"] { try user.mustSet(key, "1") }
        _ = try user.delete("c")
        let socket = try user.listening("&since=0")
        let (snapshot, sequence) = try caughtUp(socket)
        #expect(sequence == 5)
        let updates = snapshot.filter { $0["type"].text == "data.updated" }
        #expect(updates.map { $0["data"]["key"].text } == ["b", "a"])
        #expect(snapshot.map { $0["seq"].int ?? 0 } == snapshot.map { $0["seq"].int ?? 0 }.sorted())
        try user.mustSet("d", "1")
        let live = try socket.next()
        #expect(live["seq"].int == 6 && live["data"]["key"].text == "d")
    }

    @Test func `a user without data is current at once`() throws {
        let (messages, sequence) = try caughtUp(try user.listening("&since=0"))
        #expect(messages.isEmpty && sequence == 0)
    }

    @Test func `since=N brings what changed after N, the latest state of each key, deletes too`() throws {
        for key in ["a", "b", "c", "a"] { try user.mustSet(key, "1") }
        _ = try user.delete("b")
        try user.mustSet("d", "1", in: "elsewhere")
        let (messages, sequence) = try caughtUp(try user.listening("&since=2"))
        #expect(messages.map { $0["seq"].int } == [3, 4, 5, 6])
        #expect(messages.map { $0["data"]["key"].text } == ["c", "a", "b", "d"])
        #expect(messages[2]["type"].text == "data.deleted")
        #expect(sequence == 6)
        let (nothing, same) = try caughtUp(try user.listening("&since=6"))
        #expect(nothing.isEmpty && same == 6)
    }

    @Test func `without since there is neither a snapshot nor current`() throws {
        try user.mustSet("a", "1")
        let socket = try user.listening()
        try user.mustSet("b", "1")
        let first = try socket.next()
        #expect(first["type"].text == "data.updated" && first["seq"].int == 2)
    }

    @Test func `the epoch of hello may be given back`() throws {
        try user.mustSet("a", "1")
        let epoch = try #require(try user.socket().next()["epoch"].text)
        let (messages, sequence) = try caughtUp(try user.listening("&since=0&epoch=\(encoded(epoch))"))
        #expect(messages.count == 1 && sequence == 1)
    }

    @Test func `a position of another epoch or in the future is reset, then a snapshot comes`() throws {
        for key in ["a", "b"] { try user.mustSet(key, "1") }
        for query in ["&since=1&epoch=another", "&since=3", "&since=9223372036854775807", "&since=2&epoch="] {
            let socket = try user.listening(query)
            let first = try socket.next()
            #expect(first["type"].text == "reset", "\(query): \(first.raw)")
            #expect(first["reason"].text?.isEmpty == false)
            let (snapshot, sequence) = try caughtUp(socket)
            #expect(snapshot.map { $0["data"]["key"].text } == ["a", "b"] && sequence == 2)
        }
    }

    @Test(.enabled(if: TestStorage.current.isKept))
    func `the epoch and every position stand after a restart and after kill -9`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        try user.mustSet("a", "1")
        let epoch = try #require(try user.socket().next()["epoch"].text)
        for stop in [RunningServer.Stop.terminate, .kill] {
            try server.restart(after: stop)
            let hello = try user.socket().next()
            #expect(hello["epoch"].text == epoch)
            let position = try #require(hello["seq"].int)
            try user.mustSet("a", "2")
            let (messages, sequence) = try caughtUp(try user.listening("&since=\(position)&epoch=\(epoch)"))
            #expect(messages.map { $0["seq"].int } == [position + 1] && sequence == position + 1)
        }
        #expect(try RunningServer().epoch() != epoch)
    }

    @Test func `a snapshot of many records is whole`() throws {
        #expect(try user.bulk((0..<5000).map { item("k\($0)", "\($0)") }).status == 200)
        let (snapshot, sequence) = try caughtUp(try user.listening("&since=0"))
        #expect(snapshot.map { $0["seq"].int ?? 0 } == Array(1...5000) && sequence == 5000)
        let (rest, _) = try caughtUp(try user.listening("&since=4321"))
        #expect(rest.map { $0["seq"].int ?? 0 } == Array(4322...5000))
    }

    @Test func `whatever is written while a socket catches up, it sees every change once and no gap`() throws {
        let user = user
        #expect(try user.bulk((0..<300).map { item("old\($0)", "0") }).status == 200)
        let writers = Background {
            try inParallel(3) { writer in
                for step in 0..<60 {
                    if step % 10 == 9 {
                        _ = try user.bulk((0..<30).map { item("w\(writer)-\($0 % 7)", "\(step)") })
                    } else {
                        try user.mustSet("w\(writer)-\(step % 7)", "\(step)")
                    }
                }
            }
        }
        let total = 300 + 3 * (54 + 6 * 30)
        _ = try inParallel(6) { reader in
            var position = reader * 50
            while position < total {
                let socket = try user.listening("&since=\(position)")
                while let message = Optional(try socket.next()), message["type"].text != "current" {
                    let sequence = try #require(message["seq"].int)
                    #expect(sequence > position)
                    position = sequence
                }
                for _ in 0..<40 where position < total {
                    let event = try socket.next()
                    #expect(event["seq"].int == position + 1)
                    position += 1
                }
            }
        }
        _ = try writers.wait()
        #expect(try user.socket().next()["seq"].int == total)
    }
}

extension RunningServer {
    /// The epoch that `hello` tells.
    func epoch() throws -> String {
        try #require(try TestUser(self).socket().next()["epoch"].text)
    }
}
