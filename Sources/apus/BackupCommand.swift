import ApusServer
import ApusUpkeep
import ArgumentParser

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copies the database to a folder, while the server goes on; or checks such a copy.",
        discussion: """
            The folder holds the database as of one moment, data, and manifest.json. It appears once it is whole; \
            until then there is PATH.partial.

            \(Upkeep.exitCodes)
            """)

    @Argument(help: "The folder of the backup; nothing may be there, unless with --verify.") var path: String
    @Option(help: ArgumentHelp("The database; DB_PATH unless given.", valueName: "url")) var db: String?
    @Flag(help: "Read the backup and compare it with its manifest.") var verify = false

    func validate() throws {
        if verify, db != nil { throw ValidationError("--verify reads the backup alone: it takes no --db") }
    }

    func run() throws {
        try Upkeep.run {
            let backup = Backup(at: path)
            if verify {
                let manifest = try backup.verify(finding: Upkeep.findingStorage)
                return Process.say("ok: \(path) is whole, of \(manifest.createdAt): \(manifest.counts.text)")
            }
            let storage = try Upkeep.storage(db)
            let manifest = try backup.make(of: storage, apusVersion: Version.current, createdAt: Upkeep.now)
            Process.say(
                "backed up \(storage.url) to \(path): \(manifest.bytes) bytes, \(manifest.counts.text)")
        }
    }
}

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Makes a database of a backup, where there is none.",
        discussion: """
            The database gets a new epoch: clients that knew a later state of it notice, and read everything anew.

            \(Upkeep.exitCodes)
            """)

    @Argument(help: "The folder of the backup.") var path: String
    @Option(help: ArgumentHelp("Where the database shall be; DB_PATH unless given.", valueName: "url")) var to: String?

    func run() throws {
        try Upkeep.run {
            let target = try Upkeep.storage(to)
            let manifest = try Backup(at: path).restore(to: target, makeEpoch: PluginRegistry.makeEpoch)
            Process.say("restored \(path), of \(manifest.createdAt), to \(target.url): \(manifest.counts.text)")
        }
    }
}
