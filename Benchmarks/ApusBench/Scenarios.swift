import ArgumentParser

/// A fan-out during which some of the sockets stop reading.
struct SlowReading: Hashable {
    var sockets: Int
    /// How many of them stop.
    var stopped: Int
    /// How long they do.
    var seconds: Double
    var valueBytes: Int
    var underWay: Int
    /// Events a second; `nil` is as fast as they are delivered.
    var rate: Double?

    var name: String {
        "slow \(stopped) of \(sockets), \(underWay) under way" + (rate.map { " at \(decimal($0, places: 0))/s" } ?? "")
    }

    var command: String {
        "slow --sockets \(sockets) --stopped \(stopped) --stop-seconds \(decimal(seconds, places: 0))"
            + " --value-bytes \(valueBytes) --under-way \(underWay)"
            + (rate.map { " --rate \(decimal($0, places: 0))" } ?? " --rate 0")
    }
}

/// Sockets that stop reading.
struct SlowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slow", abstract: "One user's changes to many sockets, of which some stop reading and come back.")

    @OptionGroup var options: BenchOptions

    @Option(help: "Sockets of the user.")
    var sockets = 1000

    @Option(help: "How many of them stop. (default: a tenth)")
    var stopped: Int?

    @Option(help: "How long they do not read.")
    var stopSeconds = 25.0

    @Option(help: "Bytes of each value. (default: 1000 as fast as they are delivered, 16000 at a rate)")
    var valueBytes: Int?

    @Option(help: "Events written at a time, as fast as they are delivered; 0 leaves that row out.")
    var underWay = 8

    @Option(help: "Events a second, written one at a time; 0 leaves that row out. (default: 20,000 / sockets)")
    var rate: Double?

    mutating func validate() throws {
        try checkSockets([sockets])
        guard sockets > 1, (1..<sockets).contains(stoppedCount) else {
            throw ValidationError("--stopped 1 to sockets - 1")
        }
        guard !options.inProcess else { throw ValidationError("slow is about sockets: not with --in-process") }
        guard (1...600).contains(stopSeconds) else { throw ValidationError("--stop-seconds 1 to 600") }
        guard valueBytes.map((40...1_000_000).contains) ?? true else {
            throw ValidationError("--value-bytes 40 to 1000000")
        }
        guard (0...1000).contains(underWay) else { throw ValidationError("--under-way 0 to 1000") }
        guard rate.map((0...1_000_000).contains) ?? true else { throw ValidationError("--rate 0 to 1000000") }
    }

    private var stoppedCount: Int { stopped ?? max(1, sockets / 10) }

    func run() throws {
        var reading = SlowReading(
            sockets: sockets, stopped: stoppedCount, seconds: stopSeconds, valueBytes: valueBytes ?? 1000,
            underWay: underWay)
        var works: [Work] = underWay > 0 ? [.slow(reading)] : []
        // Large enough for those who stopped to fall behind what the kernel and the server keep for them.
        reading.valueBytes = valueBytes ?? 16_000
        reading.underWay = 1
        reading.rate = rate ?? max(1, 20_000 / Double(sockets))
        if reading.rate != 0 { works.append(.slow(reading)) }
        // Each counts its user's changes from the first, and memory from the same beginning.
        try Session(options).run(works.map { [$0] })
    }
}

/// Sockets that listen to other collections.
struct ScopesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scopes",
        abstract: "Changes of one collection, alone and among many sockets subscribed to collections nobody writes.")

    @OptionGroup var options: BenchOptions

    @Option(help: "Sockets of the user, each with a subscription of its own.")
    var sockets = 10_000

    @Option(help: "How many of them subscribe to the collection that is written.")
    var subscribed = 10

    @Option(parsing: .upToNextOption, help: "Events written at a time, each time when every subscriber has the last.")
    var underWay = [8, 1]

    mutating func validate() throws {
        try checkSockets([sockets])
        guard (1..<sockets).contains(subscribed) else { throw ValidationError("--subscribed 1 to sockets - 1") }
        guard !options.inProcess else { throw ValidationError("scopes is about sockets: not with --in-process") }
        guard underWay.allSatisfy((1...1000).contains) else { throw ValidationError("--under-way 1 to 1000") }
    }

    func run() throws {
        try Session(options).run([
            underWay.map { .scopes(sockets: sockets, subscribed: subscribed, underWay: $0) }
        ])
    }
}

// MARK: - At work

