import ApusCore
import ApusTesting
import NIOCore
import Testing

@testable import ApusProtocol

/// Thousands of orders in which commits, reads, deliveries and requests can meet, each checked for what its subscriber
/// saw: no gap, no duplicate, nothing of another scope, in order.
@Suite struct SessionScheduleTests {
    @Test(arguments: 0..<8 as Range<UInt64>)
    func `whatever meets whatever, every subscription sees each of its changes once and in order`(batch: UInt64) {
        for seed in batch * 500..<(batch + 1) * 500 {
            var schedule = Schedule(seed: seed)
            schedule.run(steps: 120)
            #expect(schedule.violations.isEmpty, "seed \(seed)")
            guard schedule.violations.isEmpty else { return }
        }
    }
}

/// One commit.
private struct Committed {
    let sequence: Int64
    let address: RecordAddress
}

/// One owner, one subscriber, a storage and a feed, moved on one step at a time.
private struct Schedule {
    private enum Read {
        case state
        case page(ChangesQuery)
    }

    private(set) var violations: [String] = []
    private var random: SplitMix64
    private var machine: SessionStateMachine
    private var committed: [Committed] = []
    private var published = 0
    private var joined: Set<StreamScope>?
    private var feed: [Committed] = []
    private var reads: [Read] = []
    private var watcher: Watcher

