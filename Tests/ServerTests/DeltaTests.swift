import Testing

@Suite(.serialized) struct DeltaTests {
    let user: TestUser
    private let longAgo = "2024-01-01T00:00:00.000Z"

    init() throws { user = TestUser(try RunningServer.shared()) }

    private func since(_ position: String, limit: Int = 100, in collection: String? = "things") throws -> JSON {
        let answer = try user.list(collection, query: "?updated_since=\(encoded(position))&limit=\(limit)")
        try #require(answer.status == 200, "\(answer.text)")
        return try answer.json()
    }

    /// Follows `next_cursor` until there is no more; what was seen and where to go on.
    private func drain(from position: String, limit: Int, in collection: String? = "things") throws -> (
        seen: [JSON], position: String
    ) {
        var seen: [JSON] = []
        var position = position
        for _ in 0..<1000 {
            let page = try since(position, limit: limit, in: collection)
            seen += page["data"].items
            position = try #require(page["next_cursor"].text)
            if page["has_more"].bool == false { break }
        }
        return (seen, position)
    }

    @Test func `a delta holds each record's last change with tombstones, in the order of the changes`() throws {
        for key in ["a", "b", "c", "a"] { try user.mustSet(key, "1") }
        _ = try user.delete("b")
        try user.mustSet("x", "1", in: "elsewhere")
        let delta = try since(longAgo)
        #expect(keys(delta) == ["c", "a", "b"] && sequences(delta) == [3, 4, 5])
        #expect(delta["data"][2]["deleted_at"].text != nil && delta["data"][2]["value"].isNull)
        #expect(delta["has_more"].bool == false && delta["next_cursor"].text != nil)
    }

    @Test func `polling with the last cursor shows every later change once, and nothing else`() throws {
        try user.mustSet("a", "1")
        var position = try drain(from: longAgo, limit: 2).position
        #expect(try since(position)["data"].items.isEmpty)
        for round in 0..<5 {
            for key in ["a", "b\(round)"] { try user.mustSet(key, "\(round)") }
            if round > 0 { _ = try user.delete("b\(round - 1)") }
            let next = try drain(from: position, limit: 1)
            let expected = round > 0 ? ["a", "b\(round)", "b\(round - 1)"] : ["a", "b0"]
            #expect(next.seen.compactMap { $0["key"].text } == expected)
            position = next.position
            #expect(try since(position)["data"].items.isEmpty)
        }
    }

    @Test func `nothing is missed although all changes carry the same time of the client`() throws {
        let same = "\"updated_at\":\"2024-03-01T00:00:00.000Z\""
        for number in 0..<10 { try user.mustSet("k\(number)", "1", extra: same) }
        let first = try drain(from: longAgo, limit: 3)
        #expect(first.seen.compactMap { $0["seq"].int } == Array(1...10))
        for number in 0..<10 { try user.mustSet("m\(number)", "1", extra: same) }
        let older = "\"updated_at\":\"1999-01-01T00:00:00.000Z\""
        try user.mustSet("ancient", "1", extra: older)
        let second = try drain(from: first.position, limit: 4)
        #expect(second.seen.compactMap { $0["seq"].int } == Array(11...21))
    }

    @Test func `a time means when a change was committed, not what the client said`() throws {
        try user.mustSet("before", "1")
        sleepSeconds(0.05)
        let start = Moment.now()
        sleepSeconds(0.005)
        try user.mustSet("a", "1", extra: "\"updated_at\":\"1999-01-01T00:00:00.000Z\"")
        try user.mustSet("b", "1", extra: "\"updated_at\":\"\(Moment.now().adding(30).text)\"")
        #expect(keys(try since(start.text)) == ["a", "b"])
        let stamped = try user.mustSet("c", "1")
        #expect(keys(try since(try #require(stamped["updated_at"].text))).contains("c"))
        let offset = start.text.dropLast() + "+00:00"
        #expect(keys(try since(String(offset))) == ["a", "b", "c"])
    }

    @Test func `a time in the future shows nothing, and its cursor what comes then`() throws {
        try user.mustSet("a", "1")
        let page = try since(Moment.now().adding(3600).text)
        #expect(page["data"].items.isEmpty && page["has_more"].bool == false)
        let position = try #require(page["next_cursor"].text)
        try user.mustSet("b", "1")
        #expect(keys(try since(position)) == ["b"])
    }

    @Test func `across all collections the changes of a user come in one order`() throws {
        try user.mustSet("a", "1", in: "one")
        try user.mustSet("a", "1", in: "two")
        try user.mustSet("b", "1", in: "one")
        _ = try user.delete("a", in: "two")
        let answer = try drain(from: longAgo, limit: 2, in: nil)
        #expect(
            answer.seen.map { "\($0["collection"].text ?? "")/\($0["key"].text ?? "")" } == ["one/a", "one/b", "two/a"])
        #expect(answer.seen.compactMap { $0["seq"].int } == [1, 3, 4])
        try user.mustSet("c", "1", in: "three")
        #expect(try drain(from: answer.position, limit: 2, in: nil).seen.compactMap { $0["key"].text } == ["c"])
        let unbounded = try user.list(nil).json()
        #expect(sequences(unbounded) == sequences(unbounded).sorted() && keys(unbounded).contains("c"))
    }

    @Test func `the brief's way of paging, with the time and the cursor side by side, goes on too`() throws {
        for key in ["a", "b", "c"] { try user.mustSet(key, "1") }
        let first = try since(longAgo, limit: 2)
        let cursor = try #require(first["next_cursor"].text)
        for query in ["?limit=100&cursor=\(cursor)", "?updated_since=\(longAgo)&limit=100&cursor=\(cursor)"] {
            let answer = try user.list(query: query)
            #expect(answer.status == 200, "\(query): \(answer.text)")
            #expect(keys(try answer.json()) == ["c"], "\(query)")
        }
    }

    @Test func `a time that is none is 400`() throws {
        for text in ["yesterday", "2024", "1700000000", "2024-01-01", "2024-02-30T00:00:00Z", ""] {
            let answer = try user.list(query: "?updated_since=\(encoded(text))")
            #expect(answer.status == 400, "\(text): \(answer.text)")
        }
    }

    @Test func `a reader who polls while others write sees every change's last state`() throws {
        let user = user
        let writers = Background {
            try inParallel(4) { writer in
                for step in 0..<40 {
                    try user.mustSet("w\(writer)-\(step % 7)", "\(step)")
                    if step % 5 == 4 { _ = try user.delete("w\(writer)-\((step + 3) % 7)") }
                }
            }
        }
        var state: [String: String] = [:]
        var lastSequence = 0
        var position = longAgo
        var isFinished = false
        while true {
            let (seen, next) = try drain(from: position, limit: 7)
            position = next
            for record in seen {
                let sequence = try #require(record["seq"].int)
                #expect(sequence > lastSequence)
                lastSequence = sequence
                state[record["key"].text ?? ""] = record["deleted_at"].isNull ? record["value"].raw : nil
            }
            if isFinished { break }
            isFinished = try user.list(query: "?limit=1").status == 200 && writers.isFinished
        }
        _ = try writers.wait()
        let live = try user.list(query: "?limit=1000").json()["data"].items
        #expect(state == Dictionary(uniqueKeysWithValues: live.map { ($0["key"].text ?? "", $0["value"].raw) }))
    }
}
