import Glibc
import Synchronization

/// The real server, listening on a port of its own on the loopback, with a database of its own.
final class RunningServer: Sendable {
    /// It did not come up; what it said instead.
    struct NotStarted: Error {
        var ending: Program.Ending?
        var printed: String
        var errors: String
    }

    let directory: ScratchDirectory
    private let settings: [String: String]
    private let run: Mutex<Run>

    private struct Run {
        var program: Program
        /// Where it listens.
        var port: Int
        /// Of a server with TLS: what speaks it for the tests' own clients.
        var tunnel: TLSTunnel?
    }

    /// - Parameters:
    ///   - overrides: settings that differ from the tests' own.
    ///   - dropsEmpty: whether an empty override means that the setting is not there at all.
    init(
        _ overrides: [String: String] = [:], dropsEmpty: Bool = false,
        in directory: ScratchDirectory = ScratchDirectory()
    ) throws {
        self.directory = directory
        settings = Self.defaults.merging(overrides) { $1 }.filter { !dropsEmpty || !$0.value.isEmpty }
        run = Mutex(try Self.start(settings, in: directory))
    }

    deinit { program.end(with: SIGKILL) }

    static let defaults = [
        "JWT_SECRET": TestSecret.jwt, "ADMIN_API_KEY": TestSecret.adminKey, "HOST": "127.0.0.1", "PORT": "0",
        "RATE_LIMIT_PER_MIN": "0", "ADMIN_RATE_LIMIT_PER_MIN": "0", "LOG_LEVEL": "warning",
    ].merging(TestStorage.current.settings) { $1 }.merging(TestCertificate.everywhere) { $1 }

    private static let common = Mutex<RunningServer?>(nil)

    /// One server with the tests' own settings for every test that needs nothing else; each uses its own users.
    static func shared() throws -> RunningServer {
        try common.withLock { server in
            if let server, server.program.isRunning { return server }
            let fresh = try RunningServer()
            if server == nil { atexit { RunningServer.common.withLock { $0 = nil } } }
            server = fresh
            return fresh
        }
    }

    var program: Program { run.withLock { $0.program } }
    /// Where HTTP/1.1 is spoken with it in the clear.
    var port: Int { run.withLock { $0.tunnel?.port ?? $0.port } }
    /// Where it listens itself; with TLS, if it was started so.
    var ownPort: Int { run.withLock { $0.port } }
    /// A port where `protocol` is spoken with a server that has TLS, in the clear.
    func tunnel(for protocol: String) throws -> TLSTunnel {
        try TLSTunnel(
            to: ownPort, authority: TestCertificate.authority(of: settings["TLS_CERT_PATH"] ?? ""), protocol: `protocol`
        )
    }

    /// Everything it has logged since it was last started.
    var errors: String { program.errors }

    /// Asks it to stop as a supervisor does.
    func terminate() -> Program.Ending? {
        program.end(with: SIGTERM)
    }

    /// Ends it without a chance to do anything.
    func kill() {
        program.end(with: SIGKILL)
    }

    enum Stop {
        /// As a supervisor asks.
        case terminate
        /// Without a chance to do anything.
        case kill
    }

    /// Stops it and starts it again on the same files.
    func restart(after stop: Stop = .terminate) throws {
        program.end(with: stop == .kill ? SIGKILL : SIGTERM)
        let next = try Self.start(settings, in: directory)
        run.withLock { $0 = next }
    }

    /// One request on a connection of its own.
    func call(
        _ method: String, _ target: String, headers: [(String, String)] = [], body: String? = nil
    ) throws -> HTTPAnswer {
        try HTTPConnection(port: port).call(method, target, headers: headers, body: body.map { Array($0.utf8) })
    }

    /// A request as an administrator.
    func admin(
        _ method: String, _ target: String, body: String? = nil, headers: [(String, String)] = []
    ) throws -> HTTPAnswer {
        var all = [("X-Admin-Api-Key", TestSecret.adminKey)]
        if body != nil { all.append(("Content-Type", "application/json")) }
        return try call(method, target, headers: all + headers, body: body)
    }

    private static func start(
        _ settings: [String: String], in directory: ScratchDirectory
    ) throws -> Run {
        let program = try Program(["serve"], environment: settings, in: directory.path)
        let end = monotonicSeconds() + patience
        while monotonicSeconds() < end {
            if let port = listeningPort(in: program.printed) {
                let chain = settings["TLS_CERT_PATH"].flatMap { $0.isEmpty ? nil : $0 }
                let tunnel = try chain.map { try TLSTunnel(to: port, authority: TestCertificate.authority(of: $0)) }
                return Run(program: program, port: port, tunnel: tunnel)
            }
            guard program.isRunning else { break }
            sleepSeconds(0.01)
        }
        let ending = program.waitForEnd(within: 0)
        throw NotStarted(ending: ending, printed: program.printed, errors: program.errors)
    }

    /// The port in the line `apus VERSION listening on http://127.0.0.1:PORT`.
    static func listeningPort(in printed: String) -> Int? {
        for line in printed.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            let words = line.split(separator: " ")
            guard words.count >= 5, words[0] == "apus", words[2] == "listening",
                let port = words[4].split(separator: ":").last
            else { continue }
            return Int(port.prefix { $0.isNumber })
        }
        return nil
    }
}
