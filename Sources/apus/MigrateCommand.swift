import ApusCore
import ApusServer
import ApusUpkeep
import ArgumentParser
import Glibc

struct MigrateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Copies a whole database into a new one, of the same or another kind.",
        discussion: """
            Neither may be in use. Change numbers, times, tokens, the audit log and the epoch stay as they are: \
            clients go on where they were. An interrupted migration is finished with --resume; until then no server \
            serves its target. At the end both are read again and compared.

            URLs are written like DB_PATH.

            \(Upkeep.exitCodes)
            """)

    enum ProgressStyle: String, ExpressibleByArgument, CaseIterable {
        case auto, json, none
    }

    @Option(help: ArgumentHelp("The database to copy.", valueName: "url")) var from: String
    @Option(help: ArgumentHelp("Where to copy it to; nothing may be there.", valueName: "url")) var to: String
    @Flag(help: "Go on with a migration that was interrupted.") var resume = false
    @Option(
        help: "What to show on standard error: a bar if it is a terminal (auto), a JSON object a line, or nothing.")
    var progress = ProgressStyle.auto

    func run() throws {
        try Upkeep.run {
            let source = try PluginRegistry.standard.storage(StorageURL(from))
            let target = try PluginRegistry.standard.storage(StorageURL(to))
            let start = ContinuousClock.now
            let outcome = try migrate(source, target, start: start)
            tell(outcome, source, target, seconds: (ContinuousClock.now - start) / .seconds(1))
        }
    }

    private func migrate(
        _ source: NamedStorage, _ target: NamedStorage, start: ContinuousClock.Instant
    ) throws -> Migration.Outcome {
        var meter = ProgressMeter(style: style)
        defer { write(meter.ending) }
        return try Migration(from: source, to: target, resumes: resume).run { progress in
            if let text = meter.text(for: progress, at: ContinuousClock.now - start) { write(text) }
        }
    }

    private var style: ProgressMeter.Style {
        switch progress {
        case .auto: isatty(STDERR_FILENO) == 1 ? .bar : .none
        case .json: .json
        case .none: .none
        }
    }

    private func tell(_ outcome: Migration.Outcome, _ source: NamedStorage, _ target: NamedStorage, seconds: Double) {
        let tally: RowTally
        let summary: String
        switch outcome {
        case .done(let found, let epoch):
            tally = found
            let tenths = Int(seconds * 10)
            summary =
                "migrated \(source.url) to \(target.url): \(found.counts.total) rows in "
                + "\(tenths / 10).\(tenths % 10) s, epoch \(epoch.text)"
        case .nothingToDo(let found):
            tally = found
            summary = "migrating \(source.url) to \(target.url) is already complete: nothing was written"
        }
        for storage in [source, target] {
            Process.say("\(storage.url): \(tally.counts.text); digest \(tally.digestText)")
        }
        Process.say(summary)
    }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}
