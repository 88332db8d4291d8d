import Testing

@Suite(.serialized) struct IdempotencyTests {
    let user: TestUser
    private let key = [("Idempotency-Key", "once-and-only-once")]

    init() throws { user = TestUser(try RunningServer.shared()) }

    @Test func `the same write again gets the first answer and changes nothing`() throws {
        let first = try user.set("k", "{\"n\":1}", headers: key)
        #expect(first.status == 200)
        try user.mustSet("k", "2")
        for _ in 0..<3 {
            let again = try user.set("k", "{\"n\":1}", headers: key)
            #expect(again.status == 200 && again.body == first.body, "\(again.text)")
        }
        #expect(try user.get("k").json()["data"]["value"].raw == "2")
        #expect(try user.mustSet("other", "1")["seq"].int == 3)
    }

    @Test func `the same key with another body, path or policy is 422`() throws {
        try #require(try user.set("k", "1", headers: key).status == 200)
        for answer in [
            try user.set("k", "2", headers: key), try user.set("j", "1", headers: key),
            try user.put("k", "1", headers: key), try user.bulk([item("k", "1")], headers: key),
            try user.set("k", "1", headers: key + [("X-Conflict-Policy", "server_time")]),
        ] {
            try expectProblem(answer, 422, "conflict")
        }
        #expect(try user.get("k").json()["data"]["seq"].int == 1)
    }

    @Test func `every kind of write can be repeated`() throws {
        let writes: [(String) throws -> HTTPAnswer] = [
            { try user.set("a", "1", headers: [("Idempotency-Key", $0)]) },
            { try user.put("b", "1", headers: [("Idempotency-Key", $0), ("If-None-Match", "*")]) },
            { try user.bulk([item("c", "1"), item("d", "1")], headers: [("Idempotency-Key", $0)]) },
            { try user.delete("a", headers: [("Idempotency-Key", $0)]) },
            { try user.set("score", "5", headers: [("Idempotency-Key", $0), ("X-Conflict-Policy", "max_numeric")]) },
        ]
        for (number, write) in writes.enumerated() {
            let first = try write("key-\(number)")
            #expect(first.status == 200, "\(number): \(first.text)")
            let again = try write("key-\(number)")
            #expect(again.status == 200 && again.body == first.body, "\(number): \(again.text)")
        }
        #expect(try user.mustSet("last", "1")["seq"].int == 7)
    }

    @Test func `two users may use the same key`() throws {
        let other = TestUser(user.server)
        #expect(try user.set("k", "1", headers: key).json()["data"]["user_id"].text == user.id)
        #expect(try other.set("k", "2", headers: key).json()["data"]["user_id"].text == other.id)
    }

    @Test(.enabled(if: TestStorage.current.isKept)) func `an answer is replayed after kill -9 and restart`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        let first = try user.set("k", "1", headers: key)
        try server.restart(after: .kill)
        #expect(try user.set("k", "1", headers: key).body == first.body)
        #expect(try user.get("k").json()["data"]["seq"].int == 1)
        try expectProblem(try user.set("k", "2", headers: key), 422, "conflict")
    }

    @Test func `a request that was refused may be put right under the same key`() throws {
        #expect(try user.set("", "1", headers: key).status == 422)
        #expect(try user.set("k", "1", headers: key).status == 200)
    }

    @Test func `a key is 1 to 128 bytes`() throws {
        #expect(
            try user.set("k", "1", headers: [("Idempotency-Key", String(repeating: "x", count: 128))]).status == 200)
        for bad in ["", String(repeating: "x", count: 129)] {
            try expectProblem(try user.set("j", "1", headers: [("Idempotency-Key", bad)]), 400, "bad-parameter")
        }
        #expect(try user.get("j").status == 404)
    }

    @Test func `the same request sent at once many times is done once`() throws {
        let user = user
        let answers = try inParallel(10) { _ in
            try user.set("k", "1", headers: [("Idempotency-Key", "at-once")])
        }
        #expect(answers.allSatisfy { $0.status == 200 || $0.status == 409 })
        #expect(Set(answers.filter { $0.status == 200 }.map(\.body)).count == 1)
        #expect(try user.get("k").json()["data"]["seq"].int == 1)
    }
}