extension ServerTrial {
    /// The same load while all read, while some do not, and when those are back: what that does to the others, and
    /// whether anyone missed anything.
    func slow(_ reading: SlowReading) throws -> [Row] {
        let work = Work.slow(reading)
        let user = "slow"
        // Each change is of another record, so that who comes back can be shown to have missed none.
        let source = BulkWrites(
            space: KeySpace(users: 1, collections: 100, keys: 1_000_000), users: [user], signer: server.signer,
            size: reading.underWay, valueBytes: reading.valueBytes, order: .inTurn(changes: .max), seed: options.seed)
        let others = reading.sockets - reading.stopped
        let fanOut = try FanOut(server: server, user: user, sockets: others, source: source, isVerifying: true)
        let laggards = try Laggards(
            server: server, user: user, count: reading.stopped, poller: fanOut.poller, firstToken: fanOut.freeToken)
        fanOut.onOther = { token in try laggards.receive(token) }

        var all = [try fanOut.run(warmUp: options.warmUp, seconds: options.seconds, rate: reading.rate)]
        let before = server.residentBytes
        try server.forgetPeak()
        try laggards.stop()
        let rest = try fanOut.run(warmUp: 0, seconds: reading.seconds, rate: reading.rate)
        let peak = server.peakResidentBytes
        let stopped = row(work, rest, unit: "deliveries/s", part: "\(reading.stopped) stopped")
        let outcome = try laggards.catchUp(to: fanOut.written)
        // Once more, because machines change by the second, and to see that who came back gets what is written then.
        all.append(try fanOut.run(warmUp: options.warmUp, seconds: options.seconds, rate: reading.rate))
        try laggards.stop()
        let end = try laggards.catchUp(to: fanOut.written)
        guard end.closedAsSlow + end.closedSilently == 0 else {
            throw BenchError("some who came back were closed again")
        }

        func ratio(_ name: String, _ percent: Double) -> Row {
            let base = all.reduce(0) { $0 + Double($1.latencies.percentile(percent)) } / Double(all.count)
            return figure(work, Double(rest.latencies.percentile(percent)) / max(1, base), "x", name)
        }
        return [
            row(work, all[0], unit: "deliveries/s", part: "none stopped"), stopped,
            row(work, all[1], unit: "deliveries/s", part: "none any more"),
            ratio("p50 of the others, stopped / none", 50), ratio("p99 of the others, stopped / none", 99),
            figure(work, Double(outcome.closedAsSlow), "sockets", "saw 1013"),
            figure(work, Double(outcome.closedSilently), "sockets", "saw the end only"),
            figure(work, Double(outcome.stayed), "sockets", "were not closed"),
            figure(work, Double(outcome.resumed), "sockets", "resumed without a gap"),
            figure(work, Double(before) / 1e6, "MB", "memory before"),
            figure(work, Double(peak) / 1e6, "MB", "memory at its peak"),
        ]
    }

    /// Changes of one collection to those who subscribed to it, first alone and then among others.
    func scopes(sockets: Int, subscribed: Int, underWay: Int) throws -> [Row] {
        let work = Work.scopes(sockets: sockets, subscribed: subscribed, underWay: underWay)
        let user = "scopes-\(underWay)"
        let source = FanOut.source(user: user, underWay: underWay, signer: server.signer, seed: options.seed)
        let fanOut = try FanOut(
            server: server, user: user, sockets: subscribed, source: source, isVerifying: false,
            collection: KeySpace.collection(0))
        let alone = try events(fanOut, of: subscribed)
        let firstToken = fanOut.freeToken
        let quiet = try Audience(
            server: server, users: [user], count: sockets - subscribed, poller: fanOut.poller,
            firstToken: firstToken, collection: { number in "quiet-\(number)" })
        fanOut.onOther = { token in
            guard try quiet.receive(token - firstToken) == 0 else {
                throw BenchError("an event came to a socket that had not subscribed to its collection")
            }
        }
        let among = try events(fanOut, of: subscribed)
        let ratio = among.perSecond / max(1e-9, alone.perSecond)
        let tail = Double(among.latencies.percentile(99)) / Double(max(1, alone.latencies.percentile(99)))
        return [
            row(work, alone, unit: "events/s", part: "\(subscribed) alone"),
            row(work, among, unit: "events/s", part: "among \(sockets)"),
            figure(work, ratio, "x", "events/s, among / alone"), figure(work, tail, "x", "p99, among / alone"),
        ]
    }

    /// A measurement of a fan-out that counts what was written and not what was delivered.
    private func events(_ fanOut: FanOut, of sockets: Int) throws -> Measurement {
        var measurement = try fanOut.run(warmUp: options.warmUp, seconds: options.seconds, rate: nil)
        measurement.amount /= sockets
        return measurement
    }

    private func figure(_ work: Work, _ amount: Double, _ unit: String, _ part: String) -> Row {
        var row = row(work, nil, unit: unit, part: part)
        row.amount = amount
        return row
    }
}
