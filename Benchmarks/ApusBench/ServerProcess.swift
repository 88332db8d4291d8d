import Glibc
import Synchronization

/// The process id of the server under test, so that a signal to this program ends that one too; 0 without one.
private let runningServer = Atomic<pid_t>(0)

/// The server under test: the real program, as a child process with a database of its own.
final class ServerProcess: Subject {
    /// What the server is started with.
    struct Plan {
        let program: String
        /// What follows the program's name.
        var arguments: [String] = []
        let backend: String
        let durability: String
        let eventLoops: Int
        /// `NAME=value`, after and over our own settings.
        let environment: [String]
        let isPinned: Bool
        /// Whether it ends by itself when this program does.
        var seesToItsEnd = false
    }

    let folder: Folder
    let signer: TokenSigner
    private(set) var port: UInt16 = 0
    private let process: pid_t
    private var exitStatus: Int32?

    /// Starts the program in a new folder and waits, at most 30 s, until it says where it listens.
    init(_ plan: Plan, in parent: Folder) throws {
        let data: Folder = try parent.makeRunFolder()
        folder = data
        signer = TokenSigner(secret: "apus-bench-secret-of-more-than-32-bytes")
        let calls = try LinuxCalls()
        do {
            // The child inherits the core, and so do the threads it starts before anyone could pin them.
            if plan.isPinned { try calls.pin(toCore: 0) }
            process = try Self.spawn(plan, in: data, secret: signer.secret)
            if plan.isPinned { try calls.pin(toCore: 1) }
        } catch {
            data.remove()
            throw error
        }
        if !plan.seesToItsEnd { runningServer.store(process, ordering: .sequentiallyConsistent) }
        do {
            port = try awaitPort()
        } catch {
            _ = try? stop()
            data.remove()
            throw error
        }
    }

    /// Ends the child when this program is told to end.
    static func endWithUs() {
        _ = runningServer.load(ordering: .relaxed)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { received in
                let process = runningServer.load(ordering: .sequentiallyConsistent)
                if process > 0 { kill(process, SIGTERM) }
                _exit(128 + received)
            }
        }
    }

    /// Whether the server was still running when last looked at.
    var isRunning: Bool { exitStatus == nil }

    /// Throws, with the end of the server's log, when the server is no longer running.
    func checkAlive() throws {
        guard exitStatus == nil else { return }
        var status: Int32 = 0
        guard waitpid(process, &status, WNOHANG) == process else { return }
        exitStatus = status
        forget()
        throw BenchError("the server ended (\(Self.words(status))). Its last words:\n\(lastWords)")
    }

    /// Throws why the server ended, if that is why a connection broke; else the error as it is.
    func explain(_ error: any Error) throws {
        usleep(100_000)
        try checkAlive()
        throw error
    }

    /// Asks the server to end with SIGTERM and says how it did; after 20 s it is killed, and that is an error.
    func stop() throws {
        guard exitStatus == nil else { return }
        kill(process, SIGTERM)
        let deadline = Moment.now.after(seconds: 20)
        var isKilled = false
        while exitStatus == nil {
            var status: Int32 = 0
            if waitpid(process, &status, isKilled ? 0 : WNOHANG) == process {
                exitStatus = status
            } else if Moment.now > deadline {
                kill(process, SIGKILL)
                isKilled = true
            } else {
                usleep(10_000)
            }
        }
        forget()
        if isKilled { throw BenchError("the server did not end within 20 s of SIGTERM and was killed") }
        if let status = exitStatus, status != 0 {
            throw BenchError("after SIGTERM the server ended with \(Self.words(status)). Its last words:\n\(lastWords)")
        }
    }

    /// Of this process, which does nothing but ask.
    var clientProcessorSeconds: Double { Moment.processorSeconds }

    /// User and system CPU time so far, in seconds; the kernel counts it in hundredths.
    var processorSeconds: Double {
        guard let text = fileText("/proc/\(process)/stat"), let name = text.lastIndex(of: ")") else { return 0 }
        let fields = text[text.index(after: name)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) / Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    }

    /// Memory that is resident now.
    var residentBytes: Int { ResidentMemory.bytes(ofProcess: "\(process)") }

    /// The most memory that was resident since the start or ``forgetPeak()``.
    var peakResidentBytes: Int { ResidentMemory.peakBytes(ofProcess: "\(process)") }

    func forgetPeak() throws { try ResidentMemory.forgetPeak(ofProcess: "\(process)") }

    /// The last lines the server wrote to its log.
    var lastWords: String {
        String((fileText(folder.path + "/server.err") ?? "").suffix(2000))
    }

    private func forget() {
        _ = runningServer.compareExchange(expected: process, desired: 0, ordering: .sequentiallyConsistent)
    }

    private func awaitPort() throws -> UInt16 {
        let deadline = Moment.now.after(seconds: 30)
        while Moment.now < deadline {
            try checkAlive()
            // A line counts when it is whole: half a port number is a number too.
            let lines = (fileText(folder.path + "/server.out") ?? "").split(
                separator: "\n", omittingEmptySubsequences: false)
            for line in lines.dropLast() where line.contains(" listening on http://127.0.0.1:") {
                if let digits = line.split(separator: ":").last, let port = UInt16(digits) { return port }
            }
            usleep(5_000)
        }
        throw BenchError("the server did not say where it listens within 30 s. Its last words:\n\(lastWords)")
    }

    private static func words(_ status: Int32) -> String {
        let number = status & 0x7F
        return number == 0 ? "exit code \((status >> 8) & 0xFF)" : "signal \(number)"
    }
}

