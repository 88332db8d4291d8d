import Glibc
import Testing

/// Starting, refusing to start, and what a newcomer sees.
@Suite(.serialized) struct StartTests {
    private let directory = ScratchDirectory()

    /// Runs `apus serve` to its end with settings that must keep it from starting.
    private func refused(
        _ overrides: [String: String], without removed: [String] = [], code: Int32,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        var settings = RunningServer.defaults.merging(overrides) { $1 }
        for name in removed { settings[name] = nil }
        let program = try Program(["serve"], environment: settings, in: directory.path)
        let didEnd = eventually(within: patience) {
            !program.isRunning || RunningServer.listeningPort(in: program.printed) != nil
        }
        let ending = didEnd ? program.waitForEnd(within: 1) : nil
        program.end(with: SIGKILL)
        #expect(ending == Program.Ending(code: code), "\(program.errors)", sourceLocation: sourceLocation)
        #expect(!program.printed.contains("listening"), sourceLocation: sourceLocation)
        let lines = program.errors.split(separator: "\n")
        #expect(lines.count == 1, "\(program.errors)", sourceLocation: sourceLocation)
        #expect(!program.errors.contains(TestSecret.jwt), sourceLocation: sourceLocation)
        #expect(!program.errors.contains(TestSecret.adminKey), sourceLocation: sourceLocation)
        return program.errors
    }

    @Test func `a secret of less than 32 bytes is refused by name`() throws {
        #expect(try refused(["JWT_SECRET": String(repeating: "s", count: 31)], code: 78).contains("JWT_SECRET"))
        let server = try RunningServer(["JWT_SECRET": String(repeating: "s", count: 32)])
        #expect(try server.call("GET", "/health").status == 200)
    }

    @Test func `without secrets it does not start on an address others can reach, and says what to set`() throws {
        let names = ["JWT_SECRET", "ADMIN_API_KEY"]
        let told = try refused(["HOST": "0.0.0.0"], without: names, code: 78)
        #expect(told.contains("JWT_SECRET"))
        #expect(readFile(directory.path + "/.env").isEmpty)
        #expect(try refused(["HOST": "0.0.0.0"], without: ["ADMIN_API_KEY"], code: 78).contains("ADMIN_API_KEY"))
    }

    @Test(arguments: [
        ("DB_DURABILITY", "sometimes"), ("PORT", "eighty"), ("PORT", "65536"), ("PORT", "-1"),
        ("RATE_LIMIT_PER_MIN", "-1"), ("RATE_LIMIT_PER_MIN", "many"), ("ADMIN_RATE_LIMIT_PER_MIN", "1.5"),
        ("TOKEN_TTL_SECONDS", "0"), ("TOKEN_TTL_SECONDS", "x"), ("CLEANUP_INTERVAL_MS", "0"),
        ("CLEANUP_INTERVAL_MS", "soon"), ("TOMBSTONE_TTL_DAYS", "-3"), ("AUDIT_LOG_TTL_DAYS", "x"),
        ("LOG_LEVEL", "loud"), ("ADMIN_IP_ALLOWLIST", "everybody"), ("ADMIN_IP_ALLOWLIST", "10.0.0.0/33"),
        ("TRUSTED_PROXIES", "300.1.1.1"), ("WS_BUFFER_BYTES", "-5"), ("WS_BUFFER_BYTES", "1MiB"),
    ])
    func `a setting that cannot be read stops the start and is named`(name: String, value: String) throws {
        #expect(try refused([name: value], code: 78).contains(name))
    }

    @Test func `a port in use is told and is 78`() throws {
        let server = try RunningServer.shared()
        #expect(try refused(["PORT": "\(server.port)"], code: 78).contains("\(server.port)"))
        #expect(try server.call("GET", "/health").status == 200)
    }

    @Test func `a database that is none is told and is 74, and left as it was`() throws {
        let path = directory.path + "/notes.txt"
        let text = String(repeating: "these are my notes\n", count: 1000)
        writeFile(path, text)
        _ = try refused(["DB_PATH": path], code: 74)
        #expect(String(decoding: readFile(path), as: UTF8.self) == text)
        _ = try refused(["DB_PATH": directory.path], code: 74)
        _ = try refused(["DB_PATH": directory.path + "/nowhere/data.db"], code: 74)
        _ = try refused(["DB_PATH": "/proc/data.db"], code: 74)
    }

