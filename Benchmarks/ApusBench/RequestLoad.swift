/// Requests over connections that each have one under way: the next follows the answer at once (a closed loop).
final class RequestLoad {
    private let server: ServerProcess
    private let source: any RequestSource
    private let poller: Poller
    private var connections: [HTTPConnection] = []
    private var watch: Watch
    private var latencies = Histogram()
    private var answered = 0
    private var underWay = 0
    private var isIssuing = true

    init(server: ServerProcess, connections count: Int, source: any RequestSource) throws {
        self.server = server
        self.source = source
        poller = try Poller()
        watch = Watch(server)
        for token in 0..<count {
            let connection = try HTTPConnection(
                port: server.port, requestBytesMax: source.requestBytesMax, expecting: source.expectedBeginning)
            try poller.add(connection.socket, token: token)
            connections.append(connection)
        }
    }

    /// Measures for `seconds`, after as much of the same work for `warmUp` seconds.
    func run(warmUp: Double, seconds: Double) throws -> Measurement {
        try startAll()
        try serve(until: Moment.now.after(seconds: warmUp))
        latencies = Histogram()
        answered = 0
        let meter = Meter(server, poller)
        try serve(until: Moment.now.after(seconds: seconds))
        let measurement = meter.measurement(amount: answered * source.unitsPerRequest, latencies: latencies)
        isIssuing = false
        try serve(until: Moment.now.after(seconds: 10))
        return measurement
    }

    /// Measures until the source has no more requests; throws when that takes longer than `secondsMax`.
    func runOut(secondsMax: Double) throws -> Measurement {
        let meter = Meter(server, poller)
        try startAll()
        try serve(until: Moment.now.after(seconds: secondsMax))
        guard underWay == 0 else { throw BenchError("not done after \(Int(secondsMax)) s") }
        return meter.measurement(amount: answered * source.unitsPerRequest, latencies: latencies)
    }

    private func startAll() throws {
        for (token, connection) in connections.enumerated() {
            connection.prepare(from: source)
            try startNext(on: connection, token: token)
        }
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
        latencies.record(now - connection.sentAt)
        answered += 1
        underWay -= 1
        if isIssuing { try startNext(on: connection, token: token) }
    }

    private func startNext(on connection: HTTPConnection, token: Int) throws {
        guard connection.isPrepared else { return }
        try connection.start()
        underWay += 1
        if connection.isSending { try poller.watch(connection.socket, token: token, forWriting: true) }
        connection.prepare(from: source)
    }
}
