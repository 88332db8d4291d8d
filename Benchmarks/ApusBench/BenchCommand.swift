import ArgumentParser

/// `apus-bench`: starts a server, loads it, measures it, stops it, and prints a table.
@main
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-bench",
        abstract: "Measures a server of its own: starts it, loads it, stops it, and prints a table.",
        subcommands: [
            SingleCommand.self, BulkCommand.self, ReadCommand.self, ListCommand.self, FanOutCommand.self,
            IdleCommand.self, AllCommand.self,
        ])
}

/// Durable single writes.
struct SingleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "single", abstract: "Durable single writes.")

    @OptionGroup var options: BenchOptions

    @Option(parsing: .upToNextOption, help: "Connections, each with one request under way; one row each.")
    var connections = [64, 1]

    mutating func validate() throws { try checkConnections(connections) }

    func run() throws { try Session(options).run([(true, connections.map(Session.Work.single))]) }
}

/// Bulk writes.
struct BulkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bulk", abstract: "Bulk writes over one connection.")

    @OptionGroup var options: BenchOptions

    @Option(help: "Items a request, all of one user.")
    var size = 1000

    mutating func validate() throws {
        guard (1...min(10_000, options.collections * options.keys)).contains(size) else {
            throw ValidationError("--size 1 to 10000, and not more than a user has keys")
        }
    }

    func run() throws { try Session(options).run([(true, [.bulk(size: size)])]) }
}

/// Point reads.
struct ReadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "read", abstract: "Point reads of loaded records.")

    @OptionGroup var options: BenchOptions

    @Option(parsing: .upToNextOption, help: "Connections, each with one request under way; one row each.")
    var connections = [64]

    mutating func validate() throws { try checkConnections(connections) }

    func run() throws { try Session(options).run([(true, connections.map(Session.Work.read))]) }
}

/// Lists.
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "First pages of loaded collections.")

    @OptionGroup var options: BenchOptions

    @Option(parsing: .upToNextOption, help: "Connections, each with one request under way; one row each.")
    var connections = [64]

    @Option(help: "Records a page.")
    var limit = 100

    mutating func validate() throws {
        try checkConnections(connections)
        guard (1...1000).contains(limit) else { throw ValidationError("--limit 1 to 1000") }
    }

    func run() throws {
        try Session(options).run([(true, connections.map { .list(connections: $0, limit: limit) })])
    }
}

/// Fan-out.
struct FanOutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fanout", abstract: "One user's changes to many sockets of that user.")

    @OptionGroup var options: BenchOptions

    @Option(help: "Sockets.")
    var sockets = 1000

    @Option(parsing: .upToNextOption, help: "Events written at a time, each time when every socket has the last.")
    var underWay = [8, 1]

    @Option(help: "Events a second; without it, as fast as they are delivered.")
    var rate: Double?

    @Option(help: "Instead: write so many changes as fast as possible and check that each came once and in order.")
    var changes: Int?

    @Option(help: "Items a request with --changes.")
    var size = 1000

    mutating func validate() throws {
        guard (1...20_000).contains(sockets) else { throw ValidationError("--sockets 1 to 20000") }
        guard underWay.allSatisfy((1...1000).contains) else { throw ValidationError("--under-way 1 to 1000") }
        guard rate.map((0.1...1_000_000).contains) ?? true else { throw ValidationError("--rate 0.1 to 1000000") }
        guard (1...10_000).contains(size) else { throw ValidationError("--size 1 to 10000") }
        if let changes, changes < size || changes > 10_000_000 || changes % size != 0 {
            throw ValidationError("--changes: a multiple of --size, at most 10000000")
        }
    }

    func run() throws {
        if let changes {
            let work = Session.Work.fanOutBurst(sockets: sockets, changes: changes, size: size)
            try Session(options).run([(false, [work])])
        } else {
            let works = underWay.map { Session.Work.fanOut(sockets: sockets, underWay: $0, rate: rate) }
            try Session(options).run([(false, works)])
        }
    }
}

/// Memory of idle sockets.
struct IdleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "idle", abstract: "Memory of idle sockets.")

    @OptionGroup var options: BenchOptions

    @Option(help: "Sockets.")
    var sockets = 1000

    mutating func validate() throws {
        guard (1...20_000).contains(sockets) else { throw ValidationError("--sockets 1 to 20000") }
    }

    func run() throws { try Session(options).run([(false, [.idle(sockets: sockets)])]) }
}

/// Every kind of work.
struct AllCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "all", abstract: "Every kind of work, one table.")

    @OptionGroup var options: BenchOptions

    @Option(help: "Sockets of the fan-out and of the idle row.")
    var sockets = 1000

    mutating func validate() throws {
        guard (1...20_000).contains(sockets) else { throw ValidationError("--sockets 1 to 20000") }
    }

    func run() throws {
        let bulkSize = min(1000, options.collections * options.keys)
        let stored: [Session.Work] = [
            .read(connections: 64), .list(connections: 64, limit: 100), .single(connections: 64),
            .single(connections: 1), .bulk(size: bulkSize),
        ]
        let pushed: [Session.Work] = [
            .fanOut(sockets: sockets, underWay: 8), .fanOut(sockets: sockets, underWay: 1),
            .fanOut(sockets: sockets, underWay: 1, rate: max(1, 20_000 / Double(sockets))),
        ]
        try Session(options).run([
            (true, stored), (false, pushed),
            (false, [.fanOutBurst(sockets: sockets, changes: 10_000, size: 1000)]), (false, [.idle(sockets: sockets)]),
        ])
    }
}

private func checkConnections(_ connections: [Int]) throws {
    guard connections.allSatisfy((1...10_000).contains) else { throw ValidationError("--connections 1 to 10000") }
}

extension Session.Work {
    fileprivate static func single(connections: Int) -> Self {
        Self(name: "single") { try $0.single(connections: connections) }
    }

    fileprivate static func bulk(size: Int) -> Self {
        Self(name: "bulk") { try $0.bulk(size: size) }
    }

    fileprivate static func read(connections: Int) -> Self {
        Self(name: "read") { try $0.read(connections: connections) }
    }

    fileprivate static func list(connections: Int, limit: Int) -> Self {
        Self(name: "list") { try $0.list(connections: connections, limit: limit) }
    }

    fileprivate static func fanOut(sockets: Int, underWay: Int, rate: Double? = nil) -> Self {
        Self(name: "fan-out") { try $0.fanOut(sockets: sockets, underWay: underWay, rate: rate) }
    }

    fileprivate static func fanOutBurst(sockets: Int, changes: Int, size: Int) -> Self {
        Self(name: "fan-out, verified") { try $0.fanOutBurst(sockets: sockets, changes: changes, size: size) }
    }

    fileprivate static func idle(sockets: Int) -> Self {
        Self(name: "idle") { try $0.idle(sockets: sockets) }
    }
}