    private static let owner = OwnerID(stored: "u1")
    private static let collections = ["a", "b"].map { CollectionName(stored: $0) }
    private static let keys = ["k", "k1", "k12", "x"].map { RecordKey(stored: $0) }

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        let resume = Bool.random(using: &random) ? ResumePoint(since: .zero, epoch: nil) : nil
        let scope = Int.random(in: 0..<3, using: &random) == 0 ? StreamScope.collection(Self.collections[0]) : nil
        machine = SessionStateMachine(
            owner: Self.owner, epoch: Epoch("e"), scope: scope, resume: resume,
            expiresAt: Timestamp(milliseconds: .max / 2), limits: Limits())
        watcher = Watcher(scope: scope ?? .everything, isDefault: scope == nil, resumes: resume != nil)
    }

    mutating func run(steps: Int) {
        for _ in 0..<Int.random(in: 0..<6, using: &random) { commit() }
        perform(machine.start())
        for _ in 0..<steps { step() }
        // In the end everything that is under way arrives.
        for _ in 0..<400 where !reads.isEmpty || published < committed.count || !feed.isEmpty || machine.waitsForDrain {
            publish()
            answer()
            drain()
        }
        watcher.end(isLive: machine.isLive)
        violations = watcher.violations
    }

    private mutating func step() {
        switch Int.random(in: 0..<12, using: &random) {
        case 0, 1, 2: commit()
        case 3, 4: publish()
        case 5, 6, 7: answer()
        case 8, 9: drain()
        default: if machine.isOpen, Int.random(in: 0..<3, using: &random) == 0 { ask() }
        }
    }

    private mutating func commit() {
        let address = RecordAddress(
            owner: Self.owner, collection: Self.collections.randomElement(using: &random) ?? Self.collections[0],
            key: Self.keys.randomElement(using: &random) ?? Self.keys[0])
        committed.append(Committed(sequence: Int64(committed.count + 1), address: address))
        watcher.committed = committed
    }

    private mutating func publish() {
        guard published < committed.count else { return }
        let change = committed[published]
        published += 1
        if let joined, joined.contains(where: { $0.contains(change.address) }) { feed.append(change) }
    }

    private mutating func drain() {
        guard machine.isLive else { return }
        for change in feed where machine.take(upTo: SequenceNumber(change.sequence)) {
            watcher.hear(change, isLive: true)
        }
        feed = []
        if machine.waitsForDrain { perform(machine.drained(published: SequenceNumber(Int64(published)))) }
    }

    private mutating func answer() {
        guard !reads.isEmpty else { return }
        switch reads.removeFirst() {
        case .state:
            var state = OwnerState()
            state.lastSequence = SequenceNumber(Int64(committed.count))
            perform(machine.stateRead(state, at: .init(milliseconds: 0)))
        case .page(let query): perform(machine.pageRead(page(query)))
        }
    }

    private mutating func page(_ query: ChangesQuery) -> ChangesPage {
        var after = Int64(0)
        if case .position(let position) = query.start { after = position.after.rawValue }
        var latest: [RecordAddress: Int64] = [:]
        for change in committed { latest[change.address] = change.sequence }
        let rest = latest.filter { $0.value > after }.sorted { $0.value < $1.value }
        let part = rest.prefix(Int.random(in: 1...4, using: &random))
        let hasMore = part.count < rest.count
        let reached = hasMore ? part.last?.value ?? 0 : Int64(committed.count)
        return ChangesPage(
            records: part.filter { query.scope.contains($0.key) }.map { Self.record($0.value, $0.key) },
            reached: ChangesPosition(after: SequenceNumber(reached), baseline: .zero), hasMore: hasMore)
    }

    private static func record(_ sequence: Int64, _ address: RecordAddress) -> Record {
        Record(
            address: address, value: JSONText(validated: ByteBuffer(string: "1")), updatedAt: .init(milliseconds: 0),
            sequence: SequenceNumber(sequence), committedAt: .init(milliseconds: 0))
    }

    private mutating func ask() {
        let collection = Self.collections.randomElement(using: &random) ?? Self.collections[0]
        let scope: StreamScope =
            switch Int.random(in: 0..<4, using: &random) {
            case 0: .everything
            case 1: .collection(collection)
            case 2: .key(collection, Self.keys[1])
            default: .prefix(collection, KeyPrefix(stored: "k1"))
            }
        let last = Int64(committed.count)
        let places = [nil, 0, Int64.random(in: 0...last, using: &random), last, last + 3]
        let since = places.randomElement(using: &random) ?? nil
        let isSubscribing = Int.random(in: 0..<5, using: &random) > 0
        let id = watcher.ask(scope, since: since, isSubscribing: isSubscribing)
        if isSubscribing {
            let resume = since.map { ResumePoint(since: SequenceNumber($0), epoch: nil) }
            perform(machine.subscribe(to: scope, resume, id: id))
        } else {
            perform(machine.unsubscribe(from: scope, id: id))
        }
    }

    private mutating func perform(_ actions: [SessionStateMachine.Action]) {
        for action in actions {
            switch action {
            case .send(let message): watcher.hear(message)
            case .sendRecords(let records):
                for record in records {
                    watcher.hear(Committed(sequence: record.sequence.rawValue, address: record.address), isLive: false)
                }
            case .join(let scopes):
                // What a feed still holds is lost to those who leave it.
                if joined != scopes { feed = [] }
                joined = scopes
            case .leave:
                joined = nil
                feed = []
            case .readState: reads.append(.state)
            case .read(let query): reads.append(.page(query))
            case .refuse(_, let id): watcher.refused(id)
            case .close(let code): watcher.require(false, "closed with \(code)")
            }
        }
    }
}

/// What the subscriber sees, held against what was committed.
private struct Watcher {
    private struct Ask {
        let scope: StreamScope
        let since: Int64?
        let isSubscribing: Bool
        var isAnswered = false
    }

    private struct CatchUp {
        let scope: StreamScope
        let id: JSONText?
        var since: Int64
        /// Whether nothing else is told meanwhile.
        let isFirst: Bool
        var heard: [Committed] = []
    }

    private(set) var violations: [String] = []
    var committed: [Committed] = []
    private var scopes: [StreamScope]
    private var isDefault: Bool
    private let resumes: Bool
    private var asks: [Ask] = []
    /// Everything up to here, of the scopes in force, has been told.
    private var cursor: Int64 = 0
    private var isOpen = false
    private var catchUp: CatchUp?

    init(scope: StreamScope, isDefault: Bool, resumes: Bool) {
        scopes = [scope]
        self.isDefault = isDefault
        self.resumes = resumes
    }

    mutating func ask(_ scope: StreamScope, since: Int64?, isSubscribing: Bool) -> JSONText {
        asks.append(Ask(scope: scope, since: since, isSubscribing: isSubscribing))
        return JSONText(validated: ByteBuffer(string: String(asks.count - 1)))
    }

