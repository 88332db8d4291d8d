/// One writer and the sockets of its user: what is written, and when every socket has it.
final class FanOut {
    let poller: Poller
    /// Told of the sockets in the poller that are neither the writer nor of the audience, when they are ready.
    var onOther: ((_ token: Int) throws -> Void)?
    private let server: ServerProcess
    private let audience: Audience
    private let writer: HTTPConnection
    private let writerToken: Int
    private let source: any RequestSource
    private var watch: Watch
    private var latencies = Latencies()
    private var isAnswered = true
    private var requests = 0

    /// The sockets hear all of the user's changes, or those of one collection.
    init(
        server: ServerProcess, user: String, sockets: Int, source: any RequestSource, isVerifying: Bool,
        collection: String? = nil
    ) throws {
        self.server = server
        self.source = source
        poller = try Poller()
        audience = try Audience(
            server: server, users: [user], count: sockets, poller: poller, isVerifying: isVerifying,
            collection: collection.map { name in { _ in name } })
        writer = try HTTPConnection(port: server.port, sources: [source])
        writerToken = sockets
        try poller.add(writer.socket, token: writerToken)
        watch = Watch(server)
        writer.prepare()
    }

    /// What others in the poller may be called: this and up.
    var freeToken: Int { writerToken + 1 }

    /// Events written so far, all of them answered and with the audience.
    var written: Int { requests * source.unitsPerRequest }

    /// Makes requests with so many events each, all of one user.
    static func source(user: String, underWay: Int, signer: TokenSigner, seed: UInt64) -> any RequestSource {
        let space = KeySpace(users: 1, collections: 1, keys: 1000)
        guard underWay > 1 else {
            return SingleWrites(
                space: space, users: [user], signer: signer, valueBytes: KeySpace.eventValueBytes, seed: seed)
        }
        return BulkWrites(
            space: space, users: [user], signer: signer, size: underWay, valueBytes: KeySpace.eventValueBytes,
            order: .random, seed: seed)
    }

    /// Writes one request at a time, the next when every socket has the events of the one before; counts deliveries.
    ///
    /// With a `rate` (events a second) the next request also waits for its time.
    func run(warmUp: Double, seconds: Double, rate: Double?) throws -> Measurement {
        _ = try rounds(until: Moment.now.after(seconds: warmUp), rate: rate)
        latencies = Latencies()
        let meter = Meter(server, poller)
        let count = try rounds(until: Moment.now.after(seconds: seconds), rate: rate)
        return meter.measurement(amount: count * source.unitsPerRequest * audience.count, latencies: latencies)
    }

    /// Writes until the source has no more, the next request as soon as the one before is answered, and reads until
    /// every socket has every one of `changes`; a latency runs from the beginning of a change's request.
    func runOut(changes: Int) throws -> Measurement {
        var starts: [Moment] = []
        var events = [Int](repeating: 0, count: audience.count)
        var due = changes * audience.count
        let meter = Meter(server, poller)
        while due > 0 || writer.isPrepared || !isAnswered {
            if isAnswered && writer.isPrepared {
                try startRequest()
                starts.append(writer.sentAt)
            }
            try turn(milliseconds: 100) { number, count, now in
                for event in events[number]..<(events[number] + count) {
                    let request = min(event / self.source.unitsPerRequest, starts.count - 1)
                    self.latencies.record(now - starts[request])
                }
                events[number] += count
                due -= count
            }
        }
        let measurement = meter.measurement(amount: changes * audience.count, latencies: latencies)
        try awaitSilence()
        return measurement
    }

    private func rounds(until deadline: Moment, rate: Double?) throws -> Int {
        var count = 0
        var next = Moment.now
        while Moment.now < deadline {
            if let rate {
                try sleep(until: next)
                next = next.after(seconds: Double(source.unitsPerRequest) / rate)
            }
            try round()
            count += 1
        }
        return count
    }

    private func round() throws {
        var due = source.unitsPerRequest * audience.count
        try startRequest()
        let start = writer.sentAt
        while due > 0 || !isAnswered {
            try turn(milliseconds: 100) { _, count, now in
                self.latencies.record(now - start, times: count)
                due -= count
            }
        }
        guard due == 0 else { throw BenchError("\(-due) more events came than were written") }
    }

    private func startRequest() throws {
        isAnswered = false
        requests += 1
        try writer.start()
        if writer.isSending { try poller.watch(writer.socket, token: writerToken, forWriting: true) }
        writer.prepare()
    }

    private func sleep(until next: Moment) throws {
        var now = Moment.now
        while now < next {
            try turn(milliseconds: next.millisecondsLeft(from: now, limit: 100)) { _, _, _ in
                throw BenchError("an event came that was not written")
            }
            now = .now
            // Being early is not the server's silence.
            watch.progress(at: now)
        }
    }

    /// Waits once for sockets that are ready and hands on, for each, its number, its events and the time.
    private func turn(milliseconds: Int32, _ deliver: (Int, Int, Moment) throws -> Void) throws {
        let count = try poller.wait(milliseconds: milliseconds)
        if count == 0 { try watch.idle(at: .now, waitingFor: "events") }
        for index in 0..<count {
            let token = poller.token(index)
            guard token < writerToken else {
                if token == writerToken { try stepWriter() } else { try onOther?(token) }
                continue
            }
            let events = try audience.receive(token)
            let now = Moment.now
            if events > 0 {
                watch.progress(at: now)
                try deliver(token, events, now)
            }
        }
    }

    private func stepWriter() throws {
        do {
            if writer.isSending {
                try writer.resume()
                if !writer.isSending { try poller.watch(writer.socket, token: writerToken, forWriting: false) }
            }
            if try writer.receive() { isAnswered = true }
        } catch {
            try server.explain(error)
        }
    }

    /// A duplicate of the last events would come after them.
    private func awaitSilence() throws {
        let deadline = Moment.now.after(seconds: 0.3)
        while Moment.now < deadline {
            try turn(milliseconds: 50) { number, _, _ in
                throw BenchError("socket \(number) got an event after its last")
            }
        }
    }
}
