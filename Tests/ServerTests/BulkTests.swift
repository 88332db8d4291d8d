import Testing

@Suite(.serialized) struct BulkTests {
    let user: TestUser

    init() throws { user = TestUser(try RunningServer.shared()) }

    @Test func `results come in the order sent, each as the single call answers, in one run of numbers`() throws {
        try user.mustSet("old", "1", extra: "\"updated_at\":\"2024-06-01T00:00:00.000Z\"")
        let answer = try user.bulk([
            item("z", "1"), item("a", "{\"n\":2}", in: "other"),
            item("old", "2", extra: "\"updated_at\":\"2024-01-01T00:00:00.000Z\""), item("z", "3"),
        ])
        #expect(answer.status == 200, "\(answer.text)")
        let json = try answer.json()
        #expect(json["applied"].int == 3)
        let results = json["results"].items
        #expect(results.map { $0["applied"].bool } == [true, true, false, true])
        #expect(results.map { $0["data"]["key"].text } == ["z", "a", "old", "z"])
        #expect(results.map { $0["data"]["seq"].int } == [2, 3, 1, 4])
        #expect(results[2]["reason"].text == "older" && results[2]["data"]["value"].raw == "1")
        #expect(results[1]["data"]["value"].raw == "{\"n\":2}")
        #expect(try user.get("z").json()["data"]["value"].raw == "3")
    }

    @Test func `an item may be a delete or name its own policy`() throws {
        try user.mustSet("gone", "1")
        try user.mustSet("high", "10")
        let answer = try user.bulk(
            [
                "{\"collection\":\"things\",\"key\":\"gone\",\"delete\":true}",
                item("high", "9", extra: "\"conflict_policy\":\"max_numeric\""),
                item("high", "11", extra: "\"conflict_policy\":\"max_numeric\""),
                item("plain", "1", extra: "\"delete\":false"),
                item(
                    "stamped", "1", extra: "\"conflict_policy\":\"server_time\",\"updated_at\":\"2001-01-01T00:00:00Z\""
                ),
            ])
        #expect(answer.status == 200, "\(answer.text)")
        let results = try answer.json()["results"].items
        #expect(results.map { $0["applied"].bool } == [true, false, true, true, true])
        #expect(results[0]["data"]["deleted_at"].text != nil && results[0]["data"]["value"].isNull)
        #expect(results[1]["reason"].text == "not-greater")
        #expect(results[4]["data"]["updated_at"].text?.hasPrefix("2001") == false)
        #expect(try user.get("gone").status == 404)
        #expect(results.map { $0["data"]["seq"].int } == [3, 2, 4, 5, 6])
    }

    @Test func `the header's policy holds for items that name none`() throws {
        try user.mustSet("high", "10")
        let answer = try user.bulk(
            [item("high", "9"), item("low", "1", extra: "\"conflict_policy\":\"last_write_wins\"")],
            headers: [("X-Conflict-Policy", "max_numeric")])
        #expect(try answer.json()["results"].items.map { $0["applied"].bool } == [false, true])
    }

    @Test func `by default one bad item keeps everything from being written`() throws {
        for bad in [
            item("", "1"), "{\"collection\":\"things\",\"key\":\"k\"}", "5", item("k", "1", extra: "\"ttl_seconds\":0"),
            item("k", "\"x\"", extra: "\"conflict_policy\":\"max_numeric\""),
            item("k", "1", extra: "\"updated_at\":\"\(Moment.now().adding(3600).text)\""),
            item("k", "1", extra: "\"conflict_policy\":\"nonsense\""), item("k", "1", extra: "\"delete\":\"yes\""),
        ] {
            let answer = try user.bulk([item("a", "1"), item("b", "2"), bad, item("c", "3")])
            #expect(answer.status == 422, "\(bad): \(answer.text)")
            let pointers = try answer.json()["errors"].items.compactMap { $0["pointer"].text }
            #expect(pointers.contains { $0.hasPrefix("/items/2") }, "\(bad): \(answer.text)")
        }
        #expect(try user.list(nil).json()["data"].items.isEmpty)
        #expect(try user.mustSet("first", "1")["seq"].int == 1)
    }

