import ApusServer
import ArgumentParser
import FoundationEssentials
import Glibc

@main
struct Apus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "A self-hosted realtime sync database with REST and WebSocket on one port.",
        version: "apus \(Version.current)",
        subcommands: [
            ServeCommand.self, TokenCommand.self, MigrateCommand.self, BackupCommand.self, RestoreCommand.self,
            DoctorCommand.self, AuditCommand.self, VersionCommand.self,
        ],
        defaultSubcommand: ServeCommand.self)
}

/// What the process was started with.
enum Process {
    static let usageError = EX_USAGE

    static var environment: [String: String] { ProcessInfo.processInfo.environment }

    /// Prints at once, also when standard output is a file or a pipe.
    static func say(_ text: String) {
        print(text)
        fflush(nil)
    }

    /// One line on standard error; what follows is the end with `code`.
    static func complain(_ message: String, code: Int32) -> ExitCode {
        let line = Array("apus: \(message)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
        return ExitCode(code)
    }
}
