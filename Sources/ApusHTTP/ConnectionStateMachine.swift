import ApusCore
import NIOCore

/// The life of one HTTP connection: what arrived and what was decided goes in, what to do comes out. No I/O, no clock.
///
/// One request at a time. Its head is judged before its body is taken, and its answer is on its way before the next
/// request begins. After a last answer nothing more is read from the client's words, but its bytes are taken for a
/// while: a connection that is closed with bytes unread may lose the answer on its way.
struct ConnectionStateMachine {
    /// What of a request's head the connection has to know.
    struct Head {
        /// Whether the client means to go on after the answer.
        var keepsAlive = true
        /// Bytes of its body as announced; `nil` if they come in chunks.
        var bodyBytes: Int? = 0
        /// Whether the client waits for `100 Continue` before it sends the body.
        var awaitsContinue = false
    }

    private struct Body {
        let head: Head
        /// Whether the request is given its body; otherwise it is passed over.
        let isKept: Bool
        let bytesMax: Int
        let since: NIODeadline
        var bytes = 0
        var bytesAtTick = 0
        /// Seconds in which hardly anything came.
        var slowTicks: Int64 = 0
    }

    private enum State {
        case idle(until: NIODeadline)
        case head(until: NIODeadline)
        case judging(Head)
        case body(Body)
        case answering(keepsAlive: Bool)
        /// The answer is being written piece by piece; cut if the client takes nothing of it `until` then.
        case sending(keepsAlive: Bool, until: NIODeadline)
        /// The answer is written, but the client has not taken it yet.
        case flushing(until: NIODeadline)
        /// The last answer is written, but not all of it has left.
        case finishing(until: NIODeadline, inputEnded: Bool)
        /// Our side is closed; what the client still sends is dropped.
        case lingering(until: NIODeadline, latest: NIODeadline)
        case upgraded
        case closed
    }

    private var state: State
    private let limits: Limits
    /// Set once the server stops: how long a request may still be on its way.
    private var stopsAt: NIODeadline?

    /// A second in which less of a request comes counts as slow.
    private static let bodyBytesPerSecondMin = 1024
    /// How long a client may be silent before it has heard that our side is closed.
    private static let lingerPause = TimeAmount.seconds(3)
    private static let stopTime = TimeAmount.seconds(2)
    private static let stopLinger = TimeAmount.seconds(1)

    init(limits: Limits, at now: NIODeadline) {
        self.limits = limits
        state = .idle(until: now + .seconds(limits.newConnectionSecondsMax))
    }

    /// Whether the next thing that arrived may be given in now; otherwise it has to wait.
    var takes: Bool {
        switch state {
        case .idle, .head, .body, .finishing, .lingering, .upgraded, .closed: true
        case .judging, .answering, .sending, .flushing: false
        }
    }

    /// What is done with bytes.
    enum Reading {
        case parse
        /// They are no HTTP any more.
        case handOver
        case drop
    }

    var reading: Reading {
        switch state {
        case .idle, .head, .judging, .body, .answering, .sending, .flushing: .parse
        case .finishing, .lingering, .closed: .drop
        case .upgraded: .handOver
        }
    }
}

// MARK: - A request arrives

extension ConnectionStateMachine {
    /// Bytes came, whatever they are.
    mutating func arrived(at now: NIODeadline) {
        switch state {
        case .idle: state = .head(until: now + .seconds(limits.headSecondsMax))
        case .lingering(_, let latest): state = .lingering(until: min(now + Self.lingerPause, latest), latest: latest)
        case .head, .judging, .body, .answering, .sending, .flushing, .finishing, .upgraded, .closed: break
        }
    }

    enum HeadAction {
        /// Decide, then call ``admit(bodyBytesMax:at:)`` or ``refuse(at:)``.
        case judge
        case none
        case close
    }

    mutating func head(_ head: Head) -> HeadAction {
        switch state {
        case .idle, .head:
            state = .judging(head)
            return .judge
        case .finishing, .lingering, .closed: return .none
        case .judging, .body, .answering, .sending, .flushing, .upgraded:
            state = .closed
            return .close
        }
    }

    enum AdmitAction {
        case none
        case sendContinue
        /// Refuse it: more is announced than it may have.
        case tooLarge
    }

