import Glibc

/// Sockets that come back: each opens with `since=…`, reads what it missed until `current`, goes, and comes again.
final class Resumption {
    private let server: ServerProcess
    private let poller: Poller
    private let request: [UInt8]
    private let since: Int
    private let changes: Int
    private var sockets: [ReturningSocket] = []
    private var watch: Watch
    private var latencies = Latencies()

    /// Each of the sockets misses the `changes` after change `since`, which are the user's last.
    init(server: ServerProcess, user: String, sockets count: Int, since: Int, changes: Int) throws {
        self.server = server
        self.since = since
        self.changes = changes
        request = Upgrade.request(query: "token=\(server.signer.token(user: user))&since=\(since)")
        poller = try Poller()
        watch = Watch(server)
        for token in 0..<count { sockets.append(try open(token: token)) }
    }

    /// Measures for `seconds`, after as much of the same work for `warmUp` seconds; counts changes, and a latency is
    /// from before a socket connects until it is current.
    func run(warmUp: Double, seconds: Double) throws -> Measurement {
        try serve(until: Moment.now.after(seconds: warmUp))
        latencies = Latencies()
        let meter = Meter(server, poller)
        try serve(until: Moment.now.after(seconds: seconds))
        return meter.measurement(amount: latencies.count * changes, latencies: latencies)
    }

    private func open(token: Int) throws -> ReturningSocket {
        let socket = try ReturningSocket(port: server.port, request: request, since: since)
        try poller.add(socket.socket, token: token)
        return socket
    }

    private func serve(until deadline: Moment) throws {
        while true {
            let now = Moment.now
            guard now < deadline else { return }
            let count = try poller.wait(milliseconds: deadline.millisecondsLeft(from: now, limit: 100))
            if count == 0 { try watch.idle(at: .now, waitingFor: "what was missed") }
            for index in 0..<count {
                do { try step(poller.token(index)) } catch { try server.explain(error) }
            }
        }
    }

    private func step(_ token: Int) throws {
        let socket = sockets[token]
        guard try socket.receive() else { return }
        let now = Moment.now
        watch.progress(at: now)
        guard socket.events == changes else {
            throw BenchError("a socket got \(socket.events) changes where it had missed \(changes)")
        }
        latencies.record(now - socket.startedAt)
        sockets[token] = try open(token: token)
    }
}

/// One socket from its opening until it is current, or for as long as it is read.
final class ReturningSocket {
    let socket: Socket
    let startedAt = Moment.now
    /// Events that came whole.
    private(set) var events = 0
    private let buffer = Bytes(capacity: 64 << 10)
    private(set) var scanner: FrameScanner
    /// Whether the connection has ended.
    private(set) var isEnded = false
    private var isUpgraded = false

    /// Without `since` the socket is greeted when this returns.
    init(port: UInt16, request: [UInt8], since: Int?) throws {
        scanner = since.map(FrameScanner.init(since:)) ?? FrameScanner(isVerifying: true)
        socket = try Socket.connect(port: port)
        // Thousands of connections a second would otherwise use up the ports.
        socket.resetOnClose()
        guard try socket.send(request, count: request.count) == request.count else {
            throw BenchError("the upgrade request was not taken")
        }
        if since == nil {
            // Each waits for at most 10 s.
            for _ in 0..<8 where !scanner.isGreeted { _ = try receive() }
            guard scanner.isGreeted else { throw BenchError("no hello") }
        }
        try socket.makeNonBlocking()
    }

    deinit {
        socket.close()
    }

    /// Reads once; `true` when everything missed is there.
    func receive() throws -> Bool {
        guard let length = try read() else { return false }
        buffer.grow(by: length)
        if !isUpgraded {
            let headLength = Upgrade.headLength(buffer.start, count: buffer.count)
            guard headLength > 0 else { return false }
            guard UnsafePointer(buffer.start).starts(with: "HTTP/1.1 101") else {
                throw BenchError("the upgrade was refused: \(UnsafePointer(buffer.start).text(count: buffer.count))")
            }
            isUpgraded = true
            buffer.removeFirst(headLength)
        }
        let progress = try scanner.take(buffer.start, count: buffer.count)
        events += progress.events
        buffer.removeFirst(progress.consumed)
        if !progress.pong.isEmpty { _ = try socket.send(progress.pong, count: progress.pong.count) }
        return scanner.isCurrent == true
    }

    private func read() throws -> Int? {
        do {
            return try socket.receive(into: buffer.end, count: buffer.free)
        } catch {
            isEnded = true
            throw error
        }
    }
}
