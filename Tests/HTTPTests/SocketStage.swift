import ApusCore
import NIOCore
import NIOEmbedded
import Synchronization

@testable import ApusHTTP

/// One event loop without a network: its lane, the hub before it, and a service that answers from a list of records.
final class SocketStage {
    let loop = EmbeddedEventLoop()
    let hub = FeedHub()
    let service: ListService
    let lane: Lane
    let context: HTTPContext

    convenience init(settings change: (inout HTTPSettings) -> Void) {
        self.init({ _ in }, change)
    }

    convenience init(trusted: [AddressRange] = [], _ change: (inout Limits) -> Void = { _ in }) {
        self.init(change, { $0.trustedProxies = trusted })
    }

    private init(_ change: (inout Limits) -> Void, _ decide: (inout HTTPSettings) -> Void) {
        var limits = Limits()
        // So that bodies need not be large to be counted.
        limits.smallBodyBytesMax = 0
        change(&limits)
        var settings = HTTPSettings(
            isAdministratorKey: { $0 == "admin" }, cursorSecret: Secret(""), version: "test")
        decide(&settings)
        service = ListService(limits: limits)
        lane = Lane(loop: loop, index: 0, limits: limits, hub: hub)
        hub.open([lane])
        context = HTTPContext(
            service: service, auth: FewTokens(), settings: settings,
            cursors: CursorSealer(secret: [], epoch: service.epoch), hub: hub, log: { _, _ in })
    }

    /// A session without a channel.
    func session(of user: String = "u1", since: Int64? = nil) throws -> WebSocketSession {
        let opening = try StreamOpening(RequestTarget(since.map { "/?since=\($0)" } ?? "/"))
        return WebSocketSession(
            principal: principal(user), opening: opening, address: "127.0.0.1", context: context, lane: lane)
    }

    /// A subscriber without a connection, that takes nothing by itself.
    func subscriber(of user: String = "u1", wire: Wire = .frames) -> Subscriber {
        Subscriber(
            principal: principal(user), opening: .everything, wire: wire, address: "127.0.0.1", context: context,
            lane: lane)
    }

    private func principal(_ user: String) -> Principal {
        Principal(
            user: OwnerID(stored: user), tokenID: nil, issuedAt: nil, expiresAt: .init(milliseconds: .max / 2),
            generation: nil)
    }

    /// A session on a channel of its own, past its upgrade.
    func connect(_ session: WebSocketSession) throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handler: nil, loop: loop)
        try channel.pipeline.syncOperations.addHandler(session)
        channel.pipeline.fireChannelActive()
        session.start()
        loop.run()
        return channel
    }

    /// Commits a change and tells the hub, as the engine would.
    func write(_ key: String, _ value: String = "1", owner: String = "u1") {
        hub.publish([service.commit(key, value, owner: owner)])
    }
}

extension EmbeddedChannel {
    /// The text of every frame sent since the last call.
    func sentTexts() throws -> [String] {
        var texts: [String] = []
        while var bytes = try readOutbound(as: ByteBuffer.self) {
            while let opcode = bytes.readInteger(as: UInt8.self) {
                let length: Int? =
                    switch bytes.readInteger(as: UInt8.self) {
                    case 126: bytes.readInteger(as: UInt16.self).map { Int($0) }
                    case 127: bytes.readInteger(as: UInt64.self).map { Int($0) }
                    case let short: short.map { Int($0) }
                    }
                guard let payload = length.flatMap({ bytes.readSlice(length: $0) }) else { break }
                texts.append(opcode == 0x81 ? String(buffer: payload) : "\(opcode & 0xF): \(Array(buffer: payload))")
            }
        }
        return texts
    }
}

