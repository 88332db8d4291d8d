/// Goes through one session step by step and holds it to what the server promises every subscription.
struct SessionCheck {
    /// What was asked for with `since` and is not `current` yet.
    private struct CatchUp {
        var id: Int?
        var scopes: Set<Scope>
        var after: Int
        /// The newest change that belongs to it; `nil` if `current` alone tells.
        var through: Int?
        var last: Int
    }

    private let session: Session
    private let era: Era
    private let userName: String
    private let chronicle: Chronicle
    /// The user's requests that may have been done unseen.
    private let unseen: [Request]
    /// The highest number acknowledged before the session was opened.
    private let acknowledged: Int

    private(set) var violations: [Violation] = []
    private(set) var fold: Fold
    private var scopes: Set<Scope>
    /// Live events come after this one.
    private var live: Int?
    private var hello: Int?
    private var delivered: Set<Int> = []
    private var catchUps: [CatchUp] = []
    private var asked: [Int: (scope: Scope?, isNew: Bool, resume: Resume?)] = [:]
    private var isDefault: Bool
    private var wasReset = false

    init(_ session: Session, in history: History, _ chronicle: Chronicle, acknowledged: Int, continuing fold: Fold?) {
        self.session = session
        era = history.eras[session.era]
        userName = history.users[session.user]
        unseen = history.requests.filter { $0.user == session.user && $0.mayBeDone }
        self.chronicle = chronicle
        self.acknowledged = acknowledged
        self.fold = fold ?? Fold()
        scopes = session.scopes.isEmpty ? [.everything] : Set(session.scopes)
        isDefault = session.scopes.isEmpty
        self.fold.open(in: session.era)
        if let resume = session.resume {
            self.fold.begin(scopes, resume)
            catchUps = [CatchUp(id: nil, scopes: scopes, after: resume.since, through: nil, last: resume.since)]
        }
    }

    mutating func run() {
        for step in session.steps {
            switch step.what {
            case .hello(let epoch, let sequence): greet(epoch, sequence)
            case .event(let event): receive(event)
            case .current(let id, let sequence): finish(id, sequence, clock: step.clock)
            case .reset(let id, let reason): reset(id, reason)
            case .acknowledged(let id, let sequence): acknowledge(id, sequence)
            case .subscribed(let id, let scope, let resume): asked[id] = (scope, true, resume)
            case .unsubscribed(let id, let scope): asked[id] = (scope, false, nil)
            case .strange(let text): report(.strange, text)
            }
        }
        guard let mustReach = session.mustReach else { return }
        if let open = catchUps.first { report(.gap, "no current came after \(open.after)") }
        if let live { expectNothing(after: live, through: mustReach) }
    }

    private mutating func report(_ rule: Violation.Rule, _ detail: String) {
        let what = "client \(session.client) of \(userName), era \(session.era), opened at tick \(session.opened)"
        violations.append(Violation(rule: rule, detail: "\(detail) (\(what))"))
    }

    private mutating func greet(_ epoch: String, _ sequence: Int) {
        if epoch != era.epoch { report(.strange, "the epoch is \(epoch) and not \(era.epoch)") }
        if sequence < acknowledged { report(.stale, "hello says \(sequence), and \(acknowledged) was acknowledged") }
        hello = sequence
        guard session.resume == nil else { return }
        live = sequence
        guard sequence == 0 else { return }
        fold.begin(scopes, Resume(since: 0))
        fold.finish(scopes, at: 0)
    }

    // MARK: Events

    private mutating func receive(_ event: Session.Event) {
        let state = event.state
        defer {
            delivered.insert(state.sequence)
            fold.take(state)
        }
        if event.user != userName { return report(.foreign, "a record of \(event.user): \(state)") }
        for index in catchUps.indices where catchUps[index].through.map({ state.sequence <= $0 }) ?? true {
            guard catchUps[index].scopes.contains(where: { $0.contains(state.address) }) else { continue }
            if state.sequence <= catchUps[index].last {
                reportLate(state, last: catchUps[index].last)
            }
            catchUps[index].last = max(state.sequence, catchUps[index].last)
            return
        }
        guard scopes.contains(where: { $0.contains(state.address) }) else {
            return report(.foreign, "of no scope: \(state)")
        }
        guard let last = live else { return report(.disorder, "an event before hello: \(state)") }
        if state.sequence <= last { return reportLate(state, last: last) }
        expectNothing(after: last, through: state.sequence - 1)
        live = state.sequence
    }

    private mutating func reportLate(_ state: State, last: Int) {
        report(delivered.contains(state.sequence) ? .duplicate : .disorder, "after \(last) came \(state)")
    }

