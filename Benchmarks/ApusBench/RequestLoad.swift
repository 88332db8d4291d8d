/// Requests over connections that each have one under way: the next follows the answer at once (a closed loop).
///
/// With several sources each request is drawn from one of them, by weight. Sockets may listen meanwhile.
final class RequestLoad {
    private let server: ServerProcess
    private let sources: [any RequestSource]
    private let weights: [Int]
    private let poller: Poller
    private var generator: SeededGenerator
    private var connections: [HTTPConnection] = []
    private var listeners: Audience?
    private var watch: Watch
    private var latencies: [Latencies]
    private var eventsHeard = 0
    private var underWay = 0
    private var isIssuing = true

    convenience init(server: ServerProcess, connections count: Int, source: any RequestSource) throws {
        try self.init(server: server, connections: count, sources: [(source, 1)], seed: 1)
    }

    init(
        server: ServerProcess, connections count: Int, sources: [(source: any RequestSource, weight: Int)],
        seed: UInt64
    ) throws {
        self.server = server
        self.sources = sources.map(\.source)
        weights = sources.map(\.weight)
        generator = SeededGenerator(seed: seed)
        latencies = Array(repeating: Latencies(), count: sources.count)
        poller = try Poller()
        watch = Watch(server)
        for token in 0..<count {
            let connection = try HTTPConnection(port: server.port, sources: self.sources)
            try poller.add(connection.socket, token: token)
            connections.append(connection)
        }
    }

    /// Opens sockets that are read from while the requests go on.
    func listen(users: [String], sockets: Int) throws {
        listeners = try Audience(
            server: server, users: users, count: sockets, poller: poller, firstToken: connections.count)
    }

    /// Measures for `seconds`, after as much of the same work for `warmUp` seconds: what each source's requests came
    /// to, and the events that listening sockets got.
    func run(warmUp: Double, seconds: Double) throws -> (answers: [Measurement], events: Measurement) {
        try startAll()
        try serve(until: Moment.now.after(seconds: warmUp))
        latencies = Array(repeating: Latencies(), count: sources.count)
        eventsHeard = 0
        let meter = Meter(server, poller)
        try serve(until: Moment.now.after(seconds: seconds))
        let answers = measurements(meter)
        let events = meter.measurement(amount: eventsHeard, latencies: Latencies())
        isIssuing = false
        try serve(until: Moment.now.after(seconds: 10))
        return (answers, events)
    }

    /// Measures until the one source has no more requests; throws when that takes longer than `secondsMax`.
    func runOut(secondsMax: Double) throws -> Measurement {
        let meter = Meter(server, poller)
        try startAll()
        try serve(until: Moment.now.after(seconds: secondsMax))
        guard underWay == 0 else { throw BenchError("not done after \(Int(secondsMax)) s") }
        return measurements(meter)[0]
    }

    private func measurements(_ meter: Meter) -> [Measurement] {
        zip(sources, latencies).map { source, latencies in
            meter.measurement(amount: latencies.count * source.unitsPerRequest, latencies: latencies)
        }
    }

    private func startAll() throws {
        for (token, connection) in connections.enumerated() {
            connection.prepare(kind: drawKind())
            try startNext(on: connection, token: token)
        }
    }

    private func drawKind() -> Int {
        guard weights.count > 1 else { return 0 }
        var rest = generator.next(below: weights.reduce(0, +))
        for (kind, weight) in weights.enumerated() {
            if rest < weight { return kind }
            rest -= weight
        }
        return 0
    }

    private func serve(until deadline: Moment) throws {
        while underWay > 0 {
            let now = Moment.now
            guard now < deadline else { return }
            let count = try poller.wait(milliseconds: deadline.millisecondsLeft(from: now, limit: 100))
            if count == 0 { try watch.idle(at: .now, waitingFor: "answers") }
            for index in 0..<count { try step(poller.token(index)) }
        }
    }

    private func step(_ token: Int) throws {
        guard token < connections.count else {
            eventsHeard += try listeners?.receive(token - connections.count) ?? 0
            return
        }
        let connection = connections[token]
        do {
            if connection.isSending {
                try connection.resume()
                if !connection.isSending { try poller.watch(connection.socket, token: token, forWriting: false) }
            }
            guard try connection.receive() else { return }
        } catch {
            try server.explain(error)
        }
        let now = Moment.now
        watch.progress(at: now)
        latencies[connection.kind].record(now - connection.sentAt)
        underWay -= 1
        if isIssuing { try startNext(on: connection, token: token) }
    }

    private func startNext(on connection: HTTPConnection, token: Int) throws {
        guard connection.isPrepared else { return }
        try connection.start()
        underWay += 1
        if connection.isSending { try poller.watch(connection.socket, token: token, forWriting: true) }
        connection.prepare(kind: drawKind())
    }
}