    /// The head is good.
    ///
    /// - Parameter bodyBytesMax: 0 for a request that has no use for a body; a small one is passed over.
    mutating func admit(bodyBytesMax: Int, at now: NIODeadline) -> AdmitAction {
        guard case .judging(let head) = state else { return .none }
        let bytesMax = bodyBytesMax > 0 ? bodyBytesMax : limits.uselessBodyBytesMax
        state = .body(Body(head: head, isKept: bodyBytesMax > 0, bytesMax: bytesMax, since: now))
        guard head.bodyBytes ?? 0 <= bytesMax else { return .tooLarge }
        return head.awaitsContinue && head.bodyBytes != 0 ? .sendContinue : .none
    }

    enum RefuseAction {
        /// The refusal is the answer, now.
        case answer
        /// It is the answer once the body, which is small, has come: so the connection can go on.
        case wait
    }

    mutating func refuse(at now: NIODeadline) -> RefuseAction {
        guard case .judging(let head) = state, let bytes = head.bodyBytes else { return .answer }
        let bytesMax = limits.uselessBodyBytesMax
        guard bytes == 0 || bytes <= bytesMax && !head.awaitsContinue else { return .answer }
        state = .body(Body(head: head, isKept: false, bytesMax: bytesMax, since: now))
        return .wait
    }

    enum BodyAction {
        case keep
        case drop
        case tooLarge
    }

    mutating func body(_ count: Int) -> BodyAction {
        guard case .body(var body) = state else { return .drop }
        body.bytes += count
        state = .body(body)
        guard body.bytes <= body.bytesMax else { return .tooLarge }
        return body.isKept ? .keep : .drop
    }

    enum EndAction: Equatable {
        case none
        /// The request is whole.
        ///
        /// `isLate`: it took so long that what was decided about its sender may no longer be so.
        case answer(isLate: Bool)
    }

    mutating func end(at now: NIODeadline) -> EndAction {
        guard case .body(let body) = state else { return .none }
        state = .answering(keepsAlive: body.head.keepsAlive)
        return .answer(isLate: now - body.since >= .seconds(1))
    }

    enum FailureAction {
        case none
        /// The request under way is refused.
        case refuse
        /// There is none; the refusal is an answer all the same.
        case refuseAnew
        case close
    }

    /// What came is no HTTP.
    mutating func failed() -> FailureAction {
        switch state {
        case .idle, .head:
            state = .answering(keepsAlive: false)
            return .refuseAnew
        case .body: return .refuse
        case .finishing, .lingering, .closed: return .none
        case .judging, .answering, .sending, .flushing, .upgraded:
            state = .closed
            return .close
        }
    }

    enum InputAction {
        case none
        case close
        /// Close when everything has left (``written(at:)``).
        case finish
    }

    /// The client sends nothing any more. What came before has been given in.
    mutating func inputEnded() -> InputAction {
        switch state {
        case .finishing(let until, _):
            state = .finishing(until: until, inputEnded: true)
            return .none
        case .upgraded, .closed: return .none
        case .idle(let until):
            // The end of the last answer may still be on its way.
            state = .finishing(until: until, inputEnded: true)
            return .finish
        case .head, .judging, .body, .answering, .sending, .flushing, .lingering:
            state = .closed
            return .close
        }
    }
}

// MARK: - It is answered

extension ConnectionStateMachine {
    enum AnswerAction: Equatable {
        /// It is too late.
        case none
        /// Send it; say when the client has taken it (``taken(at:)``), or if `isLast`, when it has left
        /// (``written(at:)``).
        case send(isLast: Bool)
    }

    mutating func answer(at now: NIODeadline) -> AnswerAction {
        switch state {
        case .answering(let keepsAlive) where keepsAlive && stopsAt == nil:
            state = .flushing(until: now + .seconds(limits.idleSecondsMax))
            return .send(isLast: false)
        case .answering, .judging, .body:
            finish(at: now)
            return .send(isLast: true)
        case .idle, .head, .sending, .flushing, .finishing, .lingering, .upgraded, .closed: return .none
        }
    }

    /// The answer is going to be sent in pieces.
    ///
    /// - Parameter isFramed: whether a client can tell their end from that of the connection.
    mutating func answerInPieces(isFramed: Bool, at now: NIODeadline) -> PiecesAction {
        guard case .answering(let keepsAlive) = state else { return .none }
        guard stopsAt == nil else { return .refuseStopping }
        state = .sending(keepsAlive: keepsAlive && isFramed, until: now + .seconds(limits.exportPauseSecondsMax))
        return .send(isLast: !(keepsAlive && isFramed))
    }