/// Remembers records and answers at once; what no test asks for is not there.
final class ListService: SyncService {
    let epoch = Epoch("e")
    /// What the audit log would count.
    let refusals = Mutex<[String]>([])
    /// Whether too many wrong guesses came from everywhere.
    let shutsOutGuesses = Mutex(false)
    /// What is left to users.
    let allowance = Mutex<Allowance?>(nil)
    let limits: Limits
    private let records: Mutex<[Record]> = Mutex([])
    private let writes: Mutex<[Completion<WriteAnswer>]?> = Mutex(nil)
    private let held: Mutex<(isHolding: Bool, answers: [@Sendable () -> Void])> = Mutex((false, []))

    init(limits: Limits) {
        self.limits = limits
    }

    func commit(_ key: String, _ value: String, owner: String) -> Change {
        records.withLock { records in
            let address = RecordAddress(
                owner: OwnerID(stored: owner), collection: CollectionName(stored: "c"), key: RecordKey(stored: key))
            let number = Int64(records.filter { $0.address.owner == address.owner }.count + 1)
            let record = Record(
                address: address, value: JSONText(validated: ByteBuffer(string: value)), updatedAt: now(),
                sequence: SequenceNumber(number), committedAt: now())
            records.append(record)
            return Change(record: record)
        }
    }

    /// Answers to reads wait from now on.
    func hold() { held.withLock { $0.isHolding = true } }

    /// Gives the answers that waited.
    func release() {
        let answers = held.withLock { held in
            defer { held = (false, []) }
            return held.answers
        }
        for answer in answers { answer() }
    }

    private func answer(_ work: @escaping @Sendable () -> Void) {
        let isHeld = held.withLock { held in
            if held.isHolding { held.answers.append(work) }
            return held.isHolding
        }
        if !isHeld { work() }
    }

    /// Answers to writes wait from now on.
    func holdWrites() { writes.withLock { $0 = [] } }

    var writesHeld: Int { writes.withLock { $0?.count ?? 0 } }

    /// - Parameter body: what a write that was made is answered with; `nil` for none that was.
    func releaseWrites(_ body: String? = nil) {
        let answers = writes.withLock { writes in
            defer { writes = nil }
            return writes ?? []
        }
        let result: Result<WriteAnswer, ApusError> =
            body.map { .success(.replayed(ByteBuffer(string: $0))) } ?? .failure(Self.absent)
        for answer in answers { answer(result) }
    }

    func now() -> Timestamp { Timestamp(milliseconds: 0) }

    func ownerState(_ owner: OwnerID, then: @escaping Completion<OwnerState>) {
        var state = OwnerState()
        state.lastSequence = SequenceNumber(Int64(records.withLock { $0.filter { $0.address.owner == owner }.count }))
        answer { [state] in then(.success(state)) }
    }

    func changes(_ query: ChangesQuery, then: @escaping Completion<ChangesPage>) {
        guard case .position(let position) = query.start else { return then(.failure(Self.absent)) }
        let own = records.withLock { $0.filter { $0.address.owner == query.owner } }
        let rest = own.filter { $0.sequence > position.after && query.scope.contains($0.address) }
        let page = Array(rest.prefix(query.limit))
        let last = page.count < rest.count ? page.last?.sequence : own.last?.sequence
        let reached = ChangesPosition(after: last ?? .zero, baseline: position.baseline)
        answer { then(.success(ChangesPage(records: page, reached: reached, hasMore: page.count < rest.count))) }
    }

    private static let absent = ApusError(.notFound, "not part of this test")

