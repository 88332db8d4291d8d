import ArgumentParser

/// Durable writes.
struct UpsertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upsert", abstract: "Bulk writes over one connection, and single writes over one and many.")

    @OptionGroup var options: BenchOptions

    @Option(parsing: .upToNextOption, help: "Items a bulk, all of one user; one row each. (default: 1 10 100 1000)")
    var sizes: [Int] = []

    @Option(parsing: .upToNextOption, help: "Connections with single writes; one row each. (default: 64 1)")
    var clients: [Int] = []

    mutating func validate() throws {
        try checkClients(clients)
        guard sizes.allSatisfy((1...min(10_000, options.collections * options.keys)).contains) else {
            throw ValidationError("--sizes 1 to 10000, and not more than a user has keys")
        }
    }

    func run() throws {
        let isDefault = sizes.isEmpty && clients.isEmpty
        let perUser = options.collections * options.keys
        let allSizes = isDefault ? [1, 10, 100, 1000].filter { $0 <= perUser } : sizes
        let singles = (isDefault ? [64, 1] : clients).map(Work.single)
        try Session(options).run([singles + allSizes.map { .upsert(size: $0) }])
    }
}

/// Point reads.
struct ReadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "read", abstract: "Point reads of loaded records.")

    @OptionGroup var options: BenchOptions

    @Option(parsing: .upToNextOption, help: "Connections, each with one request under way; one row each.")
    var clients = [64]

    mutating func validate() throws { try checkClients(clients) }

    func run() throws { try Session(options).run([clients.map(Work.read)]) }
}

/// Lists.
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "First pages of loaded collections.")

    @OptionGroup var options: BenchOptions

    @Option(parsing: .upToNextOption, help: "Connections, each with one request under way; one row each.")
    var clients = [64]

    @Option(help: "Records a page.")
    var limit = 100

    mutating func validate() throws {
        try checkClients(clients)
        guard (1...1000).contains(limit) else { throw ValidationError("--limit 1 to 1000") }
    }

    func run() throws { try Session(options).run([clients.map { .list(clients: $0, limit: limit) }]) }
}

/// Reads, writes and lists at once.
struct MixedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mixed",
        abstract: "\(Mix.reads) % reads, \(Mix.writes) % writes and \(Mix.lists) % lists, while sockets listen.")

    @OptionGroup var options: BenchOptions

    @Option(help: "Connections, each with one request under way.")
    var clients = 64

    @Option(help: "Sockets that get the changes, shared out among the users.")
    var listeners = 100

    mutating func validate() throws {
        try checkClients([clients])
        guard (0...20_000).contains(listeners) else { throw ValidationError("--listeners 0 to 20000") }
    }

    func run() throws { try Session(options).run([[.mixed(clients: clients, listeners: listeners)]]) }
}

/// Sockets that catch up.
struct ResumeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Sockets that come back with since=… and catch up with what they missed.")

    @OptionGroup var options: BenchOptions

    @Option(help: "Sockets that come back again and again.")
    var sockets = 16

    @Option(parsing: .upToNextOption, help: "Changes each has missed; one row each.")
    var changes = [10, 1000]

    mutating func validate() throws {
        try checkSockets([sockets])
        guard changes.allSatisfy((1...10_000).contains) else { throw ValidationError("--changes 1 to 10000") }
    }

    func run() throws { try Session(options).run([changes.map { .resume(sockets: sockets, changes: $0) }]) }
}

/// Fan-out.
struct FanOutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fanout", abstract: "One user's changes to many sockets of that user.")

    @OptionGroup var options: BenchOptions

    @Option(parsing: .upToNextOption, help: "Sockets; rows for each.")
    var sockets = [100, 1000, 5000]

    @Option(parsing: .upToNextOption, help: "Events written at a time, each time when every socket has the last.")
    var underWay = [8, 1]

    @Option(help: "Events a second; without it, as fast as they are delivered.")
    var rate: Double?

    @Option(help: "Instead: write so many changes as fast as possible and check that each came once and in order.")
    var changes: Int?

    @Option(help: "Items a request with --changes.")
    var size = 1000

    mutating func validate() throws {
        try checkSockets(sockets)
        guard !options.inProcess else { throw ValidationError("fanout is about sockets: not with --in-process") }
        guard underWay.allSatisfy((1...1000).contains) else { throw ValidationError("--under-way 1 to 1000") }
        guard rate.map((0.1...1_000_000).contains) ?? true else { throw ValidationError("--rate 0.1 to 1000000") }
        guard (1...10_000).contains(size) else { throw ValidationError("--size 1 to 10000") }
        if let changes, changes < size || changes > 10_000_000 || changes % size != 0 {
            throw ValidationError("--changes: a multiple of --size, at most 10000000")
        }
    }

    func run() throws {
        let works = sockets.flatMap { sockets -> [Work] in
            if let changes { return [.fanOutBurst(sockets: sockets, changes: changes, size: size)] }
            return underWay.map { .fanOut(sockets: sockets, underWay: $0, rate: rate) }
        }
        // A burst counts its user's changes from the first, so each needs a server of its own.
        try Session(options).run(changes == nil ? [works] : works.map { [$0] })
    }
}

/// Memory of idle sockets.
struct IdleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "idle", abstract: "Memory of idle sockets.")

    @OptionGroup var options: BenchOptions

    @Option(help: "Sockets.")
    var sockets = 1000

    mutating func validate() throws {
        try checkSockets([sockets])
        guard !options.inProcess else { throw ValidationError("idle is about sockets: not with --in-process") }
    }

    func run() throws { try Session(options).run([[.idle(sockets: sockets)]]) }
}

private func checkClients(_ clients: [Int]) throws {
    guard clients.allSatisfy((1...10_000).contains) else { throw ValidationError("--clients 1 to 10000") }
}

func checkSockets(_ sockets: [Int]) throws {
    guard sockets.allSatisfy((1...20_000).contains) else { throw ValidationError("1 to 20000 sockets") }
}