extension ServerProcess {
    /// Starts the program with the folder as its current one, so that no `.env` file of ours reaches it.
    private static func spawn(_ plan: Plan, in folder: Folder, secret: String) throws -> pid_t {
        let program = try Folder.absolute(plan.program)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let output = O_WRONLY | O_CREAT | O_TRUNC
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, folder.path + "/server.out", output, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, folder.path + "/server.err", output, 0o600)

        var arguments = ([program] + plan.arguments).map { strdup($0) } + [nil]
        var settings = environment(plan, in: folder, secret: secret).map { strdup($0) } + [nil]
        defer { (arguments + settings).forEach { free($0) } }

        let here = open(".", O_RDONLY | O_CLOEXEC)
        defer {
            fchdir(here)
            close(here)
        }
        guard here >= 0, chdir(folder.path) == 0 else { throw BenchError.system("chdir \(folder.path)") }
        var process: pid_t = 0
        let outcome = posix_spawn(&process, program, &actions, nil, &arguments, &settings)
        guard outcome == 0 else { throw BenchError("\(program): \(String(cString: strerror(outcome)))") }
        return process
    }

    private static func environment(_ plan: Plan, in folder: Folder, secret: String) -> [String] {
        var settings: [String: String] = [:]
        for name in ["PATH", "HOME", "LD_LIBRARY_PATH"] {
            if let value = getenv(name) { settings[name] = String(cString: value) }
        }
        settings["JWT_SECRET"] = secret
        settings["ADMIN_API_KEY"] = "apus-bench-admin-key-of-more-than-32-bytes"
        settings["HOST"] = "127.0.0.1"
        settings["PORT"] = "0"
        settings["RATE_LIMIT_PER_MIN"] = "0"
        settings["ADMIN_RATE_LIMIT_PER_MIN"] = "0"
        settings["LOG_LEVEL"] = "warning"
        settings["EVENT_LOOPS"] = "\(plan.eventLoops)"
        settings["DB_PATH"] = plan.backend == "memory" ? "memory:" : "\(plan.backend):\(folder.path)/bench.db"
        if plan.durability != "none" { settings["DB_DURABILITY"] = plan.durability }
        for setting in plan.environment {
            let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if let name = parts.first { settings[String(name)] = parts.count > 1 ? String(parts[1]) : "" }
        }
        return settings.map { "\($0.key)=\($0.value)" }
    }
}