    func checkStanding(of principal: Principal) throws(ApusError) {}
    func admit(_ principal: Principal) throws(ApusError) -> Allowance? { allowance.withLock { $0 } }
    func authorize(_ principal: Principal, for owner: OwnerID) throws(ApusError) {}
    func admitAdministrator(from address: String) throws(ApusError) {}
    func admitGuess(of secret: GuessedSecret, from address: String) throws(ApusError) {
        guard shutsOutGuesses.withLock({ $0 }) else { return }
        var error = ApusError(.rateLimited, "too many guesses")
        error.retryAfterSeconds = 7
        throw error
    }
    func noteWrongGuess(of secret: GuessedSecret, origin: RequestOrigin) {
        refusals.withLock { $0.append("wrong \(secret) \(origin.ip) \(origin.actor)") }
    }
    func noteRefusal(_ error: ApusError, of action: String, origin: RequestOrigin) {
        refusals.withLock { $0.append("\(error.code.rawValue) \(action) \(origin.actor)") }
    }
    func noteAudit(_ entry: AuditEntry, then: @escaping Completion<Void>) { then(.failure(Self.absent)) }
    func attach(_ observer: any FeedObserver) {}
    func write(_ request: WriteRequest, then: @escaping Completion<WriteAnswer>) {
        let isHeld = writes.withLock { writes in
            writes?.append(then)
            return writes != nil
        }
        if !isHeld { then(.failure(Self.absent)) }
    }
    func record(at address: RecordAddress, then: @escaping Completion<Record>) { then(.failure(Self.absent)) }
    func storedRecord(at: RecordAddress, then: @escaping Completion<RestorableRecord>) { then(.failure(Self.absent)) }
    func undelete(_: RecordAddress, origin: RequestOrigin, then: @escaping Completion<Record>) {
        then(.failure(Self.absent))
    }
    func owners(after: OwnerID?, limit: Int, then: @escaping Completion<[OwnerEntry]>) { then(.failure(Self.absent)) }
    func overview(then: @escaping Completion<Overview>) { then(.failure(Self.absent)) }
    func export(_ query: ExportQuery, origin: RequestOrigin, to sink: any ExportSink) {
        sink.end(.failure(Self.absent))
    }
    func list(_ query: ListQuery, then: @escaping Completion<RecordPage>) { then(.failure(Self.absent)) }
    func collections(of owner: OwnerID, then: @escaping Completion<[CollectionCount]>) { then(.failure(Self.absent)) }
    func issueToken(_ request: TokenRequest, then: @escaping Completion<IssuedToken>) { then(.failure(Self.absent)) }
    func rotateTokens(
        of user: OwnerID, ttlSeconds: Int64?, origin: RequestOrigin, then: @escaping Completion<IssuedToken>
    ) { then(.failure(Self.absent)) }
    func revokeToken(
        _ id: String, expiresAt: Timestamp?, origin: RequestOrigin, then: @escaping Completion<Void>
    ) { then(.failure(Self.absent)) }
    func revokeTokens(of user: OwnerID, origin: RequestOrigin, then: @escaping Completion<Void>) {
        then(.failure(Self.absent))
    }
    func deleteUser(_ user: OwnerID, origin: RequestOrigin, then: @escaping Completion<Void>) {
        then(.failure(Self.absent))
    }
    func user(_ id: OwnerID, then: @escaping Completion<UserDetail>) { then(.failure(Self.absent)) }
    func users(after: OwnerID?, limit: Int, then: @escaping Completion<[User]>) { then(.failure(Self.absent)) }
    func auditEntries(_ query: AuditQuery, then: @escaping Completion<AuditPage>) { then(.failure(Self.absent)) }
    func health(then: @escaping Completion<HealthReport>) { then(.failure(Self.absent)) }
}

/// The token of a user is the user's name, remembered; `slow-NAME` has to be verified first.
private struct FewTokens: AuthProvider {
    func remembered(_ token: String) -> Principal? { token.hasPrefix("u") ? Self.principal(token) : nil }

    func verify(_ token: String) async throws(ApusError) -> Principal {
        guard token.hasPrefix("slow-") else { throw ApusError(.unauthenticated, "nobody") }
        return Self.principal(String(token.dropFirst(5)))
    }

    func sign(_ grant: TokenGrant) async throws(ApusError) -> String { throw ApusError(.unauthenticated, "nobody") }

    private static func principal(_ user: String) -> Principal {
        Principal(
            user: OwnerID(stored: user), tokenID: nil, issuedAt: nil, expiresAt: .init(milliseconds: .max / 2),
            generation: nil)
    }
}
