@testable import ServerTests

/// A client that writes over a socket, several frames before the first answer, and listens on it meanwhile.
struct SocketWriter {
    private struct Letterbox {
        var letter: Letter
        /// The frame's `id`.
        var id: Int
        var request: Request
    }

    private let plan: Plan.Writer
    private let number: Int
    private let user: Caller
    private let stage: Stage
    private(set) var requests: [Request] = []
    private(set) var sessions: [Session] = []
    private var known: [Address: Int] = [:]
    private var connection: (life: Int, socket: SocketFeed, session: Session)?

    /// How often one frame is sent.
    private static let attemptsMax = 6

    init(_ plan: Plan.Writer, number: Int, user: Caller, stage: Stage) {
        self.plan = plan
        self.number = number
        self.user = user
        self.stage = stage
    }

    mutating func run() throws {
        defer { stage.noteEndOfWriter() }
        var waiting: [Letterbox] = []
        var next = 0
        while next < plan.operations.count || !waiting.isEmpty {
            var hangsUp = false
            while waiting.count < plan.framesAtOnce, next < plan.operations.count {
                if case .write(let draft) = plan.operations[next] {
                    waiting.append(letterbox(draft, index: next))
                    hangsUp = hangsUp || draft.hangsUp
                }
                next += 1
                stage.noteOperation()
            }
            guard let server = try stage.server() else { break }
            do {
                try send(&waiting, hangsUp: hangsUp, to: server)
            } catch is FeedEnd {
                hangUp()
            } catch let failure as SocketFailure where failure.isBrokenConnection {
                hangUp()
            } catch let refused as WebSocket.Refused where refused.answer.status == 503 {
                hangUp()
            }
            finish(&waiting)
        }
        hangUp()
        requests += waiting.map(\.request)
    }

    private func letterbox(_ draft: Plan.Draft, index: Int) -> Letterbox {
        let letter = Letter(
            draft, from: user, index: plan.user, name: "w\(number)-\(index)", number: number * 1000 + index,
            known: known)
        return Letterbox(letter: letter, id: index, request: letter.request)
    }

    // MARK: Frames

    /// Sends all that waits, then takes the answers.
    private mutating func send(_ waiting: inout [Letterbox], hangsUp: Bool, to server: Stage.Place) throws {
        let socket = try socket(to: server)
        for index in waiting.indices {
            waiting[index].request.attempts.append(
                Attempt(era: server.era, sent: stage.tick(), answered: .max, outcome: .unknown))
            try socket.send("{\"id\":\(waiting[index].id),\(waiting[index].letter.frame)}")
        }
        if hangsUp { return hangUp() }
        var unanswered = waiting.indices.first
        let end = monotonicSeconds() + patience
        while let index = unanswered, index < waiting.count {
            guard monotonicSeconds() < end else { throw SocketFailure.timedOut(after: "an ack") }
            let frame = try socket.next(within: patience)
            let tick = stage.tick()
            guard let id = frame["id"].int else {
                note(Session.Happening(frame), at: tick)
                continue
            }
            if id != waiting[index].id { note(.strange("answered before others: \(frame.raw.prefix(200))"), at: tick) }
            guard let place = waiting.firstIndex(where: { $0.id == id }) else { continue }
            try answer(&waiting[place].request, with: frame, at: tick)
            unanswered = index + 1
        }
    }

    private mutating func answer(_ request: inout Request, with frame: JSON, at tick: Int) throws {
        let last = request.attempts.count - 1
        request.attempts[last].answered = tick
        switch frame["type"].text {
        case "ack":
            let results = try Attempt.Outcome.results(frame, of: request)
            request.attempts[last].outcome = .answered(results, body: frame.raw, isReplay: nil)
            for case .applied(let state) in results { known[state.address] = state.sequence }
        case "error":
            guard let code = frame["error"]["code"].text else { throw SocketFailure.malformed(frame.raw) }
            request.attempts[last].outcome = .refused(code: code)
        default: throw SocketFailure.malformed(frame.raw)
        }
    }

    /// Puts away what is done with; what may be sent once more stays.
    private mutating func finish(_ waiting: inout [Letterbox]) {
        requests += waiting.map(\.request).filter { !Self.isToBeRepeated($0) && !$0.attempts.isEmpty }
        waiting = waiting.filter { Self.isToBeRepeated($0.request) || $0.request.attempts.isEmpty }
    }

    private static func isToBeRepeated(_ request: Request) -> Bool {
        guard request.idempotencyKey != nil, request.attempts.count < attemptsMax else { return false }
        guard case .unknown? = request.attempts.last?.outcome else { return false }
        return true
    }

    // MARK: The connection

    private mutating func socket(to server: Stage.Place) throws -> SocketFeed {
        if let connection, connection.life == server.life { return connection.socket }
        hangUp()
        let session = Session(client: 1000 + number, user: plan.user, era: server.era, opened: stage.tick())
        let socket = try SocketFeed(port: server.port, query: "", token: user.token)
        connection = (server.life, socket, session)
        note(Session.Happening(try socket.next(within: patience)), at: stage.tick())
        return socket
    }

    private mutating func note(_ what: Session.Happening, at tick: Int) {
        connection?.session.steps.append(Session.Step(tick: tick, clock: Moment.now().milliseconds, what: what))
    }

    private mutating func hangUp() {
        if let connection { sessions.append(connection.session) }
        connection = nil
    }
}
