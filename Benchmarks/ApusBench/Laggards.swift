/// Sockets of one user that listen for a while, stop reading, and come back.
final class Laggards {
    /// What became of the sockets that had stopped.
    struct Outcome {
        /// Those the server had closed with 1013, and those it had closed without their hearing why.
        var closedAsSlow = 0
        var closedSilently = 0
        /// Those that came back with `since` and got what they had missed, once and in order.
        var resumed = 0
        /// Those that were still open and went on where they had stopped.
        var stayed = 0
    }

    private let server: ServerProcess
    private let user: String
    private var sockets: [ReturningSocket] = []
    /// Where others see to it that they are read.
    private let poller: Poller
    private let firstToken: Int

    /// Opens the sockets; their tokens in the poller are `firstToken` and up.
    init(server: ServerProcess, user: String, count: Int, poller: Poller, firstToken: Int) throws {
        self.server = server
        self.user = user
        self.poller = poller
        self.firstToken = firstToken
        for number in 0..<count { try open(number, since: nil, in: poller, token: firstToken + number) }
    }

    /// Reads once from a socket that is ready.
    func receive(_ token: Int) throws {
        do {
            _ = try sockets[token - firstToken].receive()
        } catch {
            try server.explain(BenchError("socket \(token - firstToken) of those that will stop: \(error)"))
        }
    }

    /// From here on nobody reads.
    func stop() throws {
        for socket in sockets { try poller.remove(socket.socket) }
    }

    /// Reads until everyone has every change up to the last, once and in order; throws when that fails. Who was closed
    /// comes back with the last change it saw as `since`.
    func catchUp(to last: Int) throws -> Outcome {
        let poller = try Poller()
        var outcome = Outcome()
        var watch = Watch(server)
        for number in sockets.indices { try poller.add(sockets[number].socket, token: number) }
        var due = sockets.count
        while due > 0 {
            let count = try poller.wait(milliseconds: 100)
            if count == 0 { try watch.idle(at: .now, waitingFor: "what the stopped sockets missed") }
            for index in 0..<count {
                watch.progress(at: .now)
                let number = poller.token(index)
                guard try step(number, last: last, poller, &outcome) else { continue }
                try poller.remove(sockets[number].socket)
                due -= 1
            }
        }
        for (number, socket) in sockets.enumerated() { try self.poller.add(socket.socket, token: firstToken + number) }
        return outcome
    }

    /// - Returns: whether the socket has everything.
    private func step(_ number: Int, last: Int, _ poller: Poller, _ outcome: inout Outcome) throws -> Bool {
        let socket = sockets[number]
        let isResuming = socket.scanner.isCurrent != nil
        do {
            _ = try socket.receive()
        } catch  where !isResuming && (socket.scanner.closeCode == 1013 || socket.isEnded) {
            if socket.scanner.closeCode == 1013 { outcome.closedAsSlow += 1 } else { outcome.closedSilently += 1 }
            try poller.remove(socket.socket)
            try open(number, since: socket.scanner.lastWholeSequence, in: poller, token: number)
            return false
        } catch {
            try server.explain(BenchError("a socket that had stopped: \(error)"))
        }
        guard socket.scanner.lastWholeSequence == last, socket.scanner.isCurrent ?? true else { return false }
        if isResuming { outcome.resumed += 1 } else { outcome.stayed += 1 }
        return true
    }

    private func open(_ number: Int, since: Int?, in poller: Poller, token: Int) throws {
        let query = "token=\(server.signer.token(user: user))" + (since.map { "&since=\($0)" } ?? "")
        let laggard = try ReturningSocket(port: server.port, request: Upgrade.request(query: query), since: since)
        if number < sockets.count { sockets[number] = laggard } else { sockets.append(laggard) }
        try poller.add(laggard.socket, token: token)
    }
}
