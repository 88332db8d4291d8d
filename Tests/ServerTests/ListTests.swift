import Testing

@Suite(.serialized) struct ListTests {
    let user: TestUser

    init() throws { user = TestUser(try RunningServer.shared()) }

    /// Every page from the first on, following `next_cursor` while there is more.
    private func pages(_ collection: String = "things", limit: Int) throws -> [JSON] {
        var pages: [JSON] = []
        var query = "?limit=\(limit)"
        repeat {
            let answer = try user.list(collection, query: query)
            try #require(answer.status == 200, "\(answer.text)")
            pages.append(try answer.json())
            query = "?limit=\(limit)&cursor=\(pages.last?["next_cursor"].text ?? "")"
        } while pages.last?["has_more"].bool == true && pages.count < 100
        return pages
    }

    @Test func `live records come in the byte order of their keys, in pages, each once`() throws {
        let written = ["b", "a", "Z", "é", "e\u{301}", "a/b", "a b", "~", "10", "9", "😀", "z", "aa"]
        for key in written { try user.mustSet(key, "1") }
        try user.mustSet("deleted", "1")
        _ = try user.delete("deleted")
        try user.mustSet("a", "1", in: "elsewhere")
        let sorted = written.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        for limit in [1, 2, 5, 13, 14, 1000] {
            let pages = try pages(limit: limit)
            #expect(pages.flatMap { keys($0) } == sorted, "limit \(limit)")
            #expect(pages.allSatisfy { $0.names == ["data", "next_cursor", "has_more"] })
            #expect(pages.dropLast().allSatisfy { $0["data"].items.count == limit })
            #expect(pages.last?["has_more"].bool == false && pages.last?["data"].items.isEmpty == false)
        }
    }

    @Test func `a page holds 100 records unless told otherwise, and at most 1,000`() throws {
        #expect(try user.bulk((0..<1001).map { item("k\(padded($0, 4))", "1") }).status == 200)
        let page = try user.list().json()
        #expect(page["data"].items.count == 100 && page["has_more"].bool == true)
        #expect(try user.list(query: "?limit=1000").json()["data"].items.count == 1000)
        for limit in ["0", "1001", "-1", "abc", "", "1.5", "99999999999999999999"] {
            try expectProblem(try user.list(query: "?limit=\(limit)"), 400, "bad-parameter")
        }
    }

    @Test func `a collection that does not exist is empty`() throws {
        let answer = try user.list("nothing-here")
        #expect(answer.status == 200)
        let json = try answer.json()
        #expect(json["data"].items.isEmpty && json["has_more"].bool == false)
    }

    @Test func `records written or deleted between two pages neither repeat nor hide others`() throws {
        for key in ["b", "d", "f", "h"] { try user.mustSet(key, "1") }
        let first = try user.list(query: "?limit=2").json()
        #expect(keys(first) == ["b", "d"])
        for key in ["a", "e"] { try user.mustSet(key, "1") }
        _ = try user.delete("d")
        let cursor = try #require(first["next_cursor"].text)
        #expect(keys(try user.list(query: "?limit=9&cursor=\(cursor)").json()) == ["e", "f", "h"])
    }

    @Test func `a cursor with one changed character is 400, wherever it was changed`() throws {
        for key in ["a", "b", "c"] { try user.mustSet(key, "1") }
        for query in ["?limit=1", "?limit=1&updated_since=2024-01-01T00:00:00Z"] {
            let cursor = try #require(try user.list(query: query).json()["next_cursor"].text)
            #expect(cursor.utf8.allSatisfy { base64URLAlphabet.contains($0) })
            #expect(try user.list(query: "?limit=1&cursor=\(cursor)").status == 200)
            for index in cursor.utf8.indices {
                var bytes = Array(cursor.utf8)
                let position = cursor.utf8.distance(from: cursor.utf8.startIndex, to: index)
                let value = try #require(base64URLAlphabet.firstIndex(of: bytes[position]))
                bytes[position] = base64URLAlphabet[value ^ 32]
                let changed = String(decoding: bytes, as: UTF8.self)
                try expectProblem(try user.list(query: "?limit=1&cursor=\(changed)"), 400, "bad-cursor")
            }
            for broken in [cursor + "A", String(cursor.dropLast()), "", "AAAA", "%00", cursor + "=", "x"] {
                let answer = try user.list(query: "?limit=1&cursor=\(broken)")
                try expectProblem(answer, 400, "bad-cursor")
            }
        }
    }

