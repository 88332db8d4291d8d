@testable import ServerTests

/// A client that writes and reads over REST, one thing after the other, through crashes of the server.
struct RestWriter {
    private let plan: Plan.Writer
    private let number: Int
    private let user: Caller
    private let stage: Stage
    private(set) var requests: [Request] = []
    private(set) var reads: [Read] = []
    private var known: [Address: Int] = [:]
    private var connection: (life: Int, http: HTTPConnection)?

    /// How often one request is sent.
    private static let attemptsMax = 6

    init(_ plan: Plan.Writer, number: Int, user: Caller, stage: Stage) {
        self.plan = plan
        self.number = number
        self.user = user
        self.stage = stage
    }

    mutating func run() throws {
        defer { stage.noteEndOfWriter() }
        for (index, operation) in plan.operations.enumerated() {
            switch operation {
            case .write(let draft): try write(draft, index: index)
            case .read(let address): try read(address)
            }
            stage.noteOperation()
        }
    }

    /// Sends `draft` until it is answered, or once if that may do it twice.
    mutating func write(_ draft: Plan.Draft, index: Int) throws {
        let letter = Letter(
            draft, from: user, index: plan.user, name: "w\(number)-\(index)", number: number * 1000 + index,
            known: known)
        var request = letter.request
        defer { requests.append(request) }
        var repeatsLeft = draft.isRepeated ? 1 : 0
        for attempt in 0..<Self.attemptsMax {
            guard let made = try send(letter, hangsUp: draft.hangsUp && attempt == 0) else { return }
            request.attempts.append(made)
            switch made.outcome {
            case .unknown where request.idempotencyKey == nil: return
            case .unknown: continue
            case .refused: return
            case .answered(let results, _, _):
                note(results)
                guard repeatsLeft > 0 else { return }
                repeatsLeft -= 1
            }
        }
    }

    private mutating func note(_ results: [ItemResult]) {
        for result in results {
            switch result {
            case .applied(let state): known[state.address] = state.sequence
            case .lost(_, let state): known[state.address] = state.sequence
            case .refused: break
            }
        }
    }

    private mutating func send(_ letter: Letter, hangsUp: Bool) throws -> Attempt? {
        guard let server = try stage.server() else { return nil }
        var attempt = Attempt(era: server.era, sent: stage.tick(), answered: 0, outcome: .unknown)
        let body = letter.body.map { Array($0.utf8) }
        do {
            let http = try connection(to: server)
            if hangsUp {
                try http.send(letter.method, letter.target, headers: letter.headers, body: body)
                connection = nil
            } else {
                let answer = try http.call(letter.method, letter.target, headers: letter.headers, body: body)
                if !answer.keepsAlive { connection = nil }
                attempt.outcome = try Attempt.Outcome(answer, to: letter.request)
            }
        } catch let failure as SocketFailure where failure.isBrokenConnection {
            connection = nil
        }
        attempt.answered = stage.tick()
        return attempt
    }

    private mutating func read(_ address: Address) throws {
        guard let server = try stage.server() else { return }
        let (sent, begun) = (stage.tick(), Moment.now().milliseconds)
        do {
            let answer = try connection(to: server).call(
                "GET", user.path(address.collection, address.key), headers: [user.authorization])
            guard answer.status == 200 || answer.status == 404 else { throw SocketFailure.malformed(answer.text) }
            let found = answer.status == 200 ? try State(try answer.json()["data"]) : nil
            reads.append(
                Read(
                    user: plan.user, era: server.era, sent: sent, answered: stage.tick(), address: address,
                    found: found, clock: begun...max(begun, Moment.now().milliseconds)))
        } catch let failure as SocketFailure where failure.isBrokenConnection {
            connection = nil
        }
    }

    private mutating func connection(to server: Stage.Place) throws -> HTTPConnection {
        if let connection, connection.life == server.life { return connection.http }
        let http = try HTTPConnection(port: server.port)
        connection = (server.life, http)
        return http
    }
}

extension SocketFailure {
    /// Whether a server that ends can be the cause.
    var isBrokenConnection: Bool {
        switch self {
        case .notConnected, .closed: true
        case .timedOut, .malformed: false
        }
    }
}
