import Testing

@Suite(.serialized) struct ChangeTailTests {
    let server: RunningServer

    init() throws { server = try RunningServer.shared() }

    private func tail(_ query: String = "", on other: RunningServer? = nil) throws -> EventSource {
        try EventSource(
            port: (other ?? server).port, target: "/v1/admin/changes\(query)",
            headers: [("X-Admin-Api-Key", TestSecret.adminKey)])
    }

    private func refusal(_ query: String = "", headers: [(String, String)], on other: RunningServer) throws
        -> HTTPAnswer
    {
        try other.call("GET", "/v1/admin/changes\(query)", headers: headers)
    }

    @Test func `an administrator sees what all users write, as it happens`() throws {
        let (one, two) = (TestUser(server), TestUser(server))
        try one.mustSet("before", "0")
        let tail = try tail()
        #expect(tail.head["content-type"] == "text/event-stream" && tail.head["cache-control"] == "no-store")
        let socket = try one.listening()
        try one.mustSet("k", "{\"a\":\n1}")
        try two.mustSet("k", "2")
        #expect(try one.delete("k").status == 200)
        let events = try (0..<3).map { _ in try tail.next() }
        #expect(events.map(\.type) == ["data.updated", "data.updated", "data.deleted"])
        #expect(try events.map { try $0.json()["data"]["user_id"].text } == [one.id, two.id, one.id])
        #expect(events.allSatisfy { $0.id == nil }, "owners have no common position")
        #expect(try events[0].data == socket.next().raw && events[2].data == socket.next().raw)
    }

    @Test func `it may be narrowed to a user, a collection and the beginning of keys`() throws {
        let (one, two) = (TestUser(server), TestUser(server))
        let whole = try tail("?user_id=\(encoded(one.id))")
        let part = try tail("?collection=notes-of-\(one.id)&prefix=a%2F")
        let notes = "notes-of-\(one.id)"
        for (user, key, collection) in [
            (two, "a/1", "things"), (one, "a/2", "things"), (one, "b/3", notes), (two, "a/4", notes),
            (one, "a/5", notes),
        ] { try user.mustSet(key, "1", in: collection) }
        let own = try (0..<3).map { _ in try whole.next().json()["data"]["key"].text }
        #expect(own == ["a/2", "b/3", "a/5"])
        #expect(try (0..<2).map { _ in try part.next().json()["data"]["key"].text } == ["a/4", "a/5"])
    }

    @Test func `a reader who stops is told how many it missed, and holds up nobody`() throws {
        let server = try RunningServer(["WS_BUFFER_BYTES": "65536"])
        let user = TestUser(server)
        let slow = try EventSource(
            port: server.port, target: "/v1/admin/changes", headers: [("X-Admin-Api-Key", TestSecret.adminKey)],
            receiveBytesMax: 4096)
        let value = "\"" + String(repeating: "x", count: 100_000) + "\""
        let count = 200
        for number in 1...count { try user.mustSet("k\(number)", value) }
        var (seen, missed, notices) = (0, 0, 0)
        while seen + missed < count {
            let event = try slow.next()
            if event.type == "dropped" {
                missed += try #require(try event.json()["count"].int)
                notices += 1
            } else {
                seen += 1
                #expect(try event.json()["seq"].int == seen + missed)
            }
        }
        #expect(missed > 0 && notices >= 1 && seen > 0)
        try user.mustSet("last", "1")
        #expect(try slow.next().json()["data"]["key"].text == "last")
    }

    @Test func `at most sixteen watch at once, and a place is free when one goes`() throws {
        let server = try RunningServer()
        var tails = try (0..<16).map { _ in try tail(on: server) }
        let key = [("X-Admin-Api-Key", TestSecret.adminKey)]
        let refused = try refusal(headers: key, on: server)
        try expectProblem(refused, 503, "overloaded")
        #expect(refused["retry-after"] != nil)
        #expect(try Exposition(server.admin("GET", "/metrics").text).value("apus_change_tails") == 16)
        tails.removeLast()
        let isFree = try eventually {
            do {
                tails.append(try tail(on: server))
                return true
            } catch is WebSocket.Refused {
                return false
            }
        }
        #expect(isFree)
    }

    @Test func `it is for the administrator, and its filters are checked`() throws {
        try expectProblem(try server.call("GET", "/v1/admin/changes"), 401, "unauthenticated")
        try expectProblem(try TestUser(server).call("GET", "/v1/admin/changes"), 401, "unauthenticated")
        for query in ["?user_id=", "?collection=a%00b", "?prefix=\(String(repeating: "x", count: 300))"] {
            try expectProblem(try server.admin("GET", "/v1/admin/changes" + query), 400, "bad-parameter")
        }
        let head = try server.admin("HEAD", "/v1/admin/changes")
        #expect(head.status == 200 && head["content-type"] == "text/event-stream" && head.body.isEmpty)
        try expectProblem(try server.admin("POST", "/v1/admin/changes"), 405, "method-not-allowed")
    }

    @Test func `a stop ends it`() throws {
        let server = try RunningServer()
        let tail = try tail(on: server)
        #expect(server.terminate() == Program.Ending(code: 0))
        #expect(tail.isClosedByServer())
    }
}