    @Test func `a cursor of another collection, user or order is 400`() throws {
        let other = TestUser(user.server)
        for one in [user, other] {
            for key in ["a", "b"] {
                try one.mustSet(key, "1")
                try one.mustSet(key, "1", in: "others")
            }
        }
        let byKey = try #require(try user.list(query: "?limit=1").json()["next_cursor"].text)
        let since = "?limit=1&updated_since=2024-01-01T00:00:00Z"
        let delta = try #require(try user.list(query: since).json()["next_cursor"].text)
        let all = try #require(try user.list(nil, query: since).json()["next_cursor"].text)
        for cursor in [byKey, delta, all] {
            try expectProblem(try other.list(query: "?cursor=\(cursor)"), 400, "bad-cursor")
            try expectProblem(try user.list("others", query: "?cursor=\(cursor)"), 400, "bad-cursor")
        }
        try expectProblem(try user.list(query: "?cursor=\(all)"), 400, "bad-cursor")
        try expectProblem(try user.list(nil, query: "?updated_since=\(delta)"), 400, "bad-cursor")
        try expectProblem(try user.list(query: "?updated_since=\(byKey)"), 400, "bad-cursor")
    }

    @Test(.enabled(if: TestStorage.current.isKept))
    func `a cursor outlives a restart, and one of another database asks for a new start`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        for key in ["a", "b", "c"] { try user.mustSet(key, "1") }
        let byKey = try #require(try user.list(query: "?limit=1").json()["next_cursor"].text)
        let delta = try #require(
            try user.list(query: "?limit=1&updated_since=2024-01-01T00:00:00Z").json()["next_cursor"].text)
        try server.restart()
        #expect(keys(try user.list(query: "?cursor=\(byKey)").json()) == ["b", "c"])
        #expect(keys(try user.list(query: "?updated_since=\(delta)").json()) == ["b", "c"])
        server.kill()
        for name in ["data.db", "data.db-wal", "data.db-shm", "data.lmdb", "data.lmdb-lock"] {
            removeTree(server.directory.path + "/" + name)
        }
        try server.restart()
        try expectProblem(try user.list(query: "?cursor=\(byKey)"), 410, "resync-required")
        try expectProblem(try user.list(query: "?updated_since=\(delta)"), 410, "resync-required")
    }

    @Test func `collections are named with their counts of live records`() throws {
        for key in ["a", "b", "c"] { try user.mustSet(key, "1", in: "profile") }
        try user.mustSet("x", "1", in: "a/ü")
        try user.mustSet("gone", "1", in: "emptied")
        _ = try user.delete("gone", in: "emptied")
        _ = try user.delete("c", in: "profile")
        let answer = try user.call("GET", "/v1/collections/\(user.id)")
        #expect(answer.status == 200)
        let counts = try answer.json()["data"].items.map { entry in
            let name = entry["collection"].text ?? entry["name"].text ?? "?"
            return "\(name)=\(entry["count"].int ?? entry["records"].int ?? -1)"
        }
        #expect(counts.sorted() == ["a/ü=1", "profile=2"], "\(answer.text)")
        #expect(try TestUser(user.server).call("GET", "/v1/collections/\(user.id)").status == 403)
    }

    @Test func `a list of large values ends its pages early and still shows everything once`() throws {
        let large = "\"" + String(repeating: "v", count: 1_000_000) + "\""
        for number in 0..<12 { try user.mustSet("k\(padded(number, 2))", large) }
        let seen = try pages(limit: 1000)
        #expect(seen.flatMap { keys($0) } == (0..<12).map { "k\(padded($0, 2))" })
    }
}
