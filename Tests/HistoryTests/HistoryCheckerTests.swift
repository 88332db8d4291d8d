import Testing

/// Each promise, broken by hand once: the checker sees it, and nothing else.
@Suite struct HistoryCheckerTests {
    private let story = Scene()

    private func rules(_ history: History) -> Set<Violation.Rule> {
        Set(HistoryChecker.violations(in: history).map(\.rule))
    }

    @Test func `a history in which all went well has no fault`() {
        #expect(HistoryChecker.violations(in: story.history) == [])
        #expect(HistoryChecker.violations(in: Scene(isResumed: true).history) == [])
    }

    // MARK: What a subscriber got

    @Test func `a live event that is missing is a gap`() {
        var history = story.history
        history.sessions[0].steps.remove(at: 2)
        #expect(rules(history) == [.gap, .unequal])
    }

    @Test func `the last event that is missing is a gap`() {
        var history = story.history
        history.sessions[0].steps.removeLast()
        #expect(rules(history) == [.gap, .unequal])
    }

    @Test func `an event that is missing in a snapshot is a gap`() {
        var history = Scene(isResumed: true).history
        history.sessions[0].steps.remove(at: 1)
        #expect(rules(history) == [.gap, .unequal])
    }

    @Test func `a snapshot that ends before hello is stale`() {
        var history = Scene(isResumed: true).history
        history.sessions[0].steps[0].what = .hello(epoch: "e", sequence: 4)
        #expect(rules(history).contains(.stale))
    }

    @Test func `an event that comes twice is a duplicate`() {
        var history = story.history
        history.sessions[0].steps.insert(history.sessions[0].steps[2], at: 3)
        #expect(rules(history) == [.duplicate])
    }

    @Test func `events in the wrong order are a disorder`() {
        var history = story.history
        history.sessions[0].steps.swapAt(1, 2)
        #expect(rules(history).isSuperset(of: [.gap, .disorder]))
    }

    @Test func `a record of another user is foreign`() {
        var history = story.history
        let event = Session.Event(user: "u2", state: story.state(4, "b", "5"))
        history.sessions[0].steps.append(Session.Step(tick: 41, what: .event(event)))
        #expect(rules(history).contains(.foreign))
    }

    @Test func `a record of no scope is foreign`() {
        var history = story.history
        history.sessions[0].scopes = [Scope(collection: "c", prefix: "a")]
        #expect(rules(history) == [.foreign])
        history.sessions[0].steps.remove(at: 2)
        #expect(HistoryChecker.violations(in: history) == [])
    }

    @Test func `a subscription to some records must have all of those, and no others`() {
        var history = story.history
        history.sessions[0].scopes = [Scope(collection: "c", key: "b")]
        history.sessions[0].steps = [history.sessions[0].steps[0], history.sessions[0].steps[2]]
        #expect(HistoryChecker.violations(in: history) == [])
        history.sessions[0].steps.removeLast()
        #expect(rules(history) == [.gap, .unequal])
    }

    @Test func `scopes asked for on an open socket hold from their acknowledgement on`() {
        var history = story.history
        let steps = history.sessions[0].steps
        let scope = Scope(collection: "c", key: "a")
        history.sessions[0].steps = [
            steps[0], steps[1],
            Session.Step(tick: 25, what: .subscribed(id: 7, scope, Resume(since: 0))),
            Session.Step(tick: 31, what: .acknowledged(id: 7, sequence: 1)),
            steps[1], Session.Step(tick: 33, what: .current(id: 7, sequence: 1)), steps[3],
        ]
        #expect(HistoryChecker.violations(in: history) == [])
        var lacking = history
        lacking.sessions[0].steps.remove(at: 1)
        #expect(rules(lacking) == [.gap], "what came before the acknowledgement belongs to the default stream")
        history.sessions[0].steps.insert(steps[2], at: 6)
        #expect(rules(history) == [.foreign])
    }

    @Test func `a position that is refused without need is seen, and one of another epoch that is not refused`() {
        var history = Scene(isResumed: true).history
        history.sessions[0].resume = Resume(since: 1, epoch: "e")
        history.sessions[0].steps.insert(
            Session.Step(tick: 35, what: .reset(id: nil, reason: "other-epoch")), at: 1)
        #expect(rules(history) == [.reset])
        history.sessions[0].resume = Resume(since: 1, epoch: "another")
        #expect(HistoryChecker.violations(in: history) == [])
        history.sessions[0].steps.remove(at: 1)
        #expect(rules(history).contains(.reset))
    }

