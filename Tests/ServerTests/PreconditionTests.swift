import Testing

@Suite(.serialized) struct PreconditionTests {
    let user: TestUser

    init() throws { user = TestUser(try RunningServer.shared()) }

    private func ifMatch(_ tag: String) -> [(String, String)] { [("If-Match", tag)] }
    private func ifNoneMatch(_ tag: String) -> [(String, String)] { [("If-None-Match", tag)] }

    @Test func `a put writes the body as the value and answers as an upsert does`() throws {
        let answer = try user.put("k", #"{"mode":"dark"}"#)
        #expect(answer.status == 200)
        let json = try answer.json()
        #expect(json["applied"].bool == true && json["data"]["value"].raw == #"{"mode":"dark"}"#)
        #expect(try user.get("k").json()["data"].raw == json["data"].raw)
    }

    @Test func `a record is read with its number as entity tag, and not again while it stands`() throws {
        try user.mustSet("k", "1")
        let tag = try #require(try user.get("k")["etag"])
        #expect(tag == "\"1\"")
        for header in [tag, "W/\(tag)", "\"7\", \(tag)", "*"] {
            let answer = try user.get("k", headers: ifNoneMatch(header))
            #expect(answer.status == 304 && answer.body.isEmpty, "\(header)")
            #expect(answer["etag"] == tag)
        }
        #expect(try user.get("k", headers: ifNoneMatch("\"2\"")).status == 200)
        try user.mustSet("k", "2")
        let fresh = try user.get("k", headers: ifNoneMatch(tag))
        #expect(fresh.status == 200 && fresh["etag"] == "\"2\"")
        try expectProblem(try user.get("nothing", headers: ifNoneMatch("*")), 404, "not-found")
    }

    @Test func `If-Match lets a write through only while the record is the one that was read`() throws {
        try user.mustSet("k", "1")
        #expect(try user.put("k", "2", headers: ifMatch("\"1\"")).status == 200)
        try expectProblem(try user.put("k", "3", headers: ifMatch("\"1\"")), 412, "precondition-failed")
        #expect(try user.put("k", "3", headers: ifMatch("\"1\", \"2\"")).status == 200)
        #expect(try user.put("k", "4", headers: ifMatch("*")).status == 200)
        try expectProblem(try user.put("absent", "1", headers: ifMatch("*")), 412, "precondition-failed")
        try expectProblem(try user.put("absent", "1", headers: ifMatch("\"1\"")), 412, "precondition-failed")
        #expect(try user.get("k").json()["data"]["seq"].int == 4)
        #expect(try user.get("absent").status == 404)
    }

    @Test func `If-None-Match with a star creates and never replaces`() throws {
        #expect(try user.put("k", "1", headers: ifNoneMatch("*")).status == 200)
        try expectProblem(try user.put("k", "2", headers: ifNoneMatch("*")), 412, "precondition-failed")
        #expect(try user.delete("k").status == 200)
        #expect(try user.put("k", "3", headers: ifNoneMatch("*")).status == 200)
        #expect(try user.get("k").json()["data"]["value"].raw == "3")
    }

    @Test func `a weak tag never matches for a write`() throws {
        try user.mustSet("k", "1")
        try expectProblem(try user.put("k", "2", headers: ifMatch("W/\"1\"")), 412, "precondition-failed")
    }

    @Test func `of many who read the same record only one may replace it`() throws {
        try user.mustSet("k", "0")
        let user = user
        let statuses = try inParallel(12) { writer in
            try user.put("k", "\(writer)", headers: [("If-Match", "\"1\"")]).status
        }
        #expect(statuses.filter { $0 == 200 }.count == 1)
        #expect(statuses.filter { $0 == 412 }.count == 11)
        #expect(try user.get("k").json()["data"]["seq"].int == 2)
    }

    @Test func `a deleted record leaves a tombstone once and is gone`() throws {
        try user.mustSet("k", "{\"a\":1}")
        let answer = try user.delete("k")
        #expect(answer.status == 200)
        let json = try answer.json()
        #expect(json["applied"].bool == true && json["data"]["value"].isNull && json["data"]["seq"].int == 2)
        #expect(json["data"]["deleted_at"].text == json["data"]["updated_at"].text)
        #expect(Moment(json["data"]["deleted_at"].text) != nil)
        try expectProblem(try user.get("k"), 404, "not-found")
        try expectProblem(try user.delete("k"), 404, "not-found")
        try expectProblem(try user.delete("never"), 404, "not-found")
        #expect(try user.mustSet("k", "2")["seq"].int == 3)
        #expect(try user.mustSet("k", "2")["deleted_at"].isNull)
    }
}
