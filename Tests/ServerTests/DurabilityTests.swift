import Glibc
import Synchronization
import Testing

/// What was acknowledged is there, however the server ended.
@Suite(.serialized, .enabled(if: TestStorage.current.isKept)) struct DurabilityTests {
    /// What one writer was told.
    private struct Journal: Sendable {
        var acknowledged: [(key: String, value: Int, sequence: Int)] = []
        /// Sent, but never answered: there or not, as a whole.
        var open: [String] = []
    }

    @Test func `kill -9 in the middle of many writes loses nothing that was acknowledged`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        for round in 0..<3 {
            try check(server: server, user: user, round: round)
        }
    }

    private func check(server: RunningServer, user: TestUser, round: Int) throws {
        let total = Mutex(0)
        let writers = Background {
            try inParallel(12) { writer in
                Self.write(as: user, writer: writer, round: round) { count in total.withLock { $0 += count } }
            }
        }
        #expect(eventually { total.withLock { $0 } >= 120 + 40 * round })
        server.kill()
        let journals = try writers.wait()
        try server.restart(after: .kill)
        let acknowledged = journals.flatMap(\.acknowledged)
        #expect(acknowledged.count >= 120)
        #expect(Set(acknowledged.map(\.sequence)).count == acknowledged.count)
        for entry in acknowledged {
            let record = try user.get(entry.key).json()["data"]
            #expect(record["value"].int == entry.value && record["seq"].int == entry.sequence, "\(entry)")
        }
        try expectNoHoles(user, journals: journals)
    }

    /// Every number is used by exactly one record, since each key was written once; bulks are there whole or not at
    /// all.
    private func expectNoHoles(_ user: TestUser, journals: [Journal]) throws {
        var query = "?updated_since=2024-01-01T00:00:00Z&limit=1000"
        var records: [JSON] = []
        while true {
            let page = try user.list(nil, query: query).json()
            records += page["data"].items
            guard page["has_more"].bool == true else { break }
            query = "?updated_since=\(page["next_cursor"].text ?? "")&limit=1000"
        }
        #expect(records.map { $0["seq"].int ?? 0 } == Array(1...max(records.count, 1)))
        let present = Set(records.compactMap { $0["key"].text })
        for open in journals.flatMap(\.open) {
            let parts = (0..<10).filter { present.contains("\(open)-\($0)") }.count
            #expect(parts == 0 || parts == 10, "\(open) is there in part")
        }
        let next = try user.mustSet("next-\(records.count)", "0")
        #expect(next["seq"].int == records.count + 1)
        #expect(try user.socket().next()["seq"].int == records.count + 1)
    }

    /// Writes single records and bulks of ten until the connection breaks.
    private static func write(
        as user: TestUser, writer: Int, round: Int, acknowledge: (Int) -> Void
    ) -> Journal {
        var journal = Journal()
        guard let connection = try? HTTPConnection(port: user.server.port) else { return journal }
        let headers = [user.authorization, ("Content-Type", "application/json")]
        for step in 0..<10_000 {
            let key = "r\(round)-w\(writer)-\(step)"
            let isBulk = step % 4 == 3
            let body: String
            if isBulk {
                let items = (0..<10).map { item("\(key)-\($0)", "\(step)") }.joined(separator: ",")
                body = "{\"user_id\":\(JSON.quoted(user.id)),\"items\":[\(items)]}"
            } else {
                body = user.upsertBody(key, "\(step)")
            }
            let target = isBulk ? "/v1/data/bulk" : "/v1/data"
            guard let answer = try? connection.call("POST", target, headers: headers, body: Array(body.utf8)),
                answer.status == 200, let json = try? answer.json()
            else {
                if isBulk { journal.open.append(key) }
                return journal
            }
            for result in isBulk ? json["results"].items : [json] {
                let record = result["data"]
                journal.acknowledged.append((record["key"].text ?? "", step, record["seq"].int ?? -1))
            }
            acknowledge(isBulk ? 10 : 1)
        }
        return journal
    }

    @Test func `SIGTERM in the middle of many writes loses nothing that was acknowledged and ends with 0`() throws {
        for signal in [SIGTERM, SIGINT] {
            let server = try RunningServer()
            let user = TestUser(server)
            let total = Mutex(0)
            let writers = Background {
                try inParallel(8) { writer in
                    Self.write(as: user, writer: writer, round: 0) { count in total.withLock { $0 += count } }
                }
            }
            #expect(eventually { total.withLock { $0 } >= 100 })
            #expect(server.program.end(with: signal) == Program.Ending(code: 0))
            let journals = try writers.wait()
            try server.restart()
            for entry in journals.flatMap(\.acknowledged) {
                #expect(try user.get(entry.key).json()["data"]["seq"].int == entry.sequence)
            }
            try expectNoHoles(user, journals: journals)
        }
    }

    @Test func `a user's numbers go on after a restart, also when the last change was a delete`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        try user.mustSet("a", "1")
        try user.mustSet("b", "1")
        #expect(try user.delete("b").status == 200)
        for (stop, next) in [(RunningServer.Stop.terminate, 4), (.kill, 5)] {
            try server.restart(after: stop)
            #expect(try user.get("b").status == 404)
            #expect(try user.mustSet("c\(next)", "1")["seq"].int == next)
        }
    }

    @Test func `with DB_DURABILITY=normal a crash of the process loses nothing either`() throws {
        let server = try RunningServer(["DB_DURABILITY": "normal"])
        let user = TestUser(server)
        for number in 0..<30 { try user.mustSet("k\(number)", "\(number)") }
        try server.restart(after: .kill)
        #expect(try user.list().json()["data"].items.count == 30)
        #expect(try user.mustSet("next", "1")["seq"].int == 31)
    }

    @Test func `a second SIGTERM does no harm`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        let socket = try user.listening()
        try user.mustSet("k", "1")
        server.program.signal(SIGTERM)
        server.program.signal(SIGTERM)
        let ending = server.program.waitForEnd()
        #expect(ending == Program.Ending(code: 0))
        _ = socket
        try server.restart()
        #expect(try user.get("k").status == 200)
    }
}