    @Test func `a second server on the same database is refused`() throws {
        let server = try RunningServer()
        let path = server.directory.path + "/data.db"
        let program = try Program(
            ["serve"], environment: RunningServer.defaults.merging(["DB_PATH": path]) { $1 }, in: directory.path)
        #expect(program.waitForEnd(within: 10) == Program.Ending(code: 74))
        try TestUser(server).mustSet("k", "1")
    }

    @Test func `a database in memory keeps nothing and needs no file`() throws {
        let server = try RunningServer(["DB_PATH": "memory:"])
        let user = TestUser(server)
        let epoch = try server.epoch()
        try user.mustSet("k", "1")
        try server.restart()
        #expect(try user.get("k").status == 404)
        #expect(try server.epoch() != epoch)
        #expect(readFile(server.directory.path + "/data.db").isEmpty)
    }

    @Test func `the file .env counts more than the environment, and a flag more than both`() throws {
        writeFile(directory.path + "/.env", "# settings\nTOKEN_TTL_SECONDS=111\n\nRATE_LIMIT_PER_MIN=\"0\"\n")
        let server = try RunningServer(["TOKEN_TTL_SECONDS": "222"], in: directory)
        let token = try #require(
            try server.admin("POST", "/v1/admin/users", body: #"{"user_id":"u"}"#).json()["token"].text)
        let claims = try Token.payload(of: token)
        #expect(try #require(claims["exp"].int) - (try #require(claims["iat"].int)) == 111)
        writeFile(directory.path + "/.env", "DB_DURABILITY=sometimes\n")
        #expect(try refused([:], code: 78).contains("DB_DURABILITY"))
    }

    @Test func `the first start on the loopback makes secrets for itself and shows three commands that work`() throws {
        let server = try RunningServer(["JWT_SECRET": "", "ADMIN_API_KEY": ""], dropsEmpty: true, in: directory)
        let file = directory.path + "/.env"
        var details = stat()
        #expect(stat(file, &details) == 0 && details.st_mode & 0o777 == 0o600)
        let text = String(decoding: readFile(file), as: UTF8.self)
        #expect(text.contains("JWT_SECRET=") && text.contains("ADMIN_API_KEY="))
        let commands = server.program.printed.split(separator: "\n").filter { $0.hasPrefix("curl ") }
        try #require(commands.count == 3)
        #expect(try Shell.run(String(commands[0]), in: directory.path).contains("\"applied\":true"))
        #expect(try Shell.run(String(commands[1]), in: directory.path).contains(#"{"mode":"dark"}"#))
        #expect(try Shell.run("timeout 3 \(commands[2])", in: directory.path).contains("\"hello\""))
        for secret in text.split(separator: "\n").compactMap({ $0.split(separator: "=").last }) where secret.count > 20
        {
            #expect(!server.program.printed.contains(secret) && !server.errors.contains(secret))
        }
        try server.restart()
        #expect(String(decoding: readFile(file), as: UTF8.self) == text)
        let again = server.program.printed.split(separator: "\n").filter { $0.hasPrefix("curl ") }
        #expect(try Shell.run(String(again[1]), in: directory.path).contains(#"{"mode":"dark"}"#))
    }

    @Test func `the program tells its version and how it is used`() throws {
        let version = try Program.run(["version"], in: directory.path)
        #expect(version.ending?.code == 0 && version.output.hasPrefix("apus "))
        let help = try Program.run(["--help"], in: directory.path)
        #expect(help.ending?.code == 0 && help.output.contains("serve") && help.output.contains("token"))
        let wrong = try Program.run(["dance"], in: directory.path)
        #expect(wrong.ending?.code != 0 && !wrong.errors.isEmpty)
    }

    @Test func `a token made on the command line is good`() throws {
        let server = try RunningServer.shared()
        let run = try Program.run(["token", "u-cli"], environment: ["JWT_SECRET": TestSecret.jwt], in: directory.path)
        #expect(run.ending?.code == 0, "\(run.errors)")
        let token = String(run.output.filter { !$0.isWhitespace })
        #expect(try TestUser(server, id: "u-cli", token: token).list().status == 200)
    }
}
