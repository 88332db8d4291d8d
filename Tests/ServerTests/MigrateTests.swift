import Glibc
import Testing

/// The kinds of storages that keep what is written.
let keptKinds = ["sqlite", "lmdb"]

/// From and to each of them.
let keptPairs = keptKinds.flatMap { from in keptKinds.map { (from, $0) } }

@Suite(.serialized) struct MigrateTests {
    private let directory = ScratchDirectory()

    private func migrate(_ from: String, _ to: String, _ more: String...) throws -> CommandRun {
        try CommandRun(["migrate", "--from", from, "--to", to] + more, in: directory.path)
    }

    @Test(arguments: keptPairs)
    func `clients of a migrated server go on where they were`(from: String, to: String) throws {
        let server = try RunningServer(["DB_PATH": "\(from):old"], in: directory)
        let user = TestUser(server)
        for key in ["a", "b", "c"] { try user.mustSet(key, "1") }
        #expect(try user.delete("b").status == 200)
        let once = [("Idempotency-Key", "once")]
        let answer = try user.set("d", "[1, 2]", headers: once).text
        let cursor = try #require(
            try user.list(query: "?updated_since=2024-01-01T00:00:00Z").json()["next_cursor"].text)
        let hello = try user.socket().next()
        let (epoch, position) = (try #require(hello["epoch"].text), try #require(hello["seq"].int))
        let revoked = try server.admin("POST", "/v1/admin/users", body: #"{"user_id":"gone"}"#).json()["token"].text
        #expect(try server.admin("POST", "/v1/admin/users/gone/revoke").status == 200)
        #expect(server.terminate() == Program.Ending(code: 0))

        let run = try migrate("\(from):old", "\(to):new")
        #expect(run.code == 0 && run.errors.isEmpty, "\(run)")
        let lines = run.printed.split(separator: "\n")
        #expect(lines.count == 3 && lines[2].hasPrefix("migrated \(from):old to \(to):new: "), "\(run.printed)")
        #expect(
            lines[0].contains("records 4") && lines[0].split(separator: ":").last == lines[1].split(separator: ":").last
        )
        let again = try migrate("\(from):old", "\(to):new", "--resume")
        #expect(again.code == 0 && again.printed.contains("already complete"))

        let next = try RunningServer(["DB_PATH": "\(to):new"], in: directory)
        let same = TestUser(next, id: user.id)
        let replay = try same.set("d", "[1, 2]", headers: once)
        #expect(replay.text == answer && replay["idempotency-replayed"] == "true")
        try same.mustSet("e", "5")
        let socket = try same.listening("&since=\(position)&epoch=\(epoch)")
        let change = try socket.next()
        #expect(change["seq"].int == position + 1 && change["data"]["key"].text == "e")
        #expect(try socket.next()["type"].text == "current")
        #expect(keys(try same.list(query: "?updated_since=\(encoded(cursor))").json()) == ["e"])
        let all = try same.list(query: "?updated_since=2024-01-01T00:00:00Z").json()
        #expect(keys(all) == ["a", "c", "b", "d", "e"] && sequences(all) == [1, 3, 4, 5, 6])
        let gone = TestUser(next, id: "gone", token: try #require(revoked))
        try expectProblem(try gone.list(), 401, "token-revoked")
    }

    @Test(arguments: keptPairs)
    func `kill -9 in the middle, again and again, costs nothing but time`(from: String, to: String) throws {
        let server = try RunningServer(["DB_PATH": "\(from):old"], in: directory)
        for _ in 0..<2 {
            let user = TestUser(server)
            #expect(try user.bulk((0..<10_000).map { item("k\($0)", "\"value \($0)\"") }).status == 200)
        }
        #expect(server.terminate() == Program.Ending(code: 0))
        var kills = 0
        while kills < 3 {
            let arguments = [
                "migrate", "--from", "\(from):old", "--to", "\(to):new", "--resume", "--progress", "json",
            ]
            let program = try Program(arguments, environment: [:], in: directory.path)
            #expect(eventually { program.errors.contains("copying") || !program.isRunning })
            program.signal(SIGKILL)
            guard program.waitForEnd() == Program.Ending(signal: SIGKILL) else { break }
            kills += 1
            let refused = try CommandRun(
                ["serve", "--db-path", "\(to):new"], settings: RunningServer.defaults, in: directory.path)
            #expect(refused.code == 74 && refused.complaint.contains("--resume"), "\(refused)")
            #expect(try migrate("\(from):old", "\(to):new").complaint.contains("--resume"))
            #expect(try CommandRun(["doctor", "--db", "\(to):new"], in: directory.path).code == 74)
        }
        #expect(kills > 0)
        let run = try migrate("\(from):old", "\(to):new", "--resume", "--progress", "json")
        #expect(run.code == 0, "\(run)")
        let lines = try run.errors.split(separator: "\n").map { try JSON(String($0)) }
        #expect(lines.last?["phase"].text == "comparing" && lines.last?["rows"].int == lines.last?["total"].int)
        let tallies = run.printed.split(separator: "\n").prefix(2).map { $0.split(separator: ";").last }
        #expect(tallies.count == 2 && tallies[0] == tallies[1] && run.printed.contains("records 20000"))
        #expect(try CommandRun(["doctor", "--db", "\(to):new"], in: directory.path).code == 0)
    }

    @Test(arguments: keptKinds)
    func `what cannot be migrated is told in one line, and nothing is touched`(_ kind: String) throws {
        let server = try RunningServer(["DB_PATH": "\(kind):live"], in: directory)
        let user = TestUser(server)
        for number in 0..<200 { try user.mustSet("k\(number)", "\"\(String(repeating: "v", count: 200))\"") }
        func refused(
            _ from: String, _ to: String, _ code: Int32, _ told: String...,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let run = try migrate(from, to)
            #expect(run.code == code && run.printed.isEmpty, "\(run)", sourceLocation: sourceLocation)
            for text in told { #expect(run.complaint.contains(text), "\(run)", sourceLocation: sourceLocation) }
        }
        try refused("\(kind):live", "\(kind):new", 74, "live", "in use")
        try refused("\(kind):nowhere", "\(kind):new", 74, "nowhere", "no such file")
        try refused("\(kind):\(directory.path)", "\(kind):new", 74, directory.path)
        try refused("carrier-pigeon:a", "\(kind):new", 74, "carrier-pigeon:a", "no such file")
        try refused("pigeon:a", "\(kind):new", 78, "pigeon")
        try refused("\(kind):live", "pigeon:a", 78, "pigeon")
        try refused("memory:", "\(kind):new", 78, "memory:")
        #expect(server.terminate() == Program.Ending(code: 0))
        try refused("\(kind):live", "memory:", 78, "memory:")
        try refused("\(kind):live", "\(kind):./live", 78, "itself")
        try refused("\(kind):live", "\(kind):nowhere/new", 74, "nowhere/new")
        try refused("\(kind):live", "\(kind):\(directory.path)", 74, directory.path)
        try refused("\(kind):live", "\(kind):/proc/new", 74, "/proc/new")
        let whole = readFile(directory.path + "/live")
        #expect(rename(directory.path + "/live", directory.path + "/kept") == 0)
        writeBytes(directory.path + "/cut", Array(whole[..<(whole.count / 2)]))
        writeBytes(directory.path + "/text", Array(repeating: 65, count: 20_000))
        try refused("\(kind):text", "\(kind):new", 74, "text")
        try refused("\(kind):cut", "\(kind):new2", 74, "cut")
        #expect(readFile(directory.path + "/cut") == Array(whole[..<(whole.count / 2)]))
        writeFile(directory.path + "/mine", "these are my notes\n")
        try refused("\(kind):kept", "\(kind):mine", 74, "mine")
        #expect(readFile(directory.path + "/mine") == Array("these are my notes\n".utf8))
        #expect(readFile(directory.path + "/kept") == whole)
    }
}

/// A command that was run to its end.
struct CommandRun: CustomStringConvertible {
    let code: Int32?
    let printed: String
    let errors: String

    init(_ arguments: [String], settings: [String: String] = [:], in directory: String) throws {
        let run = try Program.run(arguments, environment: settings, in: directory)
        (code, printed, errors) = (run.ending?.code, run.output, run.errors)
    }

    var description: String { "\(code.map(String.init) ?? "no exit code"): \(printed)\(errors)" }

    /// The one line on standard error; empty if it is not one line.
    var complaint: String {
        let lines = errors.split(separator: "\n")
        return lines.count == 1 && lines[0].hasPrefix("apus: ") ? String(lines[0]) : ""
    }
}

func writeBytes(_ path: String, _ bytes: [UInt8]) {
    guard let file = fopen(path, "we") else { return }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
}