    @Test func `hello that says less than was acknowledged is stale`() {
        var history = story.history
        history.sessions[0].opened = 50
        #expect(rules(history).contains(.stale))
    }

    @Test func `a frame nobody knows is strange`() {
        var history = story.history
        history.sessions[0].steps.append(Session.Step(tick: 41, what: .strange("{}")))
        #expect(rules(history) == [.strange])
    }

    // MARK: What was written

    @Test func `an event that nobody asked for was not committed`() {
        var history = story.history
        history.requests.remove(at: 1)
        #expect(rules(history) == [.uncommitted])
    }

    @Test func `a tombstone that nobody asked for was not committed`() {
        var history = story.history
        history.finals = []
        history.sessions[0].mustReach = nil
        let event = Session.Event(user: "u1", state: story.state(4, "b", nil))
        history.sessions[0].steps.append(Session.Step(tick: 41, what: .event(event)))
        #expect(rules(history) == [.uncommitted])
        history.requests.append(story.request("b", nil, sent: 35, outcome: .unknown))
        #expect(HistoryChecker.violations(in: history) == [])
    }

    @Test func `an event of a write that was refused was not committed`() {
        var history = story.history
        history.requests[1].attempts[0].outcome = .refused(code: "invalid-field")
        #expect(rules(history) == [.uncommitted])
    }

    @Test func `a write without an answer may be there or not`() {
        var history = story.history
        history.requests[1].attempts[0].outcome = .unknown
        #expect(HistoryChecker.violations(in: history) == [])
        history.requests.append(story.request("x", "77", sent: 36, outcome: .unknown))
        #expect(HistoryChecker.violations(in: history) == [])
    }

    @Test func `an acknowledged write that is not there at the end is lost`() {
        var history = story.history
        history.finals[0].changes.remove(at: 0)
        history.finals[0].live.removeAll { $0.address.key == "b" }
        #expect(rules(history) == [.lostAcknowledgement, .unequal])
    }

    @Test func `an acknowledged write that a restored backup lacks is lost, if the backup was begun after it`() {
        var history = story.history
        history.eras.append(Era(epoch: "f", base: [2], backedUp: 33))
        history.finals = []
        #expect(HistoryChecker.violations(in: history) == [])
        history.eras[1].backedUp = 45
        #expect(rules(history) == [.lostAcknowledgement])
    }

    @Test func `a write that is there twice was applied twice`() {
        var history = story.history
        history.requests[2].attempts.append(
            Attempt(era: 0, sent: 42, answered: 44, outcome: story.applied(4, "a", "3")))
        let rules = rules(history)
        #expect(rules.isSuperset(of: [.doubleApply, .replay]))
    }

    @Test func `a repeated request that is not answered as a replay is seen`() {
        var history = story.history
        var again = history.requests[2].attempts[0]
        (again.sent, again.answered) = (42, 44)
        history.requests[2].attempts.append(again)
        #expect(rules(history) == [.replay])
    }

    @Test func `a number that means two things is a disagreement`() {
        var history = story.history
        history.reads[0].found = story.state(3, "a", "other")
        #expect(rules(history).contains(.disagreement))
    }

    @Test func `a number that no write accounts for is a hole`() {
        var history = story.history
        history.finals[0].last = 4
        #expect(rules(history) == [.hole])
        history.requests.append(story.request("x", "77", sent: 36, outcome: .unknown))
        #expect(HistoryChecker.violations(in: history) == [])
    }

    @Test func `a write with a lower number than one that was there before it was sent is out of order`() {
        var history = story.history
        history.requests[0].attempts[0].sent = 28
        history.requests[1].attempts[0] = Attempt(era: 0, sent: 5, answered: 9, outcome: story.applied(2, "b", "2"))
        #expect(rules(history).contains(.order))
    }

    @Test func `a bulk with another write in between is torn`() {
        var history = story.history
        history.requests.removeFirst()
        history.requests[1].items = [Item(address: story.address("a"), value: "1"), history.requests[1].items[0]]
        history.requests[1].isBulk = true
        history.requests[1].attempts = [
            Attempt(
                era: 0, sent: 12, answered: 38,
                outcome: .answered(
                    [.applied(story.state(1, "a", "1")), .applied(story.state(3, "a", "3"))], body: "", isReplay: false)
            )
        ]
        #expect(rules(history) == [.tornBulk])
    }

    // MARK: What was decided and read

