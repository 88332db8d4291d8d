import Foundation
import Glibc
import Synchronization

/// Secrets the tests give the program; nothing is guarded by them.
enum TestSecret {
    static let jwt = "a-secret-for-tests-that-is-32-bytes-or-more"
    static let adminKey = "an-admin-key-for-tests-that-is-long-enough"
}

/// A new empty directory that goes away with its last user.
final class ScratchDirectory: Sendable {
    let path: String

    init() {
        var template = Array((P_tmpdir + "/apus-tests-XXXXXX").utf8CString)
        path = template.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, let made = mkdtemp(base) else { return "" }
            return String(cString: made)
        }
        precondition(!path.isEmpty, "no directory for a test could be made")
    }

    deinit { removeTree(path) }
}

/// Removes a directory and everything in it.
func removeTree(_ path: String) {
    try? FileManager.default.removeItem(atPath: path)
}

func readFile(_ path: String) -> [UInt8] {
    guard let file = fopen(path, "re") else { return [] }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
    return bytes
}

func writeFile(_ path: String, _ text: String) {
    guard let file = fopen(path, "we") else { return }
    fputs(text, file)
    fclose(file)
}

/// One run of the program `apus`, the one built beside this test bundle.
///
/// What it prints goes to files, so it never waits for a reader.
final class Program: Sendable {
    /// How a run ended.
    struct Ending: Equatable, Sendable {
        /// The exit code; `nil` if a signal ended it.
        var code: Int32?
        var signal: Int32?
    }

    let pid: pid_t
    private let output: ScratchDirectory
    private let ending = Mutex<Ending?>(nil)

    /// - Parameters:
    ///   - environment: everything the program sees, apart from `PATH` and what Swift needs to run.
    ///   - executable: another program, by its name or path.
    init(
        _ arguments: [String], environment: [String: String], in directory: String, executable: String = Program.path
    ) throws {
        output = ScratchDirectory()
        var environment = environment
        for name in ["PATH", "LD_LIBRARY_PATH", "SWIFT_BACKTRACE"] {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output.path + "/stdout", O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, output.path + "/stderr", O_WRONLY | O_CREAT, 0o600)
        let words = ["/bin/sh", "-c", "cd -- \"$0\" && exec \"$@\"", directory, executable] + arguments
        var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in argv + envp { free(text) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, "/bin/sh", &actions, nil, &argv, &envp)
        guard result == 0 else { throw SocketFailure.notConnected(result) }
        self.pid = pid
        Watchdog.shared.watch(pid)
    }

    deinit { end(with: SIGKILL) }

    /// Runs the program to its end.
    static func run(
        _ arguments: [String], environment: [String: String] = [:], in directory: String
    ) throws -> (ending: Ending?, output: String, errors: String) {
        let program = try Program(arguments, environment: environment, in: directory)
        let ending = program.waitForEnd()
        return (ending, program.printed, program.errors)
    }

    /// Standard output so far.
    var printed: String { String(decoding: readFile(output.path + "/stdout"), as: UTF8.self) }
    /// Standard error so far.
    var errors: String { String(decoding: readFile(output.path + "/stderr"), as: UTF8.self) }
    var isRunning: Bool { check() == nil }

    func signal(_ number: Int32) {
        ending.withLock { if $0 == nil { kill(pid, number) } }
    }

    /// `nil` if it still runs after `seconds`.
    func waitForEnd(within seconds: Double = patience) -> Ending? {
        let end = monotonicSeconds() + seconds
        while monotonicSeconds() < end {
            if let ending = check() { return ending }
            sleepSeconds(0.005)
        }
        return check()
    }

    /// Sends a signal and waits; what does not end then is killed.
    @discardableResult
    func end(with number: Int32) -> Ending? {
        signal(number)
        let result = waitForEnd()
        if result == nil {
            signal(SIGKILL)
            _ = waitForEnd()
        }
        return result
    }

    private func check() -> Ending? {
        ending.withLock { ending in
            if ending != nil { return ending }
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
            Watchdog.shared.forget(pid)
            let signal = status & 0x7F
            ending = signal == 0 ? Ending(code: status >> 8 & 0xFF) : Ending(signal: signal)
            return ending
        }
    }

    /// SwiftPM puts test bundle and programs into one directory.
    static let path: String = {
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return bundle.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/apus"
    }()
}

/// Ends what the tests started when the tests themselves are ended, however that happens.
///
/// It is a shell that holds the other end of a pipe: at its end it kills every process not taken back.
private struct Watchdog: Sendable {
    static let shared = Watchdog()
    private let pipe: Int32

    init() {
        var ends: [Int32] = [0, 0]
        guard Glibc.pipe(&ends) == 0 else {
            pipe = -1
            return
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let script = """
            trap '' INT TERM HUP; live=' '
            while read -r word pid; do
              case $word in
                watch) live="$live$pid " ;;
                forget) live="${live%% "$pid" *} ${live#* "$pid" }" ;;
              esac
            done
            for pid in $live; do kill -KILL "$pid"; done 2>/dev/null
            """
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        let words = ["/bin/sh", "-c", script]
        var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = [nil]
        var pid: pid_t = 0
        posix_spawn(&pid, "/bin/sh", &actions, nil, &argv, &envp)
        for text in argv { free(text) }
        close(ends[0])
        pipe = ends[1]
    }

    func watch(_ pid: pid_t) { say("watch \(pid)\n") }
    func forget(_ pid: pid_t) { say("forget \(pid)\n") }

    private func say(_ line: String) {
        let bytes = Array(line.utf8)
        _ = write(pipe, bytes, bytes.count)
    }
}
