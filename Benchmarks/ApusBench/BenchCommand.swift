import ArgumentParser

/// `apus-bench`: starts a server, loads it, measures it, stops it, and prints a table.
@main
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-bench",
        abstract: "Measures a server of its own: starts it, loads it, stops it, and prints a table.",
        subcommands: [
            UpsertCommand.self, ReadCommand.self, ListCommand.self, MixedCommand.self, ResumeCommand.self,
            FanOutCommand.self, IdleCommand.self, SlowCommand.self, ScopesCommand.self, AllCommand.self,
            BareSenderCommand.self,
        ],
        defaultSubcommand: AllCommand.self)
}

/// Every kind of work.
struct AllCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "all", abstract: "Every kind of work, one table.")

    @OptionGroup var options: BenchOptions

    @Option(parsing: .upToNextOption, help: "Sockets of the fan-outs.")
    var subscribers = [100, 1000, 5000]

    @Option(help: "Sockets of the paced and of the verified fan-out and of the idle row.")
    var sockets = 1000

    mutating func validate() throws { try checkSockets(subscribers + [sockets]) }

    func run() throws {
        let perUser = options.collections * options.keys
        let stored: [Work] =
            [.read(clients: 64), .list(clients: 64, limit: 100), .single(clients: 64), .single(clients: 1)]
            + [1, 10, 100, 1000].filter { $0 <= perUser }.map { .upsert(size: $0) }
            + [.mixed(clients: 64, listeners: 100), .resume(sockets: 16, changes: 10)]
            + [.resume(sockets: 16, changes: 1000)]
        let pushed: [Work] =
            subscribers.flatMap { sockets in
                [8, 1].map { Work.fanOut(sockets: sockets, underWay: $0, rate: nil) }
            } + [.fanOut(sockets: sockets, underWay: 1, rate: max(1, 20_000 / Double(sockets)))]
        try Session(options).run([
            stored, pushed, [.fanOutBurst(sockets: sockets, changes: 10_000, size: 1000)], [.idle(sockets: sockets)],
        ])
    }
}
