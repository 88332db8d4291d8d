import Glibc
import Synchronization
import Testing

@Suite(.serialized) struct BackupTests {
    private let directory = ScratchDirectory()

    private func run(_ arguments: String..., settings: [String: String] = [:]) throws -> CommandRun {
        try CommandRun(arguments, settings: settings, in: directory.path)
    }

    @Test(arguments: keptKinds)
    func `a backup made while clients write is whole, and restored it resets the clients that knew more`(
        _ kind: String
    ) throws {
        let settings = ["DB_PATH": "\(kind):data"]
        let server = try RunningServer(settings, in: directory)
        let user = TestUser(server)
        let written = Mutex(0)
        let isOver = Mutex(false)
        let writers = Background {
            try inParallel(4) { writer in
                for step in 0..<5000 where !isOver.withLock({ $0 }) {
                    try user.mustSet("w\(writer)-\(step)", "\(step)")
                    written.withLock { $0 += 1 }
                }
            }
        }
        for number in 0..<3 {
            #expect(eventually { written.withLock { $0 } > 50 * (number + 1) })
            let made = try run("backup", "b\(number)", settings: settings)
            #expect(made.code == 0 && made.errors.isEmpty && made.printed.contains("b\(number)"), "\(made)")
            let doctor = try run("doctor", "--db", "\(kind):data")
            #expect(doctor.code == 0 && doctor.printed.hasPrefix("ok: "), "\(doctor)")
        }
        isOver.withLock { $0 = true }
        _ = try writers.wait()
        let hello = try user.socket().next()
        let (epoch, position) = (try #require(hello["epoch"].text), try #require(hello["seq"].int))
        #expect(server.terminate() == Program.Ending(code: 0))

        for number in 0..<3 { #expect(try run("backup", "--verify", "b\(number)").code == 0) }
        let count = try #require(
            try JSON(readFile(directory.path + "/b1/manifest.json"))["counts"]["records"].int)
        let restored = try run("restore", "b1", "--to", "\(kind):again")
        #expect(restored.code == 0 && restored.printed.contains("records \(count)"), "\(restored)")

        let next = try RunningServer(["DB_PATH": "\(kind):again"], in: directory)
        let same = TestUser(next, id: user.id)
        let socket = try same.listening("&since=\(position)&epoch=\(epoch)")
        #expect(try socket.next()["type"].text == "reset")
        let messages = try socket.messages { $0["type"].text == "current" }
        #expect(messages.dropLast().map { $0["seq"].int ?? 0 } == Array(1...count))
        #expect(try next.epoch() != epoch)
    }

    @Test(arguments: keptKinds)
    func `after kill -9 a backup or restored database is whole or not there, and the next run succeeds`(
        _ kind: String
    ) throws {
        let server = try RunningServer(["DB_PATH": "\(kind):data"], in: directory)
        #expect(try TestUser(server).bulk((0..<10_000).map { item("k\($0)", "\"value \($0)\"") }).status == 200)
        func killed(_ arguments: [String], onceThereIs name: String) throws {
            let program = try Program(arguments, environment: [:], in: directory.path)
            let path = directory.path + "/" + name
            #expect(eventually { access(path, F_OK) == 0 || !program.isRunning })
            program.end(with: SIGKILL)
        }
        for (number, name) in ["", "/unfinished", "/data", "/data"].enumerated() {
            let (backup, restored) = ("b\(number)", "again\(number)")
            try killed(["backup", backup, "--db", "\(kind):data"], onceThereIs: backup + ".partial" + name)
            if access(directory.path + "/" + backup, F_OK) != 0 {
                #expect(try run("backup", backup, "--db", "\(kind):data").code == 0)
            }
            #expect(try run("backup", "--verify", backup).printed.contains("records 10000"))
            try killed(["restore", backup, "--to", "\(kind):\(restored)"], onceThereIs: restored + ".restoring" + name)
            if access(directory.path + "/" + restored, F_OK) != 0 {
                #expect(try run("restore", backup, "--to", "\(kind):\(restored)").code == 0)
            }
            #expect(try run("doctor", "--db", "\(kind):\(restored)").printed.contains("records 10000"))
        }
    }

    @Test func `the database of the settings is meant unless another is named, and no secret is needed`() throws {
        writeFile(directory.path + "/.env", "DB_PATH=mine.db\n")
        let server = try RunningServer(in: directory)
        try TestUser(server).mustSet("k", "1")
        #expect(try run("backup", "b").printed.contains("records 1"))
        #expect(try run("doctor").printed.contains("sqlite:mine.db"))
        #expect(try run("doctor", "--db", "nowhere.db").code == 74)
        #expect(server.terminate() == Program.Ending(code: 0))
        let refused = try run("restore", "b")
        #expect(refused.code == 74 && refused.complaint.contains("mine.db"), "\(refused)")
        for suffix in ["", "-wal", "-shm", "-lock"] { unlink(directory.path + "/mine.db" + suffix) }
        #expect(try run("restore", "b").code == 0)
        #expect(try run("doctor").code == 0)
        #expect(readFile(directory.path + "/.env") == Array("DB_PATH=mine.db\n".utf8))
    }

    @Test(arguments: keptKinds)
    func `what cannot be backed up, checked or restored is told in one line`(_ kind: String) throws {
        let server = try RunningServer(["DB_PATH": "\(kind):data"], in: directory)
        try TestUser(server).mustSet("k", "1")
        #expect(try run("backup", "b", "--db", "\(kind):data").code == 0)
        func refused(
            _ arguments: String..., code: Int32 = 74, told: String, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let run = try CommandRun(arguments, in: directory.path)
            #expect(run.code == code && run.printed.isEmpty, "\(run)", sourceLocation: sourceLocation)
            #expect(run.complaint.contains(told), "\(run)", sourceLocation: sourceLocation)
        }
        let live = "\(kind):data"
        writeFile(directory.path + "/text", String(repeating: "notes\n", count: 5000))
        try refused("backup", "b", "--db", live, told: "something at b")
        try refused("backup", "c", "--db", "\(kind):nowhere", told: "nowhere")
        try refused("backup", "c", "--db", "\(kind):text", told: "text")
        try refused("backup", "c", "--db", "\(kind):.", told: "directory")
        try refused("backup", "c", "--db", "pigeon:x", code: 78, told: "pigeon")
        try refused("backup", "c", "--db", "memory:", code: 78, told: "memory:")
        try refused("backup", "nowhere/c", "--db", live, told: "nowhere/c")
        try refused("backup", "/proc/c", "--db", live, told: "/proc/c")
        try refused("backup", "--verify", "nowhere", told: "nowhere")
        try refused("restore", "nowhere", "--to", "\(kind):new", told: "nowhere")
        try refused("restore", "b", "--to", live, told: "data")
        try refused("restore", "b", "--to", "\(kind):.", told: ".")
        try refused("restore", "b", "--to", "\(kind):nowhere/new", told: "nowhere/new")
        try refused("restore", "b", "--to", "memory:", code: 78, told: "migrate")
        try refused("doctor", "--db", "\(kind):text", told: "text")
        try refused("doctor", "--db", "\(kind):.", told: "directory")
        try refused("doctor", "--db", "pigeon:x", code: 78, told: "pigeon")
        var bytes = readFile(directory.path + "/b/data")
        bytes[bytes.count / 2] ^= 1
        writeBytes(directory.path + "/b/data", bytes)
        try refused("backup", "--verify", "b", told: "SHA-256")
        try refused("restore", "b", "--to", "\(kind):new", told: "SHA-256")
        for name in ["c", "c.partial", "new", "new.restoring"] {
            #expect(access(directory.path + "/" + name, F_OK) != 0, "\(name)")
        }
        try TestUser(server).mustSet("k", "2")
    }

    @Test func `flipped bytes are found by the doctor, who tells where`() throws {
        let server = try RunningServer(in: directory)
        let user = TestUser(server)
        #expect(try user.bulk((0..<2000).map { item("k\($0)", "\"value \($0)\"") }).status == 200)
        #expect(server.terminate() == Program.Ending(code: 0))
        #expect(try run("doctor").code == 0)
        var bytes = readFile(directory.path + "/data.db")
        for page in 20..<30 { for byte in 0..<64 { bytes[page * 4096 + byte] ^= 0xFF } }
        writeBytes(directory.path + "/data.db", bytes)
        let run = try run("doctor")
        #expect(run.code == 74 && run.errors.isEmpty, "\(run)")
        let lines = run.printed.split(separator: "\n")
        #expect(!lines.isEmpty && lines.count <= 101 && !run.printed.contains("ok"), "\(run)")
        #expect(try CommandRun(["migrate", "--from", "data.db", "--to", "new.db"], in: directory.path).code == 74)
        #expect(readFile(directory.path + "/data.db") == bytes)
    }
}
