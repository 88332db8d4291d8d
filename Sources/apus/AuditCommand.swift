import ApusCore
import ApusServer
import ApusUpkeep
import ArgumentParser
import Glibc

struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Looks after the audit log.", subcommands: [AuditVerifyCommand.self])
}

struct AuditVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Tells whether an audit entry was changed, removed or moved, while the server goes on.",
        discussion: """
            Each entry holds the hash of the one before. Whoever can write the database can make a new chain, so note \
            the head's number and hash elsewhere now and then: the entry of that number must have that hash later.

            Changes nothing. Exit codes: 0 if nothing is wrong, 74 if something is, 78 for a wrong URL.
            """)

    @Option(help: ArgumentHelp("The database; DB_PATH unless given.", valueName: "url")) var db: String?

    func run() throws {
        try Upkeep.run {
            let storage = try Upkeep.storage(db)
            let report = try AuditVerification(of: storage).run()
            guard report.findings.count > 0 else { return Process.say(text(of: report, storage)) }
            for finding in report.findings.texts { Process.say(finding) }
            if report.findings.countBeyond > 0 { Process.say("and \(report.findings.countBeyond) more") }
            throw ExitCode(EX_IOERR)
        }
    }

    private func text(of report: AuditVerification.Report, _ storage: NamedStorage) -> String {
        let ledger = report.ledger ?? AuditLedger()
        var lines = ["ok: \(storage.url): \(report.entries) audit entries"]
        if let first = report.first, let last = report.last {
            lines[0] += ", \(first.number) of \(first.at.text) to \(last.number) of \(last.at.text)"
        }
        if ledger.expiredThrough > 0 { lines.append("dropped for their age: entries up to \(ledger.expiredThrough)") }
        if let from = report.chainedFrom {
            lines.append("each holds the hash of the one before, from entry \(from) on")
        } else if report.entries > 0 {
            lines.append("none holds the hash of the one before yet: an earlier version wrote them")
        }
        lines.append("head: \(ledger.number) \(ledger.hash.text)")
        return lines.joined(separator: "\n")
    }
}
