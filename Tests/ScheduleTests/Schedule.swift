import ApusCore
import ApusMemory
import ApusProtocol
import ApusTesting
import NIOCore
import NIOEmbedded
import NIOHTTP1

@testable import ApusHTTP

/// One order in which everything happens, decided by a seed: what is written, read, told, taken, broken and opened
/// again, one step after the other.
final class Schedule {
    private(set) var violations: [String] = []
    let seed: UInt64
    var random: SplitMix64
    let clock = ManualClock()
    let faulty: FaultyBackend
    let backend: LedgerBackend
    let embedded = EmbeddedEventLoop()
    var house: House
    var clients: [Client] = []
    let users: [OwnerID]
    /// Connections of this house, to see that nothing of them is left.
    private var connections: [Connection] = []
    private var tokens = 0
    /// Whether the storage has failed, so that only a restart helps.
    private var isBroken = false

    private static let stepsMax = 130

    init(seed: UInt64) throws {
        self.seed = seed
        random = SplitMix64(seed: seed)
        faulty = FaultyBackend(MemoryBackend(makeEpoch: { "e" }))
        backend = LedgerBackend(faulty)
        users = ["u1", "u2"].prefix(Int.random(in: 1...2, using: &random)).map { OwnerID(stored: $0) }
        house = try House(on: backend, clock: clock, embedded: embedded)
        for index in 1...Int.random(in: 2...4, using: &random) { clients.append(client(index)) }
    }

    var ledger: Ledger { backend.ledger }

    /// What the clients heard, the same for the same seed.
    var story: [String] { clients.flatMap(\.story) }

    func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    func pick<Element>(_ list: [Element]) -> Element { list[Int.random(in: 0..<list.count, using: &random)] }

    func report(_ complaint: String) { violations.append(complaint) }

    func run() throws {
        for _ in 0..<Int.random(in: 0..<12, using: &random) { askForWrite() }
        house.desk.sort()
        house.commit(12)
        for client in clients where chance(2) { try connect(client) }
        for _ in 0..<Int.random(in: 40...Self.stepsMax, using: &random) {
            try step()
            try settleStep()
            guard violations.isEmpty else { break }
        }
        if violations.isEmpty { try finish() }
        house.stop()
    }

    private func settleStep() throws {
        embedded.run()
        house.desk.sort()
        for client in clients {
            try client.listen(at: clock.now())
            violations += client.violations
        }
        violations += ledger.violations
    }

    // MARK: Steps

    private func step() throws {
        switch Int.random(in: 0..<1000, using: &random) {
        case ..<110: askForWrite()
        case ..<230: house.commit(Int.random(in: 1...4, using: &random))
        case ..<370: for _ in 0...Int.random(in: 0..<3, using: &random) { house.desk.takeNews()?() }
        case ..<490: answerQuestion()
        case ..<600: house.desk.takeAnswer(&random)?()
        case ..<730: pick(house.loops).run()
        case ..<850: try askAsClient()
        case ..<915: try comeBack()
        case ..<925: try leave()
        case ..<950: connected()?.stall()
        case ..<970: connected()?.connection?.takeAll(forGood: false)
        case ..<980: moveClock()
        case ..<986: breakStorage()
        case ..<992: tick()
        case ..<996: revoke()
        default: try restart()
        }
    }

    private func connected() -> Client? { clients.filter { $0.connection != nil }.randomElement(using: &random) }

    private func comeBack() throws {
        guard let client = clients.filter({ $0.connection == nil }).randomElement(using: &random) else { return }
        try connect(client)
    }

    private func answerQuestion() {
        guard let question = house.desk.takeQuestion(&random) else { return }
        guard chance(50) else { return house.ask(question) }
        clients.first { $0.index == question.asker }?.mayBeToldToComeBack = true
        question.fail()
    }

    private func leave() throws {
        guard let client = connected() else { return }
        switch Int.random(in: 0..<4, using: &random) {
        case 0: client.halfClose()
        case 1 where client.wire == .frames && client.canAsk: try client.sayGoodbye()
        default: client.hangUp()
        }
    }

    private func moveClock() {
        if chance(6) {
            clock.advance(bySeconds: 31 * 86_400)
        } else {
            clock.advance(byMilliseconds: Int64.random(in: 1...20_000, using: &random))
        }
        house.askForSweep()
    }

    private func breakStorage() {
        guard !isBroken else { return }
        switch Int.random(in: 0..<7, using: &random) {
        case 0:
            faulty.failNextCommit(with: .storageUnavailable(cause: "the schedule"))
            isBroken = true
        case 1, 2, 3: faulty.failNextCommit(with: .storageBusy(cause: "the schedule"))
        default: faulty.failNextCommit(with: .storageFull(cause: "the schedule"))
        }
    }

    /// Now, or when who has taken nothing since now has taken nothing for long: be it the client, or that the storage
    /// has not answered.
    private func tick() {
        let isLate = chance(2)
        if isLate { for client in clients { client.mayBeSlow = true } }
        pick(house.lanes).state.tick(at: isLate ? .now() + .seconds(3) : .now(), wallTime: clock.now())
    }

    private func revoke() {
        let service = house.service(for: 0)
        if chance(3) {
            service.revokeTokens(of: pick(users), origin: .system) { _ in }
        } else if let id = pick(clients).token.tokenID {
            service.revokeToken(id, expiresAt: nil, origin: .system) { _ in }
        }
    }

