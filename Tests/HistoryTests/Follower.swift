@testable import ServerTests

/// A client that listens, goes and comes back.
struct Follower {
    private let plan: Plan.Subscriber
    private let client: Int
    private let user: Caller
    private let stage: Stage
    private(set) var sessions: [Session] = []

    /// Where it is, and in which epoch; `nil` if it never was told.
    private var position: (sequence: Int, epoch: String, era: Int)?
    /// Whether it knows everything up to there.
    private var isComplete = false
    private var live = LiveState()

    /// What is known of the connection that is open.
    private struct LiveState {
        var isGreeted = false
        /// Catch-ups that are not `current` yet.
        var catchingUp = 0
        var reached = 0
        /// Scopes it has given up.
        var dropped: Set<Scope> = []
    }

    private static let sessionsMax = 500
    /// How long the end of everything may take to come.
    private static let endPatience = 15.0

    init(_ plan: Plan.Subscriber, client: Int, user: Caller, stage: Stage) {
        self.plan = plan
        self.client = client
        self.user = user
        self.stage = stage
    }

    mutating func run() throws {
        var visits = plan.visits.dropLast()
        var life = -1
        for _ in 0..<Self.sessionsMax {
            let visit = visits.popFirst() ?? plan.visits[plan.visits.count - 1]
            guard let server = try stage.server(after: visit.isLate ? life : -1) else { return }
            life = server.life
            do {
                try follow(visit, on: server)
                if sessions.last?.mustReach != nil { return }
            } catch let failure as SocketFailure where failure.isBrokenConnection {
                continue
            } catch let refused as WebSocket.Refused where refused.answer.status == 503 {
                continue
            }
        }
        throw SocketFailure.timedOut(after: "\(Self.sessionsMax) connections")
    }

    // MARK: One connection

    private mutating func follow(_ visit: Plan.Visit, on server: Stage.Place) throws {
        let resume = resume(visit, on: server)
        let subscribes = visit.subscribes && !visit.usesEventStream && !plan.scopes.isEmpty
        var session = Session(client: client, user: plan.user, era: server.era, opened: stage.tick())
        session.resume = subscribes ? nil : resume
        // A URL holds one scope; the others are asked for by frames.
        session.scopes = subscribes ? [] : Array(plan.scopes.prefix(1))
        let rest = subscribes ? plan.scopes : Array(plan.scopes.dropFirst())
        let feed = try open(visit, session, on: server)
        defer { sessions.append(session) }
        live = LiveState()
        live.catchingUp = session.resume == nil ? 0 : 1
        if resume == nil || !rest.isEmpty { isComplete = false } else if resume?.since == 0 { isComplete = true }
        do {
            if let socket = feed as? SocketFeed {
                // The first catch-up is over before the next is asked for.
                try receive(feed, &session, server) { $0.isGreeted && (rest.isEmpty || $0.catchingUp == 0) }
                try subscribe(rest, resume, on: socket, &session)
                if visit.unsubscribes, plan.scopes.count > 1 { try unsubscribe(plan.scopes[0], on: socket, &session) }
            }
            try stay(visit, feed, &session, server)
        } catch let end as FeedEnd {
            guard !end.isRegular else { return }
            let text = "closed with \(end.code ?? 0)"
            session.steps.append(Session.Step(tick: stage.tick(), what: .strange(text)))
        }
    }

    private mutating func resume(_ visit: Plan.Visit, on server: Stage.Place) -> Resume? {
        let isLast = visit.framesMax == nil
        switch visit.resume {
        case .none: return nil
        case .zero: return Resume(since: 0)
        case .last, .older:
            guard var position, position.sequence > 0, isComplete || !isLast else { return Resume(since: 0) }
            if case .older(let percent) = visit.resume {
                position.sequence = max(1, position.sequence * percent / 100)
            }
            let namesEpoch = visit.namesEpoch || position.era != server.era
            return Resume(since: position.sequence, epoch: namesEpoch ? position.epoch : nil)
        }
    }

    private func open(_ visit: Plan.Visit, _ session: Session, on server: Stage.Place) throws -> any Feed {
        var query = ""
        if let scope = session.scopes.first { query += scope.query }
        let usesHeader = visit.usesEventStream && session.resume.map { $0.epoch == nil && $0.since > 0 } ?? false
        if let resume = session.resume, !usesHeader {
            query += "&since=\(resume.since)" + (resume.epoch.map { "&epoch=\(encoded($0))" } ?? "")
        }
        guard visit.usesEventStream else {
            return try SocketFeed(port: server.port, query: query, token: user.token)
        }
        let path = "/v1/stream/\(encoded(user.id))" + (query.isEmpty ? "" : "?" + query.dropFirst())
        return try EventStreamFeed(
            port: server.port, path: path, token: user.token,
            lastEventID: usesHeader ? session.resume?.since : nil)
    }

