import Testing

@Suite(.serialized) struct MaxNumericTests {
    let user: TestUser
    private let policy = ("X-Conflict-Policy", "max_numeric")

    init() throws { user = TestUser(try RunningServer.shared()) }

    private func offer(_ value: String, at pointer: String? = nil, key: String = "score") throws -> HTTPAnswer {
        try user.set(key, value, headers: [policy] + (pointer.map { [("X-Conflict-Field", $0)] } ?? []))
    }

    @Test(arguments: [
        ("1", "2", true), ("2", "1", false), ("1", "1", false), ("-5", "-4", true), ("-4", "-5", false),
        ("9007199254740992", "9007199254740993", true), ("9007199254740993", "9007199254740992", false),
        ("9007199254740993", "9007199254740993", false), ("18446744073709551615", "18446744073709551616", true),
        ("123456789012345678901234567890", "123456789012345678901234567891", true),
        ("0.1", "0.10000000000000000001", true), ("0.10000000000000000001", "0.1", false), ("1.0", "1", false),
        ("1", "1.00", false), ("1000", "1e3", false), ("1e3", "1000.0000000000000000000001", true),
        ("1E+2", "101", true),
        ("1e-7", "0.0000001", false), ("99e-2", "1", true), ("0", "-0", false), ("-0", "0", false),
        ("0.0", "0e99", false), ("0", "1e-300", true), ("-1e-300", "0", true), ("1e308", "1.5e308", true),
        ("12e2", "1.3e3", true), ("100", "99.999999999999999999999", false),
    ])
    func `the greater number wins, compared exactly`(stored: String, offered: String, wins: Bool) throws {
        #expect(try offer(stored).json()["applied"].bool == true)
        let answer = try offer(offered)
        #expect(answer.status == 200, "\(answer.text)")
        let json = try answer.json()
        #expect(json["applied"].bool == wins)
        #expect(json["reason"].text == (wins ? nil : "not-greater"))
        #expect(json["data"]["value"].raw == (wins ? offered : stored))
        #expect(json["data"]["seq"].int == (wins ? 2 : 1))
        #expect(try user.get("score").json()["data"]["value"].raw == (wins ? offered : stored))
    }

    @Test(arguments: ["\"5\"", "null", "true", "{}", "[5]", "1e400", "-1e999"])
    func `what is no finite number is 422`(value: String) throws {
        try expectProblem(try offer(value), 422, "not-numeric")
        #expect(try user.get("score").status == 404)
    }

    @Test func `a stored number, string, object or tombstone that cannot be compared loses`() throws {
        for (key, stored) in [("a", "\"zzz\""), ("b", "null"), ("c", "{\"n\":9}"), ("d", "1e400")] {
            try user.mustSet(key, stored)
            #expect(try offer("-5", key: key).json()["applied"].bool == true, "\(stored)")
        }
        try user.mustSet("e", "100")
        #expect(try user.delete("e").status == 200)
        #expect(try offer("1", key: "e").json()["applied"].bool == true)
    }

    @Test func `the number may stand anywhere in the value`() throws {
        let pointer = "/stats/0/a~1b~0"
        func value(_ number: String) -> String { #"{"note":"x","stats":[{"a/b~":\#(number)}]}"# }
        #expect(try offer(value("10"), at: pointer).json()["applied"].bool == true)
        #expect(try offer(value("9"), at: pointer).json()["reason"].text == "not-greater")
        #expect(try offer(value("10"), at: pointer).json()["reason"].text == "not-greater")
        #expect(try offer(value("10.5"), at: pointer).json()["data"]["value"].raw == value("10.5"))
        try expectProblem(try offer("{\"stats\":[]}", at: pointer), 422, "not-numeric")
        try expectProblem(try offer(value("\"11\""), at: pointer), 422, "not-numeric")
        try expectProblem(try offer("11", at: pointer), 422, "not-numeric")
    }

    @Test func `a stored value without that field loses`() throws {
        try user.mustSet("score", "{\"other\":100}")
        #expect(try offer("{\"n\":1}", at: "/n").json()["applied"].bool == true)
    }

    @Test func `a pointer that is none is 400`() throws {
        for pointer in ["n", "/a~2", "/~"] {
            try expectProblem(try offer("{\"n\":1}", at: pointer), 400, "bad-parameter")
        }
    }

    @Test func `the greatest of many numbers offered at once is what stays`() throws {
        let user = user
        _ = try inParallel(8) { writer in
            for step in 0..<10 {
                let number = (step * 7919 + writer * 104_729) % 1000
                _ = try user.set("high", "\(number)", headers: [("X-Conflict-Policy", "max_numeric")])
            }
        }
        let offered = (0..<8).flatMap { writer in (0..<10).map { ($0 * 7919 + writer * 104_729) % 1000 } }
        #expect(try user.get("high").json()["data"]["value"].int == offered.max())
    }
}