    mutating func hear(_ message: ServerMessage) {
        switch message {
        case .hello(let hello):
            require(!isOpen, "hello twice")
            isOpen = true
            if resumes {
                catchUp = CatchUp(scope: scopes[0], id: nil, since: 0, isFirst: true)
            } else {
                cursor = hello.sequence.rawValue
            }
        case .acknowledged(.streaming(let position), let id): acknowledged(position.rawValue, id)
        case .reset(_, let id):
            require(catchUp != nil && catchUp?.id == id, "a reset of nothing")
            catchUp?.since = 0
            catchUp?.heard = []
        case .current(let position, let id): current(position.rawValue, id)
        case .event, .presence, .expiring, .acknowledged, .error: require(false, "an unexpected message")
        }
    }

    mutating func refused(_ id: JSONText?) {
        let index = number(id)
        require(!asks[index].isSubscribing && (isDefault || !scopes.contains(asks[index].scope)), "a wrong refusal")
        asks[index].isAnswered = true
    }

    mutating func hear(_ change: Committed, isLive: Bool) {
        require(isOpen, "an event before hello")
        require(committed.contains { $0.sequence == change.sequence && $0.address == change.address }, "no such change")
        guard isLive else {
            require(catchUp != nil, "a stored record to one who is live")
            require(change.sequence > catchUp?.heard.last?.sequence ?? 0, "stored records out of order")
            catchUp?.heard.append(change)
            return
        }
        require(catchUp == nil, "a live event to one who catches up")
        require(scopes.contains { $0.contains(change.address) }, "an event of another scope")
        require(change.sequence > cursor, "an event twice, or out of order")
        requireNothingMissed(before: change.sequence)
        cursor = change.sequence
    }

    private mutating func acknowledged(_ position: Int64, _ id: JSONText?) {
        let index = number(id)
        require(catchUp == nil && !asks[index].isAnswered, "an ack too many")
        require(position >= cursor, "an ack of the past")
        requireNothingMissed(before: position + 1)
        cursor = position
        asks[index].isAnswered = true
        let ask = asks[index]
        guard ask.isSubscribing else {
            scopes.removeAll { $0 == ask.scope }
            return
        }
        let isFirst = isDefault || scopes.isEmpty
        if isDefault { scopes = [] }
        isDefault = false
        if !scopes.contains(ask.scope) { scopes.append(ask.scope) }
        if let since = ask.since { catchUp = CatchUp(scope: ask.scope, id: id, since: since, isFirst: isFirst) }
    }

    private mutating func current(_ position: Int64, _ id: JSONText?) {
        guard let done = catchUp, done.id == id else {
            require(false, "current, but of what?")
            return
        }
        catchUp = nil
        require(done.isFirst ? position >= cursor : position == cursor, "current at the wrong place")
        cursor = position
        for change in done.heard {
            require(done.scope.contains(change.address), "a stored record of another scope")
            require(change.sequence > done.since && change.sequence <= position, "a stored record out of range")
        }
        for change in committed where change.sequence > done.since && change.sequence <= position {
            guard done.scope.contains(change.address) else { continue }
            let isTold = done.heard.contains { $0.address == change.address && $0.sequence >= change.sequence }
            let isStillToCome = committed.contains { $0.address == change.address && $0.sequence > position }
            require(isTold || isStillToCome, "\(change.sequence) is missing from what was stored")
        }
    }

    mutating func end(isLive: Bool) {
        require(isLive && catchUp == nil, "it never became current")
        require(asks.allSatisfy(\.isAnswered), "a request without an answer")
        requireNothingMissed(before: .max)
    }

    private mutating func requireNothingMissed(before sequence: Int64) {
        let missed = committed.first { change in
            change.sequence > cursor && change.sequence < sequence && scopes.contains { $0.contains(change.address) }
        }
        require(missed == nil, "\(missed?.sequence ?? 0) was never told")
    }

    private func number(_ id: JSONText?) -> Int { id.flatMap { Int(String(buffer: $0.bytes)) } ?? 0 }

    mutating func require(_ holds: Bool, _ complaint: @autoclosure () -> String) {
        if !holds { violations.append(complaint()) }
    }
}
