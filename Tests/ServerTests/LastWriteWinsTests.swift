import Testing

@Suite(.serialized) struct LastWriteWinsTests {
    let user: TestUser
    /// A moment safely in the past, so that the server's clock does not come in.
    let then = Moment(milliseconds: 1_700_000_000_000)

    init() throws { user = TestUser(try RunningServer.shared()) }

    private func at(_ moment: Moment) -> String { "\"updated_at\":\"\(moment.text)\"" }

    private func expectLost(
        _ answer: HTTPAnswer, _ reason: String, stored: JSON, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        #expect(answer.status == 200, "\(answer.text)", sourceLocation: sourceLocation)
        let json = try answer.json()
        #expect(json.names == ["applied", "reason", "data"], sourceLocation: sourceLocation)
        #expect(json["applied"].bool == false, sourceLocation: sourceLocation)
        #expect(json["reason"].text == reason, sourceLocation: sourceLocation)
        #expect(json["data"].raw == stored.raw, sourceLocation: sourceLocation)
    }

    @Test func `a newer and an equally old write win, an older one loses and changes nothing`() throws {
        try user.mustSet("k", "1", extra: at(then))
        let newer = try user.mustSet("k", "2", extra: at(then.adding(0.001)))
        #expect(newer["updated_at"].text == then.adding(0.001).text && newer["seq"].int == 2)
        let equal = try user.mustSet("k", "3", extra: at(then.adding(0.001)))
        #expect(equal["seq"].int == 3)
        try expectLost(try user.set("k", "4", extra: at(then)), "older", stored: equal)
        #expect(try user.get("k").json()["data"].raw == equal.raw)
        #expect(try user.mustSet("other", "1")["seq"].int == 4)
    }