    // MARK: Connections

    private func client(_ index: Int) -> Client {
        let user = pick(users)
        let scope: StreamScope? = chance(2) ? nil : self.scope()
        let isFollower = chance(2)
        let wire: Wire = chance(3) ? .events : .frames
        return Client(
            index, of: user, isFollower ? .follower(scope) : .wanderer, wire: wire, token: token(for: user),
            ledger: ledger)
    }

    func token(for user: OwnerID) -> Principal {
        tokens += 1
        let life: Int64 = chance(8) ? 30_000 : 100 * 86_400_000
        return Principal(
            user: user, tokenID: "t\(tokens)", issuedAt: nil, expiresAt: clock.now().advanced(byMilliseconds: life),
            generation: ledger.generation(of: user))
    }

    private func connect(_ client: Client) throws {
        if ledger.revokes(client.token) || client.token.expiresAt <= clock.now() {
            client.token = token(for: client.user)
        }
        var (scope, resume): (StreamScope?, ResumePoint?)
        switch client.kind {
        case .follower(let own):
            scope = own
            resume = ResumePoint(since: SequenceNumber(client.position), epoch: chance(2) ? "e" : nil)
        case .wanderer:
            scope = chance(2) ? nil : self.scope()
            resume = self.resume(of: client.user)
        }
        var query = parameters(scope)
        var headers = HTTPHeaders()
        if let resume {
            if client.wire == .events, resume.since != .zero {
                headers.add(name: "Last-Event-ID", value: "\(resume.since.rawValue)")
            } else {
                query.append("since=\(resume.since.rawValue)")
            }
            if let epoch = resume.epoch { query.append("epoch=\(epoch)") }
        }
        if chance(6) { query.append("device_id=d\(client.index)") }
        let target = try RequestTarget("/?" + query.joined(separator: "&"))
        let connection = try Connection(
            as: client.token, try StreamOpening(target, headers), wire: client.wire,
            context: house.context(for: client.index), lane: pick(house.lanes), on: embedded, seed: random.next())
        guard let connection else { return report("a connection was refused") }
        connections.append(connection)
        let watcher = Watcher(of: client.user, scope: scope, resume: resume, epoch: Epoch("e"), ledger: ledger)
        client.opened(connection, watcher)
    }

    private func parameters(_ scope: StreamScope?) -> [String] {
        switch scope {
        case nil, .everything: []
        case .collection(let collection): ["collection=\(collection.text)"]
        case .key(let collection, let key): ["collection=\(collection.text)", "key=\(key.text)"]
        case .prefix(let collection, let prefix): ["collection=\(collection.text)", "prefix=\(prefix.text)"]
        }
    }

    // MARK: The end

    private func restart() throws {
        for client in clients { client.mayBeToldToComeBack = true }
        for lane in house.lanes { lane.state.drain() }
        // A fault that is still to come is this house's.
        house.askForSweep()
        try settle()
        try close()
        house = try House(on: backend, clock: clock, embedded: embedded)
        isBroken = false
    }

    /// Lets everything that is under way arrive.
    private func settle() throws {
        for _ in 0..<10_000 {
            try settleStep()
            if house.desk.isEmpty, house.loops.allSatisfy(\.isIdle) { return }
            house.commit(8)
            while let question = house.desk.takeQuestion(&random) { house.ask(question) }
            while let news = house.desk.takeNews() { news() }
            while let answer = house.desk.takeAnswer(&random) { answer() }
            for loop in house.loops { loop.run() }
        }
        report("it does not come to rest")
    }

    /// Everyone goes, and nothing is left of them.
    private func close() throws {
        for client in clients { client.hangUp() }
        for connection in connections { connection.hangUp() }
        try settle()
        house.stop()
        if house.hub.socketCount != 0 || house.hub.connectionCount != 0 {
            report("\(house.hub.socketCount) sockets and \(house.hub.connectionCount) connections are counted")
        }
        if connections.contains(where: { $0.session != nil || $0.subscriber != nil }) {
            report("a session is left of a connection that has gone")
        }
        connections = []
    }

    private func finish() throws {
        if isBroken { try restart() }
        // The first one may meet a fault that is still to come.
        for _ in 0..<2 { house.askForSweep() }
        for _ in 0..<6 {
            for client in clients where client.connection != nil && !client.isConnected { client.hangUp() }
            for client in clients where client.connection == nil { try connect(client) }
            for client in clients { client.connection?.takeAll(forGood: true) }
            try settle()
            // Feeds forget once a second what those who were slow have taken.
            for lane in house.lanes { lane.state.tick(at: .now(), wallTime: clock.now()) }
            try settle()
            if clients.allSatisfy(\.isConnected) { break }
        }
        for client in clients {
            client.end()
            if let stored = try stored(of: client.user) { client.compare(with: stored) }
            violations += client.violations
        }
        if violations.isEmpty { try close() }
    }

    /// The owner's live records.
    private func stored(of owner: OwnerID) throws -> [RecordAddress: Record]? {
        let page = try backend.openReader().changes(
            owner: owner, collection: nil, after: .zero, limit: 10_000, bytesMax: .max, liveAt: clock.now())
        guard !page.hasMore else { return nil }
        let live = page.records.filter { !$0.isTombstone }
        return Dictionary(live.map { ($0.address, $0) }, uniquingKeysWith: { $1 })
    }
}
