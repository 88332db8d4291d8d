import ApusCore
import ApusServer
import ApusUpkeep
import ArgumentParser
import Glibc

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Reads the whole database and tells what is wrong with it, while the server goes on.",
        discussion: """
            Prints ok, or up to \(Findings.shownMax) findings, one a line, and how many more there are. Changes nothing.

            Exit codes: 0 if nothing is wrong, 74 if something is, 78 for a wrong URL.
            """)

    @Option(help: ArgumentHelp("The database; DB_PATH unless given.", valueName: "url")) var db: String?

    func run() throws {
        try Upkeep.run {
            let storage = try Upkeep.storage(db)
            let report = try Checkup(of: storage).run()
            guard report.findings.count > 0 else {
                return Process.say(
                    "ok: \(storage.url), epoch \(report.description.epoch.text): \(report.counts.text)\n"
                        + "checked: files and indexes, names, change numbers, times, values as JSON, "
                        + "records by key, counts, devices, tokens, revocations and the audit log")
            }
            for finding in report.findings.texts { Process.say(finding) }
            if report.findings.countBeyond > 0 { Process.say("and \(report.findings.countBeyond) more") }
            throw ExitCode(EX_IOERR)
        }
    }
}