    /// Nothing that the subscription should have had happened in that range.
    private mutating func expectNothing(after: Int, through: Int) {
        guard after < through else { return }
        if scopes.contains(.everything) {
            return report(.gap, "after \(after) everything through \(through) is missing")
        }
        if let missed = chronicle.firstChange(after: after, through: through, of: scopes) {
            report(.gap, "after \(after) this is missing: \(missed)")
        }
    }

    // MARK: Catching up

    private mutating func reset(_ id: Int?, _ reason: String) {
        guard let index = catchUps.firstIndex(where: { $0.id == id }) else {
            return report(.strange, "a reset that belongs to nothing: \(reason)")
        }
        let resume = id.map { asked[$0]?.resume } ?? session.resume
        let since = resume?.since ?? 0
        let isOtherEpoch = resume?.epoch.map { $0 != era.epoch } ?? false
        let isAged = era.agedThrough.indices.contains(session.user) && since < era.agedThrough[session.user]
        let isNeeded =
            switch reason {
            case "other-epoch": isOtherEpoch
            case "purged": isAged
            case "future": since > hello ?? 0
            default: false
            }
        if !isNeeded { report(.reset, "\(since) of \(resume?.epoch ?? "this epoch") was refused: \(reason)") }
        wasReset = true
        catchUps[index].after = 0
        catchUps[index].last = 0
        fold.begin(catchUps[index].scopes, Resume(since: 0))
    }

    private mutating func finish(_ id: Int?, _ sequence: Int, clock: Int) {
        guard let index = catchUps.firstIndex(where: { $0.id == id }) else {
            return report(.strange, "a current that belongs to nothing: \(sequence)")
        }
        let catchUp = catchUps.remove(at: index)
        let resume = id.map { asked[$0]?.resume } ?? session.resume
        if let epoch = resume?.epoch, epoch != era.epoch, !wasReset {
            report(.reset, "a position of another epoch was served: \(catchUp.after)")
        }
        if let through = catchUp.through, through != sequence {
            report(.gap, "caught up to \(sequence) and not to \(through)")
        }
        if sequence < hello ?? 0 { report(.stale, "current says \(sequence), hello said \(hello ?? 0)") }
        if catchUp.last > sequence, catchUp.last > catchUp.after {
            report(.disorder, "current says \(sequence) after \(catchUp.last)")
        }
        expectAll(of: catchUp, through: sequence, clock: clock)
        fold.finish(catchUp.scopes, at: sequence)
        if catchUp.through == nil { live = sequence }
    }

    /// The latest state of each key was sent, if it is newer than the position.
    private mutating func expectAll(of catchUp: CatchUp, through reached: Int, clock: Int) {
        for address in chronicle.byAddress.keys where catchUp.scopes.contains(where: { $0.contains(address) }) {
            guard let state = chronicle.state(at: address, after: reached), state.sequence > catchUp.after,
                !delivered.contains(state.sequence)
            else { continue }
            let next = chronicle.change(of: address, after: reached)
            // The page was read after it had changed again; that comes live.
            if catchUp.through != nil, next != nil { continue }
            let isPurged =
                era.agedThrough.indices.contains(session.user)
                && state.sequence <= era.agedThrough[session.user]
            if state.value == nil, catchUp.after == 0, isPurged { continue }
            // Its time had run out.
            if let end = state.expiresAt, end <= clock { continue }
            if mayHaveChanged(state, through: reached) { continue }
            report(.gap, "caught up from \(catchUp.after) to \(reached) without \(state)")
        }
    }

    /// Whether there may have been a later change that nobody saw.
    private func mayHaveChanged(_ state: State, through reached: Int) -> Bool {
        let hasHole = (state.sequence..<reached).contains { chronicle.facts[$0 + 1] == nil }
        return hasHole && unseen.contains { request in request.items.contains { $0.address == state.address } }
    }

    // MARK: Scopes

    private mutating func acknowledge(_ id: Int, _ sequence: Int?) {
        guard let (scope, isNew, resume) = asked[id] else { return }
        if let sequence, let last = live {
            expectNothing(after: last, through: sequence)
            live = max(last, sequence)
        }
        guard isNew else {
            if let scope { scopes.remove(scope) } else { scopes = [] }
            isDefault = false
            fold.forget(scope)
            return
        }
        guard let scope, let sequence else { return report(.strange, "an ack without seq for subscribe \(id)") }
        // Who followed nothing, or everything by default, may be caught up beyond the acknowledgement.
        let isFirst = isDefault || scopes.isEmpty
        if isDefault { fold.forget(nil) }
        scopes = isDefault ? [scope] : scopes.union([scope])
        if let resume {
            fold.begin([scope], resume)
            catchUps.append(
                CatchUp(
                    id: id, scopes: [scope], after: resume.since, through: isFirst ? nil : sequence,
                    last: resume.since))
        }
        isDefault = false
    }
}