    private mutating func subscribe(
        _ scopes: [Scope], _ resume: Resume?, on socket: SocketFeed, _ session: inout Session
    ) throws {
        for (id, scope) in scopes.enumerated() {
            var text = "{\"type\":\"subscribe\",\"id\":\(id)\(scope.members)"
            if let resume {
                text += ",\"since\":\(resume.since)"
                if let epoch = resume.epoch { text += ",\"epoch\":\(JSON.quoted(epoch))" }
                live.catchingUp += 1
            }
            session.steps.append(Session.Step(tick: stage.tick(), what: .subscribed(id: id, scope, resume)))
            try socket.send(text + "}")
        }
    }

    private mutating func unsubscribe(_ scope: Scope, on socket: SocketFeed, _ session: inout Session) throws {
        isComplete = false
        live.dropped = [scope]
        session.steps.append(Session.Step(tick: stage.tick(), what: .unsubscribed(id: 900, scope)))
        try socket.send("{\"type\":\"unsubscribe\",\"id\":900\(scope.members)}")
    }

    /// Reads until it is time to go; the last visit stays until it has all there is.
    private mutating func stay(
        _ visit: Plan.Visit, _ feed: any Feed, _ session: inout Session, _ server: Stage.Place
    ) throws {
        var frames = 0
        var end: Double?
        while visit.framesMax.map({ frames < $0 }) ?? true {
            if let final = stage.finals.first(where: { $0.user == plan.user }) {
                let isLate = monotonicSeconds() > end ?? .infinity
                end = end ?? monotonicSeconds() + Self.endPatience
                if isLate || hasAll(of: final, session) {
                    session.mustReach = final.last
                    if let socket = feed as? SocketFeed { try flush(socket, &session, server) }
                    return
                }
            }
            if try receiveOne(feed, &session, server) { frames += 1 }
        }
        guard visit.isClean, let socket = feed as? SocketFeed else { return }
        try socket.sayGoodbye()
        try receive(feed, &session, server) { _ in false }
    }

    private func hasAll(of final: Final, _ session: Session) -> Bool {
        let scopes = plan.scopes.isEmpty ? [.everything] : plan.scopes.filter { !live.dropped.contains($0) }
        let needed = final.changes.last { state in scopes.contains { $0.contains(state.address) } }?.sequence ?? 0
        return live.isGreeted && live.catchingUp == 0 && live.reached >= needed
    }

    /// What was on its way comes before the answer to a ping.
    private mutating func flush(
        _ socket: SocketFeed, _ session: inout Session, _ server: Stage.Place
    ) throws {
        try socket.send(#"{"type":"ping","id":1000}"#)
        let end = monotonicSeconds() + Self.endPatience
        while monotonicSeconds() < end {
            try receiveOne(socket, &session, server)
            if case .acknowledged(id: 1000, _) = session.steps.last?.what { return }
        }
    }

    private mutating func receive(
        _ feed: any Feed, _ session: inout Session, _ server: Stage.Place, until condition: (LiveState) -> Bool
    ) throws {
        let end = monotonicSeconds() + patience
        while !condition(live) {
            guard monotonicSeconds() < end else { throw SocketFailure.timedOut(after: "what must come") }
            try receiveOne(feed, &session, server)
        }
    }

    /// Takes one frame, if one comes.
    @discardableResult
    private mutating func receiveOne(
        _ feed: any Feed, _ session: inout Session, _ server: Stage.Place
    ) throws -> Bool {
        let frame: JSON
        do {
            frame = try feed.next(within: 0.05)
        } catch SocketFailure.timedOut {
            return false
        }
        let what = Session.Happening(frame)
        session.steps.append(Session.Step(tick: stage.tick(), clock: Moment.now().milliseconds, what: what))
        note(what, session, server)
        return true
    }

    private mutating func note(_ what: Session.Happening, _ session: Session, _ server: Stage.Place) {
        switch what {
        case .hello(_, let sequence):
            live.isGreeted = true
            if session.resume == nil { advance(to: sequence, server) }
            if session.resume?.since == 0 { position = (0, server.epoch, server.era) }
        case .event(let event): advance(to: event.state.sequence, server)
        case .current(_, let sequence):
            live.catchingUp -= 1
            if live.catchingUp == 0, live.dropped.isEmpty { isComplete = true }
            live.isGreeted = true
            advance(to: sequence, server)
        case .reset(_, _): position = (0, server.epoch, server.era)
        case .acknowledged(_, let sequence): if let sequence { live.reached = max(live.reached, sequence) }
        case .subscribed, .unsubscribed, .strange: break
        }
    }

    private mutating func advance(to sequence: Int, _ server: Stage.Place) {
        live.reached = max(live.reached, sequence)
        position = (sequence, server.epoch, server.era)
    }
}