    @Test func `a write that was older than what it replaced was decided wrongly`() {
        var history = story.history
        history.requests[0].items[0].updatedAt = 9000
        #expect(rules(history) == [.decision], "it is not of the time it was given")
        history = story.history
        history.requests[2].items[0].policy = .maxNumeric
        (history.requests[0].items[0].number, history.requests[2].items[0].number) = (5, 4)
        #expect(rules(history) == [.decision])
        history.requests[2].items[0].number = 6
        #expect(HistoryChecker.violations(in: history) == [])
    }

    @Test func `a precondition that did not hold is seen`() {
        var history = story.history
        history.requests[2].items[0].precondition = .sequence(1)
        #expect(HistoryChecker.violations(in: history) == [])
        history.requests[2].items[0].precondition = .sequence(2)
        #expect(rules(history) == [.decision])
        history.requests[2].items[0].precondition = .absent
        #expect(rules(history) == [.decision])
    }

    @Test func `a loser that had not lost is seen`() {
        var history = story.history
        var late = story.request(
            "b", "8", sent: 45,
            outcome: .answered([.lost(reason: "older", to: story.state(2, "b", "2"))], body: "", isReplay: false))
        late.items[0].updatedAt = 1
        history.requests.append(late)
        #expect(HistoryChecker.violations(in: history) == [])
        history.requests[3].items[0].updatedAt = 2
        #expect(rules(history) == [.decision])
    }

    @Test func `a read that misses what was acknowledged is stale`() {
        var history = story.history
        history.reads[0].found = story.state(1, "a", "1")
        #expect(rules(history) == [.stale])
        history.reads[0].found = nil
        #expect(rules(history) == [.stale])
    }

    @Test func `lists that differ from the delta are unequal`() {
        var history = story.history
        history.finals[0].counts = ["c": 1]
        #expect(rules(history) == [.unequal])
    }
}

/// One user, three writes, one subscriber, one read, and the end.
struct Scene {
    var history = History()

    /// - Parameter isResumed: whether the subscriber comes with `since=0` when the writes are done.
    init(isResumed: Bool = false) {
        history.users = ["u1"]
        history.eras = [Era(epoch: "e", base: [0], agedThrough: [0])]
        history.endedAt = 10_000
        history.requests = [
            request("a", "1", sent: 11, outcome: applied(1, "a", "1")),
            request("b", "2", sent: 21, outcome: applied(2, "b", "2")),
            request("a", "3", sent: 31, outcome: applied(3, "a", "3")),
        ]
        history.requests[2].idempotencyKey = "once"
        var session = Session(client: 0, user: 0, era: 0, opened: isResumed ? 34 : 3)
        let events = [state(1, "a", "1"), state(2, "b", "2"), state(3, "a", "3")].map { state in
            Session.Happening.event(Session.Event(user: "u1", state: state))
        }
        if isResumed {
            session.resume = Resume(since: 0)
            let frames = [.hello(epoch: "e", sequence: 2), events[1], events[2], .current(id: nil, sequence: 3)]
            session.steps = frames.enumerated().map { Session.Step(tick: 35 + $0, what: $1) }
        } else {
            let frames = [Session.Happening.hello(epoch: "e", sequence: 0)] + events
            session.steps = frames.enumerated().map { Session.Step(tick: 5 + 10 * $0, what: $1) }
        }
        session.mustReach = 3
        history.sessions = [session]
        history.reads = [
            Read(
                user: 0, era: 0, sent: 46, answered: 48, address: address("a"), found: state(3, "a", "3"),
                clock: 9000...9001)
        ]
        history.finals = [
            Final(
                user: 0, last: 3, changes: [state(2, "b", "2"), state(3, "a", "3")],
                live: [state(3, "a", "3"), state(2, "b", "2")], counts: ["c": 2])
        ]
    }

    func address(_ key: String) -> Address { Address(collection: "c", key: key) }

    /// The record as its change left it, at a time that is its number.
    func state(_ sequence: Int, _ key: String, _ value: String?) -> State {
        State(sequence: sequence, address: address(key), value: value, changedAt: sequence)
    }

    func applied(_ sequence: Int, _ key: String, _ value: String?) -> Attempt.Outcome {
        .answered([.applied(state(sequence, key, value))], body: "\(sequence)", isReplay: false)
    }

    /// A write that was answered three ticks after it was sent.
    func request(_ key: String, _ value: String?, sent: Int, outcome: Attempt.Outcome) -> Request {
        var request = Request(user: 0, items: [Item(address: address(key), value: value)])
        request.attempts = [Attempt(era: 0, sent: sent, answered: sent + 3, outcome: outcome)]
        return request
    }
}
