import Glibc

/// One server under test and the kinds of work it can be put to; each yields one row.
struct Trial {
    static let valueBytes = 120
    static let eventValueBytes = 200

    let options: BenchOptions
    let backend: String
    let folder: Folder
    let server: ServerProcess

    /// Writes every record of the key space, four requests under way, and shows how fast that went.
    func load() throws -> Row {
        let space = options.space
        let size = Self.largestDivisor(of: space.collections * space.keys, upTo: 1000)
        let source = bulkWrites(size: size, order: .everyRecordOnce)
        let measurement = try RequestLoad(server: server, connections: 4, source: source).runOut(secondsMax: 900)
        guard measurement.amount == space.records else { throw BenchError("not every record was loaded") }
        return row("load by \(size)", measurement, unit: "rows/s")
    }

    /// Durable single writes.
    func single(connections: Int) throws -> Row {
        let source = SingleWrites(
            space: options.space, users: users, signer: server.signer, valueBytes: Self.valueBytes, seed: options.seed)
        let rawSyncs = try RawDisk.syncsPerSecond(in: folder)
        var row = try measured("single, \(connections) conn", source, connections: connections, unit: "writes/s")
        row.rawSyncs = rawSyncs
        return row
    }

    /// Bulk writes over one connection.
    func bulk(size: Int) throws -> Row {
        let source = bulkWrites(size: size, order: .random)
        let rawSyncs = try RawDisk.syncsPerSecond(in: folder)
        var row = try measured("bulk by \(size), 1 conn", source, connections: 1, unit: "rows/s")
        row.rawSyncs = rawSyncs
        return row
    }

    /// Point reads of loaded records.
    func read(connections: Int) throws -> Row {
        let source = PointReads(space: options.space, users: users, signer: server.signer, seed: options.seed)
        return try measured("read, \(connections) conn", source, connections: connections, unit: "reads/s")
    }

    /// First pages of loaded collections.
    func list(connections: Int, limit: Int) throws -> Row {
        let source = Lists(
            space: options.space, users: users, signer: server.signer, limit: limit, seed: options.seed)
        return try measured("list \(limit), \(connections) conn", source, connections: connections, unit: "lists/s")
    }

    /// Deliveries with so many events under way; with a `rate`, at so many events a second.
    func fanOut(sockets: Int, underWay: Int, rate: Double? = nil) throws -> Row {
        let pace = rate.map { " at \(decimal($0, places: 0))/s" } ?? ""
        let user = "fan-\(underWay)-\(rate == nil ? "free" : "paced")"
        let source: any RequestSource
        let space = KeySpace(users: 1, collections: 1, keys: 1000)
        if underWay == 1 {
            source = SingleWrites(
                space: space, users: [user], signer: server.signer, valueBytes: Self.eventValueBytes,
                seed: options.seed)
        } else {
            source = BulkWrites(
                space: space, users: [user], signer: server.signer, size: underWay,
                valueBytes: Self.eventValueBytes, order: .random, seed: options.seed)
        }
        let fanOut = try FanOut(server: server, user: user, sockets: sockets, source: source, isVerifying: false)
        let measurement = try fanOut.run(warmUp: options.warmUp, seconds: options.seconds, rate: rate)
        return row("fan-out \(sockets), \(underWay) under way\(pace)", measurement, unit: "deliveries/s")
    }

    /// A burst of changes, of which every socket must get every one once and in order; throws when one does not.
    func fanOutBurst(sockets: Int, changes: Int, size: Int) throws -> Row {
        let user = "fan-burst"
        let source = BulkWrites(
            space: KeySpace(users: 1, collections: 10, keys: 1000), users: [user], signer: server.signer, size: size,
            valueBytes: Self.eventValueBytes, order: .inTurn(changes: changes), seed: options.seed)
        let fanOut = try FanOut(server: server, user: user, sockets: sockets, source: source, isVerifying: true)
        let measurement = try fanOut.runOut(changes: changes)
        return row("fan-out \(sockets), \(changes) verified", measurement, unit: "deliveries/s")
    }

    /// What the server's memory grows by for each socket that is open and quiet.
    func idle(sockets: Int) throws -> Row {
        // What the first socket makes the server load is not what a socket costs.
        _ = try Audience(server: server, user: "idle", count: 1, poller: Poller())
        usleep(500_000)
        let before = server.residentBytes
        let poller = try Poller()
        let audience = try Audience(server: server, user: "idle", count: sockets, poller: poller)
        let deadline = Moment.now.after(seconds: options.seconds)
        while Moment.now < deadline {
            let count = try poller.wait(milliseconds: deadline.millisecondsLeft(from: .now, limit: 100))
            try server.checkAlive()
            for index in 0..<count { _ = try audience.receive(poller.token(index)) }
        }
        let growth = Double(server.residentBytes - before) / Double(sockets)
        var row = row("idle, \(sockets) sockets", nil, unit: "B/socket")
        row.amount = growth
        return row
    }

    private var users: [String] { (0..<options.users).map(KeySpace.user) }

    private func bulkWrites(size: Int, order: BulkWrites.Order) -> BulkWrites {
        BulkWrites(
            space: options.space, users: users, signer: server.signer, size: size, valueBytes: Self.valueBytes,
            order: order, seed: options.seed)
    }

    private func measured(
        _ work: String, _ source: any RequestSource, connections: Int, unit: String
    ) throws -> Row {
        let load = try RequestLoad(server: server, connections: connections, source: source)
        return row(work, try load.run(warmUp: options.warmUp, seconds: options.seconds), unit: unit)
    }

    private func row(_ work: String, _ measurement: Measurement?, unit: String) -> Row {
        var row = Row(backend: backend, durability: options.durability, work: work)
        row.amount = measurement?.perSecond ?? 0
        row.unit = unit
        row.measurement = measurement
        row.residentBytes = server.residentBytes
        row.diskBytes = server.folder.diskBytes
        return row
    }

    private static func largestDivisor(of number: Int, upTo limit: Int) -> Int {
        stride(from: min(number, limit), to: 0, by: -1).first { number % $0 == 0 } ?? 1
    }
}
