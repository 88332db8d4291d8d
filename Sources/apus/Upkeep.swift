import ApusCore
import ApusServer
import ApusUpkeep
import Glibc

/// What the commands share that look after databases.
enum Upkeep {
    static let exitCodes =
        "Exit codes: 0 if all went well, 74 if a file or database cannot be used, 78 for a wrong URL."

    static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Runs a command; what goes wrong is one line on standard error and an exit code.
    static func run(_ body: () throws -> Void) throws {
        // A copy of a database is nobody else's to read either.
        umask(0o077)
        do {
            try body()
        } catch let error as ApusError {
            let failure = StartFailure(error)
            throw Process.complain(failure.message, code: failure.exitCode)
        } catch let error as SettingsError {
            throw Process.complain(error.message, code: SettingsError.exitCode)
        }
    }

    /// What a command was told to work on; `DB_PATH` if nothing.
    static func storage(_ url: String?) throws -> NamedStorage {
        let place = try url.map { StorageURL($0) } ?? Settings.database(environment: Process.environment)
        return try PluginRegistry.standard.storage(place)
    }

    static let findingStorage: Backup.Finding = { kind, path throws(ApusError) in
        try PluginRegistry.standard.storage(StorageURL(name: kind, path: path))
    }
}