    @Test func `without atomic the bad items carry their errors and the rest is applied`() throws {
        let answer = try user.bulk(
            [
                item("a", "1"), item("", "1"), item("b", "\"x\"", extra: "\"conflict_policy\":\"max_numeric\""),
                item("c", "3"), "{\"collection\":\"things\",\"key\":\"never-there\",\"delete\":true}", item("d", "4"),
            ], extra: "\"atomic\":false")
        #expect(answer.status == 200, "\(answer.text)")
        let json = try answer.json()
        let results = json["results"].items
        #expect(json["applied"].int == 3 && results.count == 6)
        #expect(results.map { $0["data"]["seq"].int } == [1, nil, nil, 2, nil, 3])
        #expect(results[1]["error"]["code"].text == "invalid-field")
        #expect(results[1]["error"]["status"].int == 422)
        #expect(results[2]["error"]["code"].text == "not-numeric")
        #expect(results[4]["error"]["code"].text == "not-found")
        #expect(keys(try user.list().json()) == ["a", "c", "d"])
    }

    @Test func `10,000 items are one commit, one more is 413`() throws {
        let items = (0..<10_000).map { item("k\(padded($0, 5))", "\($0)") }
        let answer = try user.bulk(items)
        #expect(answer.status == 200, "\(answer.text.prefix(300))")
        let json = try answer.json()
        #expect(json["applied"].int == 10_000)
        #expect(json["results"].items.map { $0["data"]["seq"].int ?? 0 } == Array(1...10_000))
        try expectProblem(try user.bulk(items + [item("more", "1")]), 413, "too-many-items")
        try expectProblem(
            try user.bulk(items + [item("more", "1")], extra: "\"atomic\":false"), 413, "too-many-items")
        #expect(try user.get("more").status == 404)
    }

    @Test func `a bulk with fields of the wrong kind is 422 and named`() throws {
        for (body, pointer) in [
            ("{\"user_id\":\(JSON.quoted(user.id))}", "/items"),
            ("{\"user_id\":\(JSON.quoted(user.id)),\"items\":{}}", "/items"), ("{\"items\":[]}", "/user_id"),
            ("{\"user_id\":\(JSON.quoted(user.id)),\"items\":[],\"atomic\":1}", "/atomic"),
        ] {
            try expectProblem(
                try user.call("POST", "/v1/data/bulk", body: body), 422, "invalid-field", at: pointer)
        }
    }

    @Test func `the user of the body may stand after the items`() throws {
        let body = "{\"items\":[\(item("a", "1"))],\"atomic\":true,\"user_id\":\(JSON.quoted(user.id))}"
        #expect(try user.call("POST", "/v1/data/bulk", body: body).json()["applied"].int == 1)
        let foreign = "{\"items\":[\(item("a", "2"))],\"user_id\":\"somebody\"}"
        try expectProblem(try user.call("POST", "/v1/data/bulk", body: foreign), 403, "forbidden")
    }

    @Test func `a bulk and single writes at the same time never mix their numbers`() throws {
        let user = user
        let runs = try inParallel(6) { writer in
            if writer % 2 == 0 {
                let answer = try user.bulk((0..<200).map { item("b\(writer)-\($0)", "1") })
                return try answer.json()["results"].items.compactMap { $0["data"]["seq"].int }
            }
            return try (0..<20).compactMap { try user.mustSet("s\(writer)-\($0)", "1")["seq"].int }
        }
        for run in [runs[0], runs[2], runs[4]] {
            #expect(run.count == 200 && run == Array((run.first ?? 0)..<(run.first ?? 0) + 200))
        }
        #expect(runs.flatMap { $0 }.sorted() == Array(1...660))
    }
}