    /// The client has taken something, or has nothing to take.
    mutating func progressed(at now: NIODeadline) {
        guard case .sending(let keepsAlive, _) = state else { return }
        state = .sending(keepsAlive: keepsAlive, until: now + .seconds(limits.exportPauseSecondsMax))
    }

    /// The answer in pieces is whole; as ``answer(at:)``.
    mutating func pieceWasLast(at now: NIODeadline) -> AnswerAction {
        guard case .sending(let keepsAlive, _) = state else { return .none }
        state = .answering(keepsAlive: keepsAlive)
        return answer(at: now)
    }

    enum TakenAction {
        case none
        case next
        /// Say when everything has left (``written(at:)``).
        case finish
    }

    /// The client has taken most of the answer.
    mutating func taken(at now: NIODeadline) -> TakenAction {
        guard case .flushing = state else { return .none }
        guard stopsAt == nil else {
            finish(at: now)
            return .finish
        }
        state = .idle(until: now + .seconds(limits.idleSecondsMax))
        return .next
    }

    private mutating func finish(at now: NIODeadline) {
        let wait = stopsAt == nil ? TimeAmount.seconds(limits.idleSecondsMax) : Self.stopTime
        state = .finishing(until: now + wait, inputEnded: false)
    }

    enum WrittenAction {
        case none
        /// Close our side only.
        case closeOutput
        case close
    }

    /// The last answer has left.
    mutating func written(at now: NIODeadline) -> WrittenAction {
        guard case .finishing(_, let inputEnded) = state else { return .none }
        guard !inputEnded else {
            state = .closed
            return .close
        }
        let latest = now + (stopsAt == nil ? .seconds(limits.lingerSecondsMax) : Self.stopLinger)
        state = .lingering(until: min(now + Self.lingerPause, latest), latest: latest)
        return .closeOutput
    }

    /// Makes it a socket instead of answering; `false` if it is too late.
    mutating func upgrade() -> Bool {
        guard case .answering = state else { return false }
        state = .upgraded
        return true
    }
}

// MARK: - Time, and the end

extension ConnectionStateMachine {
    enum TickAction {
        case none
        /// The request under way is refused: it took too long.
        case timeOut
        /// The same, before there was one.
        case timeOutAnew
        /// The request under way is refused: the server stops.
        case refuseStopping
        /// The same, before there was one.
        case refuseStoppingAnew
        case close
    }

    /// Called once a second.
    mutating func tick(at now: NIODeadline) -> TickAction {
        switch state {
        case .idle(let until), .sending(_, let until), .flushing(let until), .finishing(let until, _),
            .lingering(let until, _):
            guard now >= until else { return .none }
            state = .closed
            return .close
        case .head(let until):
            guard now >= until else { return .none }
            state = .answering(keepsAlive: false)
            return stopsAt == nil ? .timeOutAnew : .refuseStoppingAnew
        case .judging:
            return stopsAt.map { now >= $0 } == true ? .refuseStopping : .none
        case .body(var body):
            body.slowTicks += body.bytes - body.bytesAtTick < Self.bodyBytesPerSecondMin ? 1 : 0
            body.bytesAtTick = body.bytes
            state = .body(body)
            if let stopsAt, now >= stopsAt { return .refuseStopping }
            let isLate = now - body.since >= .seconds(limits.bodySecondsMax)
            return isLate || body.slowTicks >= limits.requestSecondsMax ? .timeOut : .none
        case .answering, .upgraded, .closed: return .none
        }
    }

    /// The server stops: what is whole is answered, what is nearly so has a little time; what is sent in pieces ends.
    mutating func stop(at now: NIODeadline) -> InputAction {
        guard stopsAt == nil else { return .none }
        stopsAt = now + Self.stopTime
        switch state {
        case .idle:
            state = .finishing(until: now + Self.stopTime, inputEnded: true)
            return .finish
        case .head(let until): state = .head(until: min(until, now + Self.stopTime))
        case .flushing(let until): state = .flushing(until: min(until, now + Self.stopTime))
        case .finishing(let until, let inputEnded):
            state = .finishing(until: min(until, now + Self.stopTime), inputEnded: inputEnded)
        case .lingering(let until, let latest):
            let end = min(latest, now + Self.stopLinger)
            state = .lingering(until: min(until, end), latest: end)
        case .sending:
            state = .closed
            return .close
        case .judging, .body, .answering, .upgraded, .closed: break
        }
        return .none
    }

    /// The connection has ended, or is about to.
    mutating func close() {
        state = .closed
    }
}
