import Glibc
import Synchronization
import Testing

/// The audit log as an administrator reads and verifies it.
@Suite(.serialized) struct AuditTests {
    private let directory = ScratchDirectory()

    private func verify(_ url: String) throws -> CommandRun {
        try CommandRun(["audit", "verify", "--db", url], settings: [:], in: directory.path)
    }

    private func search(_ server: RunningServer, _ query: String = "") throws -> JSON {
        let answer = try server.admin("GET", "/v1/admin/audit\(query)")
        #expect(answer.status == 200, "\(answer.text)")
        return try answer.json()
    }

    /// What a page tells of, without the readings of the log itself.
    private func entries(_ page: JSON) -> [JSON] { page["data"].items.filter { $0["action"].text != "admin.read" } }

    private func actions(_ page: JSON) -> [String] { entries(page).map { $0["action"].text ?? "" } }

    @Test func `what was done is found by who did what to whom, the newest first`() throws {
        let server = try RunningServer(in: directory)
        let before = Moment.now()
        let user = TestUser(server, id: "u1")
        try user.mustSet("a", "1")
        #expect(try server.admin("POST", "/v1/admin/users", body: #"{"user_id":"u2"}"#).status == 201)
        try user.mustSet("b", "1")
        #expect(try server.admin("POST", "/v1/admin/users/u2/revoke").status == 200)
        let page = try search(server)
        #expect(actions(page) == ["user.revoke", "data.write", "token.issue", "data.write"])
        #expect(entries(page).map { $0["number"].int } == [4, 3, 2, 1])
        #expect(page["has_more"].bool == false && page["next_cursor"].isNull)
        let entry = entries(page)[1]
        #expect(entry["actor"].text == "user:u1" && entry["target"].text == "u1/things/b")
        #expect(entry["ip"].text == "127.0.0.1" && entry["request_id"].text?.isEmpty == false)
        #expect(entry["outcome"].text == "ok" && entry["detail"].text == "set")
        let at = try #require(Moment(entry["at"].text))
        #expect(at >= before && at <= Moment.now())
        #expect(actions(try search(server, "?actor=admin")) == ["user.revoke", "token.issue"])
        #expect(actions(try search(server, "?action=token.*")) == ["token.issue"])
        #expect(actions(try search(server, "?action=token")) == [])
        #expect(actions(try search(server, "?target=u1/things/a")) == ["data.write"])
        #expect(actions(try search(server, "?actor=admin&action=user.revoke&target=u2")) == ["user.revoke"])
        #expect(actions(try search(server, "?until=\(before.text)")) == [])
        #expect(actions(try search(server, "?since=\(before.text)&until=\(Moment.now().adding(60).text)")).count == 4)
        #expect(actions(try search(server, "?since=\(Moment.now().adding(60).text)")) == [])
    }

    @Test func `pages go on where the one before ended`() throws {
        let server = try RunningServer(in: directory)
        let user = TestUser(server)
        for number in 1...7 { try user.mustSet("k\(number)", "1") }
        var (numbers, query): ([Int], String?) = ([], "?action=data.write&limit=3")
        while let asked = query {
            let page = try search(server, asked)
            numbers += page["data"].items.compactMap { $0["number"].int }
            #expect(page["has_more"].bool == !page["next_cursor"].isNull)
            query = page["next_cursor"].text.map { "?action=data.*&limit=3&cursor=\($0)" }
            try user.mustSet("later", "1")
        }
        #expect(numbers == (1...7).reversed())
    }

    @Test func `only an administrator reads the log, and what is asked for must make sense`() throws {
        let server = try RunningServer.shared()
        try expectProblem(try server.call("GET", "/v1/admin/audit"), 401, "unauthenticated")
        for query in ["since=yesterday", "until=2024-13-01T00:00:00Z", "limit=0", "limit=1001"] {
            let answer = try server.admin("GET", "/v1/admin/audit?\(query)")
            try expectProblem(answer, 400, "bad-parameter")
            #expect(answer.text.contains("\(query.prefix { $0 != "=" }) must be"), "\(answer.text)")
        }
        let users = try server.admin("GET", "/v1/admin/audit?cursor=AAAA")
        try expectProblem(users, 400, "bad-cursor")
    }

    @Test(arguments: keptKinds)
    func `the log is verified while clients write, and after kill -9`(_ kind: String) throws {
        let url = "\(kind):data"
        let server = try RunningServer(["DB_PATH": url], in: directory)
        let user = TestUser(server)
        let written = Mutex(0)
        let isOver = Mutex(false)
        let writers = Background {
            try inParallel(4) { writer in
                for step in 0..<20_000 where !isOver.withLock({ $0 }) {
                    guard (try? user.set("w\(writer)-\(step % 50)", "\(step)"))?.status == 200 else { return }
                    written.withLock { $0 += 1 }
                }
            }
        }
        for round in 1...3 {
            #expect(eventually { written.withLock { $0 } > 100 * round })
            let verified = try verify(url)
            #expect(verified.code == 0 && verified.printed.hasPrefix("ok: \(url): "), "\(verified)")
        }
        server.kill()
        isOver.withLock { $0 = true }
        _ = try writers.wait()
        let acknowledged = written.withLock { $0 }
        let ended = try verify(url)
        #expect(ended.code == 0 && ended.printed.contains("head: "), "\(ended)")
        try server.restart(after: .kill)
        try user.mustSet("after", "1")
        let newest = try #require(try search(server, "?action=data.write&limit=1")["data"][0]["number"].int)
        #expect(newest > acknowledged)
        let again = try verify(url)
        #expect(again.code == 0 && again.printed.contains("from entry 1 on"), "\(again)")
        let head = again.printed.split(separator: "\n").last?.split(separator: " ") ?? []
        #expect(head.count == 3 && head[0] == "head:" && head[2].utf8.count == 64)
        #expect(head.dropFirst().first.flatMap { Int($0) } ?? 0 >= newest)
    }

    @Test func `an entry that was changed behind the server's back is named`() throws {
        let server = try RunningServer(["DB_PATH": "sqlite:data"], in: directory)
        let user = TestUser(server)
        for number in 1...5 { try user.mustSet("key-\(number)", "1") }
        #expect(server.terminate() == Program.Ending(code: 0))
        let path = directory.path + "/data"
        var bytes = readFile(path)
        let name = Array("things/key-3".utf8)
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: name) })
        bytes[place + name.count - 1] = UInt8(ascii: "9")
        writeBytes(path, bytes)
        let verified = try verify("sqlite:data")
        #expect(verified.code == EX_IOERR && verified.printed.contains("audit entry 3 was changed"), "\(verified)")
        let doctor = try CommandRun(["doctor", "--db", "sqlite:data"], settings: [:], in: directory.path)
        #expect(doctor.code == EX_IOERR && doctor.printed.contains("audit entry 3 was changed"), "\(doctor)")
    }

    @Test func `a database that is not there is told in one line`() throws {
        let verified = try verify("sqlite:nowhere")
        #expect(verified.code == EX_IOERR && verified.complaint.contains("nowhere"), "\(verified)")
    }
}
