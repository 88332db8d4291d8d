/// Holds a recorded history to what the server promises.
struct HistoryChecker {
    let history: History
    private(set) var violations: [Violation] = []
    /// By era and user.
    private(set) var chronicles: [[Chronicle]] = []

    /// What was not kept, at most once each; empty if all is well.
    static func violations(in history: History) -> [Violation] {
        var checker = HistoryChecker(history: history)
        checker.chronicle()
        for era in history.eras.indices {
            for user in history.users.indices {
                var writes = WriteCheck(history, user: user, era: era, checker.chronicles[era][user])
                writes.run()
                checker.violations += writes.violations
            }
        }
        checker.checkReplays()
        checker.checkBases()
        checker.checkReads()
        checker.checkSessions()
        var seen: Set<Violation> = []
        return checker.violations.filter { seen.insert($0).inserted }
    }

    private init(history: History) {
        self.history = history
    }

    private mutating func report(_ rule: Violation.Rule, _ detail: String) {
        violations.append(Violation(rule: rule, detail: detail))
    }

    /// The highest number that was known to be committed before `tick`.
    private func committed(before tick: Int, user: Int, era: Int) -> Int {
        chronicles[era][user].facts.values.reduce(history.eras[era].base[user]) { highest, fact in
            fact.seen < tick ? max(highest, fact.state.sequence) : highest
        }
    }

    // MARK: What each number means

    private mutating func chronicle() {
        for era in history.eras.indices {
            chronicles.append(
                history.users.indices.map { user in
                    guard era > 0 else { return Chronicle() }
                    return Chronicle(continuing: chronicles[era - 1][user], through: history.eras[era].base[user])
                })
            for request in history.requests {
                for attempt in request.attempts where attempt.era == era { add(attempt, of: request.user) }
            }
            for session in history.sessions where session.era == era { add(session) }
            for read in history.reads where read.era == era {
                if let state = read.found { add(state, at: read.answered, user: read.user, era: era) }
            }
            if era == history.eras.count - 1 {
                for final in history.finals {
                    for state in final.changes + final.live { add(state, at: .max, user: final.user, era: era) }
                }
            }
            for user in history.users.indices { chronicles[era][user].sort() }
        }
    }

    private mutating func add(_ attempt: Attempt, of user: Int) {
        guard case .answered(let results, _, _) = attempt.outcome else { return }
        for result in results {
            switch result {
            case .applied(let state): add(state, at: attempt.answered, user: user, era: attempt.era)
            case .lost(_, let state) where state.value != nil:
                add(state, at: attempt.answered, user: user, era: attempt.era)
            case .lost, .refused: break
            }
        }
    }

    private mutating func add(_ session: Session) {
        for step in session.steps {
            // A record of somebody else is reported as what it is, and tells nothing of this user's numbers.
            guard case .event(let event) = step.what, event.user == history.users[session.user] else { continue }
            add(event.state, at: step.tick, user: session.user, era: session.era, isExpiry: event.isExpiry)
        }
    }

    private mutating func add(_ state: State, at tick: Int, user: Int, era: Int, isExpiry: Bool = false) {
        if let violation = chronicles[era][user].add(state, at: tick, isExpiry: isExpiry) {
            report(violation.rule, "\(history.users[user]), era \(era): \(violation.detail)")
        }
    }

    // MARK: Requests, eras, reads

    /// A request that was sent again was answered like the first time.
    private mutating func checkReplays() {
        for request in history.requests where request.attempts.count > 1 {
            var first: (era: Int, body: String)?
            for attempt in request.attempts {
                guard case .answered(_, let body, let isReplay) = attempt.outcome else { continue }
                if let first, first.era == attempt.era, first.body != body || isReplay == false {
                    let key = request.idempotencyKey ?? "none"
                    report(.replay, "key \(key): first \(first.body.prefix(200)), then \(body.prefix(200))")
                }
                first = (attempt.era, body)
            }
        }
    }

    /// A backup holds what was acknowledged before it was begun.
    private mutating func checkBases() {
        for era in history.eras.indices.dropFirst() {
            for user in history.users.indices {
                let needed = committed(before: history.eras[era].backedUp, user: user, era: era - 1)
                guard history.eras[era].base[user] < needed else { continue }
                report(
                    .lostAcknowledgement,
                    "\(history.users[user]): era \(era) begins with \(history.eras[era].base[user]), not \(needed)")
            }
        }
    }

    private mutating func checkReads() {
        for read in history.reads {
            let chronicle = chronicles[read.era][read.user]
            let reached = committed(before: read.sent, user: read.user, era: read.era)
            let place = "\(history.users[read.user]), era \(read.era), tick \(read.sent)"
            if let found = read.found {
                if let next = chronicle.change(of: read.address, after: found.sequence), next.sequence <= reached {
                    report(.stale, "\(place): read \(found) after \(next)")
                }
                if let end = found.expiresAt, end <= read.clock.lowerBound {
                    report(.stale, "\(place): read \(found) at \(read.clock.lowerBound)")
                }
                continue
            }
            var state = chronicle.state(at: read.address, after: reached)
            while let present = state, present.value != nil {
                if let end = present.expiresAt, end <= read.clock.upperBound { break }
                state = chronicle.change(of: read.address, after: present.sequence)
                if state == nil, !isUncertain(read.address, user: read.user) {
                    report(.stale, "\(place): 404 although there is \(present)")
                }
            }
        }
    }

    /// Whether a delete of the record may have been done that nobody saw.
    private func isUncertain(_ address: Address, user: Int) -> Bool {
        history.requests.contains { request in
            request.user == user && request.mayBeDone && request.items.contains { $0.address == address }
        }
    }

    // MARK: Sessions

    private mutating func checkSessions() {
        var folds: [Int: Fold] = [:]
        for session in history.sessions.sorted(by: { $0.opened < $1.opened }) {
            var check = SessionCheck(
                session, in: history, chronicles[session.era][session.user],
                acknowledged: committed(before: session.opened, user: session.user, era: session.era),
                continuing: folds[session.client])
            check.run()
            violations += check.violations
            folds[session.client] = check.fold
        }
        for final in history.finals {
            for session in history.sessions where session.user == final.user && session.mustReach != nil {
                if let fold = folds[session.client] { compare(fold, of: session.client, with: final) }
            }
        }
    }

    private mutating func compare(_ fold: Fold, of client: Int, with final: Final) {
        let live = Dictionary(final.live.map { ($0.address, $0) }, uniquingKeysWith: { $1 })
        for address in Set(live.keys).union(fold.states.keys)
        where fold.complete.contains(where: { $0.contains(address) }) {
            let known = fold.states[address].flatMap { $0.value == nil ? nil : $0 }
            guard known != live[address] else { continue }
            let (mine, theirs) = (known.map(\.description) ?? "nothing", live[address].map(\.description) ?? "nothing")
            report(.unequal, "client \(client) of \(history.users[final.user]) has \(mine), REST \(theirs)")
        }
    }
}

extension Request {
    /// Whether it may have been done without anybody being told.
    var mayBeDone: Bool {
        attempts.contains { attempt in
            if case .unknown = attempt.outcome { true } else { false }
        }
    }
}