    @Test func `the same value with the same time again is no change`() throws {
        let stored = try user.mustSet("k", #"{"a":1}"#, extra: at(then))
        try expectLost(try user.set("k", #"{"a":1}"#, extra: at(then)), "unchanged", stored: stored)
        #expect(try user.mustSet("k", #"{"a":2}"#, extra: at(then))["seq"].int == 2)
    }

    @Test func `a time may come with any offset and any decimals and is told in UTC with milliseconds`() throws {
        for (written, told) in [
            ("2023-11-15T00:13:20+02:00", "2023-11-14T22:13:20.000Z"),
            ("2023-11-14T22:13:21.5Z", "2023-11-14T22:13:21.500Z"),
            ("2023-11-14t22:13:22.123456789z", "2023-11-14T22:13:22.123Z"),
            ("2023-11-14T17:13:23.000-05:00", "2023-11-14T22:13:23.000Z"),
        ] {
            #expect(try user.mustSet("k", "1", extra: "\"updated_at\":\"\(written)\"")["updated_at"].text == told)
        }
    }

    @Test(arguments: [
        "\"yesterday\"", "\"\"", "1700000000", "true", "\"2023-11-14\"", "\"2023-11-14T22:13:20\"",
        "\"2023-02-30T00:00:00Z\"", "\"2023-13-01T00:00:00Z\"", "\"2023-11-14T25:00:00Z\"",
        "\"2023-11-14T22:13:20Z \"", "[]", "\"2023-11-14T22:13:20+99:00\"",
    ])
    func `a time that is none is 422`(time: String) throws {
        try expectProblem(
            try user.set("k", "1", extra: "\"updated_at\":\(time)"), 422, "invalid-field", at: "/updated_at")
        #expect(try user.get("k").status == 404)
    }

    @Test func `a clock that runs ahead by more than a minute is told the server's time`() throws {
        let answer = try user.set("k", "1", extra: at(Moment.now().adding(120)))
        try expectProblem(answer, 422, "clock-skew")
        let told = try #require(Moment(try answer.json()["server_time"].text))
        #expect(abs(told.milliseconds - Moment.now().milliseconds) < Int(patience * 1000))
        #expect(try user.get("k").status == 404)
        #expect(try user.set("k", "1", extra: at(Moment.now().adding(30))).status == 200)
    }

    @Test func `a write without a time comes after everything stored, even after one from the future`() throws {
        let future = Moment.now().adding(40)
        try user.mustSet("k", "1", extra: at(future))
        let next = try user.mustSet("k", "2")
        #expect(next["updated_at"].text == future.adding(0.001).text)
        #expect(try user.mustSet("k", "2")["updated_at"].text == future.adding(0.002).text)
    }

    @Test func `without a time the same value is written again`() throws {
        let first = try user.mustSet("k", "1")
        let second = try user.mustSet("k", "1")
        #expect(second["seq"].int == 2)
        #expect(try #require(second["updated_at"].text) > (try #require(first["updated_at"].text)))
    }

    @Test func `a tombstone counts as stored`() throws {
        try user.mustSet("k", "1", extra: at(then))
        let moment = then.adding(10)
        let deleted = try user.delete("k", query: "?updated_at=\(encoded(moment.text))")
        #expect(deleted.status == 200, "\(deleted.text)")
        let tombstone = try deleted.json()["data"]
        #expect(tombstone["updated_at"].text == moment.text)
        try expectLost(try user.set("k", "2", extra: at(then.adding(5))), "older", stored: tombstone)
        #expect(try user.get("k").status == 404)
        #expect(try user.mustSet("k", "3", extra: at(moment))["seq"].int == 3)
        #expect(try user.get("k").status == 200)
    }

    @Test func `a delete older than the stored write loses`() throws {
        let stored = try user.mustSet("k", "1", extra: at(then))
        let answer = try user.delete("k", query: "?updated_at=\(encoded(then.adding(-1).text))")
        try expectLost(answer, "older", stored: stored)
        #expect(try user.get("k").status == 200)
        let late = try user.delete("k", query: "?updated_at=\(encoded(Moment.now().adding(120).text))")
        try expectProblem(late, 422, "clock-skew")
        try expectProblem(try user.delete("k", query: "?updated_at=never"), 400, "bad-parameter")
    }

    @Test func `an unknown policy is 400 and writes nothing`() throws {
        for policy in ["first_write_wins", "LAST_WRITE_WINS", "", "server_time,max_numeric"] {
            let answer = try user.set("k", "1", headers: [("X-Conflict-Policy", policy)])
            try expectProblem(answer, 400, "bad-parameter")
        }
        #expect(try user.get("k").status == 404)
    }

    @Test func `under server_time the client's time is ignored and commit order wins`() throws {
        let policy = [("X-Conflict-Policy", "server_time")]
        try user.mustSet("k", "1")
        for time in [then, Moment.now().adding(86_400)] {
            let before = Moment.now()
            let answer = try user.set("k", "\(time.milliseconds)", extra: at(time), headers: policy)
            let json = try answer.json()
            #expect(answer.status == 200 && json["applied"].bool == true, "\(answer.text)")
            let stamped = try #require(Moment(json["data"]["updated_at"].text))
            #expect(stamped >= before && stamped <= Moment.now().adding(1))
        }
        #expect(try user.get("k").json()["data"]["seq"].int == 3)
    }

    @Test func `a user's changes are numbered without holes, whatever collection they go to`() throws {
        #expect(try user.mustSet("a", "1", in: "one")["seq"].int == 1)
        #expect(try user.mustSet("a", "1", in: "two")["seq"].int == 2)
        #expect(try user.delete("a", in: "one").json()["data"]["seq"].int == 3)
        #expect(try user.set("a", "1", in: "two", extra: at(then)).json()["applied"].bool == false)
        #expect(try user.delete("a", in: "one").status == 404)
        #expect(try user.set("a", "1", in: "two", extra: "\"updated_at\":5").status == 422)
        let bulk = try user.bulk((0..<5).map { item("b\($0)", "1") }).json()
        #expect(bulk["results"].items.map { $0["data"]["seq"].int } == [4, 5, 6, 7, 8])
        #expect(try user.put("a", "1", in: "three").json()["data"]["seq"].int == 9)
        #expect(try TestUser(user.server).mustSet("a", "1")["seq"].int == 1)
    }

    @Test func `writers at the same time each get a number of their own and none is left out`() throws {
        let user = user
        let numbers = try inParallel(16) { writer in
            let connection = try HTTPConnection(port: user.server.port)
            let headers = [user.authorization, ("Content-Type", "application/json")]
            return try (0..<20).map { index in
                let body = user.upsertBody("k\(index)", "[\(writer),\(index)]")
                let answer = try connection.call("POST", "/v1/data", headers: headers, body: Array(body.utf8))
                return try #require(try answer.json()["data"]["seq"].int)
            }
        }
        #expect(numbers.flatMap { $0 }.sorted() == Array(1...320))
        for own in numbers { #expect(own == own.sorted()) }
    }
}
