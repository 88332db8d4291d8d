import Glibc

/// A running server that is put to work over real sockets.
final class ServerTrial: Trial {
    let options: BenchOptions
    let server: ServerProcess
    private let variant: Variant
    private let limits: RawLimits

    init(options: BenchOptions, variant: Variant, server: ServerProcess, limits: RawLimits) {
        self.options = options
        self.variant = variant
        self.server = server
        self.limits = limits
    }

    func rows(of work: Work) throws -> [Row] {
        switch work {
        case .load: [try load()]
        case .upsert(let size): [try upsert(size: size)]
        case .single(let clients): [try single(clients: clients)]
        case .read(let clients): [try read(clients: clients)]
        case .list(let clients, let limit): [try list(clients: clients, limit: limit)]
        case .mixed(let clients, let listeners): try mixed(clients: clients, listeners: listeners)
        case .resume(let sockets, let changes): [try resume(sockets: sockets, changes: changes)]
        case .fanOut(let sockets, let underWay, let rate):
            [try fanOut(sockets: sockets, underWay: underWay, rate: rate)]
        case .fanOutBurst(let sockets, let changes, let size):
            [try fanOutBurst(sockets: sockets, changes: changes, size: size)]
        case .idle(let sockets): [try idle(sockets: sockets)]
        case .slow(let reading): try slow(reading)
        case .scopes(let sockets, let subscribed, let underWay):
            try scopes(sockets: sockets, subscribed: subscribed, underWay: underWay)
        }
    }

    func row(_ work: Work, _ measurement: Measurement?, unit: String, part: String = "") -> Row {
        var row = Row(variant: variant, work: work, part: part)
        row.amount = measurement?.perSecond ?? 0
        row.unit = unit
        row.measurement = measurement
        row.residentBytes = server.residentBytes
        row.diskBytes = server.folder.diskBytes
        return row
    }
}

// MARK: - Requests

extension ServerTrial {
    private var users: [String] { (0..<options.users).map(KeySpace.user) }

    /// Writes every record of the key space, four requests under way, and shows how fast that went.
    private func load() throws -> Row {
        let space = options.space
        let source = bulkWrites(size: space.loadSize, order: .everyRecordOnce)
        let measurement = try RequestLoad(server: server, connections: 4, source: source).runOut(secondsMax: 900)
        guard measurement.amount == space.records else { throw BenchError("not every record was loaded") }
        return row(.load, measurement, unit: "rows/s")
    }

    private func upsert(size: Int) throws -> Row {
        let work = Work.upsert(size: size)
        var row = row(work, try measurement(bulkWrites(size: size, order: .random), clients: 1), unit: "rows/s")
        row.raw = try limits.raw(for: work)
        return row
    }

    private func single(clients: Int) throws -> Row {
        let work = Work.single(clients: clients)
        let rawSyncs = try RawDisk.syncsPerSecond(in: server.folder, seconds: 0.5)
        var row = row(work, try measurement(singleWrites, clients: clients), unit: "writes/s")
        row.rawSyncs = variant.durability == "none" ? nil : rawSyncs
        row.raw = try limits.raw(for: work)
        return row
    }

    private func read(clients: Int) throws -> Row {
        let work = Work.read(clients: clients)
        var row = row(work, try measurement(pointReads, clients: clients), unit: "reads/s")
        row.raw = try limits.raw(for: work)
        return row
    }

    private func list(clients: Int, limit: Int) throws -> Row {
        let work = Work.list(clients: clients, limit: limit)
        var row = row(work, try measurement(lists(limit: limit), clients: clients), unit: "lists/s")
        row.raw = try limits.raw(for: work)
        return row
    }

    private func mixed(clients: Int, listeners: Int) throws -> [Row] {
        let work = Work.mixed(clients: clients, listeners: listeners)
        let load = try RequestLoad(
            server: server, connections: clients,
            sources: [
                (pointReads, Mix.reads), (singleWrites, Mix.writes), (lists(limit: Mix.listLimit), Mix.lists),
            ], seed: options.seed)
        if listeners > 0 { try load.listen(users: users, sockets: listeners) }
        let outcome = try load.run(warmUp: options.warmUp, seconds: options.seconds)
        let kinds = [("reads", "reads/s"), ("writes", "writes/s"), ("lists", "lists/s")]
        var rows = zip(kinds, outcome.answers).map { row(work, $1, unit: $0.1, part: $0.0) }
        if listeners > 0 { rows.append(row(work, outcome.events, unit: "deliveries/s", part: "events")) }
        return rows
    }

    private var pointReads: PointReads {
        PointReads(space: options.space, users: users, signer: server.signer, seed: options.seed)
    }

    private var singleWrites: SingleWrites {
        SingleWrites(
            space: options.space, users: users, signer: server.signer, valueBytes: KeySpace.valueBytes,
            seed: options.seed)
    }

    private func lists(limit: Int) -> Lists {
        Lists(space: options.space, users: users, signer: server.signer, limit: limit, seed: options.seed)
    }

    private func bulkWrites(size: Int, order: BulkWrites.Order) -> BulkWrites {
        BulkWrites(
            space: options.space, users: users, signer: server.signer, size: size, valueBytes: KeySpace.valueBytes,
            order: order, seed: options.seed)
    }

    private func measurement(_ source: any RequestSource, clients: Int) throws -> Measurement {
        let load = try RequestLoad(server: server, connections: clients, source: source)
        return try load.run(warmUp: options.warmUp, seconds: options.seconds).answers[0]
    }
}

// MARK: - Sockets

extension ServerTrial {
    /// Deliveries with so many events under way; with a `rate`, at so many events a second.
    private func fanOut(sockets: Int, underWay: Int, rate: Double?) throws -> Row {
        let work = Work.fanOut(sockets: sockets, underWay: underWay, rate: rate)
        let user = "fan-\(sockets)-\(underWay)-\(rate == nil ? "free" : "paced")"
        let source = FanOut.source(user: user, underWay: underWay, signer: server.signer, seed: options.seed)
        let fanOut = try FanOut(server: server, user: user, sockets: sockets, source: source, isVerifying: false)
        let measurement = try fanOut.run(warmUp: options.warmUp, seconds: options.seconds, rate: rate)
        var row = row(work, measurement, unit: "deliveries/s")
        row.raw = try limits.raw(for: work)
        return row
    }

    /// A burst of changes, of which every socket must get every one once and in order; throws when one does not.
    private func fanOutBurst(sockets: Int, changes: Int, size: Int) throws -> Row {
        let work = Work.fanOutBurst(sockets: sockets, changes: changes, size: size)
        let user = "fan-burst"
        let source = BulkWrites(
            space: KeySpace(users: 1, collections: 10, keys: 1000), users: [user], signer: server.signer, size: size,
            valueBytes: KeySpace.eventValueBytes, order: .inTurn(changes: changes), seed: options.seed)
        let fanOut = try FanOut(server: server, user: user, sockets: sockets, source: source, isVerifying: true)
        return row(work, try fanOut.runOut(changes: changes), unit: "deliveries/s")
    }

    /// Sockets that open again and again and catch up with a user's last changes, each of another record.
    private func resume(sockets: Int, changes: Int) throws -> Row {
        let work = Work.resume(sockets: sockets, changes: changes)
        let user = "back-\(changes)"
        let (space, written) = KeySpace.ofOneUser(changes: changes)
        let source = BulkWrites(
            space: space, users: [user], signer: server.signer, size: min(written, 1000),
            valueBytes: KeySpace.valueBytes, order: .inTurn(changes: written), seed: options.seed)
        _ = try RequestLoad(server: server, connections: 1, source: source).runOut(secondsMax: 60)
        let resumption = try Resumption(
            server: server, user: user, sockets: sockets, since: written - changes, changes: changes)
        let measurement = try resumption.run(warmUp: options.warmUp, seconds: options.seconds)
        var row = row(work, measurement, unit: "changes/s")
        row.raw = try limits.raw(for: work)
        return row
    }

    /// What the server's memory grows by for each socket that is open and quiet.
    private func idle(sockets: Int) throws -> Row {
        // What the first socket makes the server load is not what a socket costs.
        _ = try Audience(server: server, users: ["idle"], count: 1, poller: Poller())
        usleep(500_000)
        let before = server.residentBytes
        let poller = try Poller()
        let audience = try Audience(server: server, users: ["idle"], count: sockets, poller: poller)
        let deadline = Moment.now.after(seconds: options.seconds)
        while Moment.now < deadline {
            let count = try poller.wait(milliseconds: deadline.millisecondsLeft(from: .now, limit: 100))
            try server.checkAlive()
            for index in 0..<count { _ = try audience.receive(poller.token(index)) }
        }
        let growth = Double(server.residentBytes - before) / Double(sockets)
        var row = row(.idle(sockets: sockets), nil, unit: "B/socket")
        row.amount = growth
        return row
    }
}
