public import ApusCore
public import Logging
public import Metrics
public import ServiceLifecycle

/// The heart: every policy, one committer, a few readers, and the feed of changes.
///
/// It works from the moment it is made; run ``services`` to have it swept and, in the end, stopped in order.
public final class Engine: SyncService {
    let storage: any StorageBackend
    let settings: EngineSettings
    let clock: any WallClock
    private let startedAt: Timestamp
    let committer: Committer
    let readers: ReaderPool
    let revocations: RevocationList
    private let observers = Observers()
    let presence: Presence
    let exports: Exports
    private let latestChanges: LatestChanges
    private let totals = TotalsCache()
    private let users: RateLimiter
    private let administrators: RateLimiter
    private let refusals = RefusalTally()
    private let guesses: Guesses
    private let meters: EngineMeters
    private let logger: Logger
    private let started = ContinuousClock.now

    private static let readerCount = 2

    /// Opens the storage's writer and readers and loads the revocations.
    ///
    /// - Parameter metrics: where it is counted what the engine does; nowhere unless told.
    /// - Throws: what the storage throws.
    public init(
        storage: any StorageBackend, settings: EngineSettings, clock: any WallClock = SystemClock(),
        makeTokenID: @escaping @Sendable () -> String = Engine.randomTokenID,
        metrics: any MetricsFactory = NOOPMetricsHandler.instance, logger: Logger
    ) throws(ApusError) {
        self.storage = storage
        self.settings = settings
        self.clock = clock
        self.logger = logger
        startedAt = clock.now()
        meters = EngineMeters(metrics)
        users = RateLimiter(perMinute: settings.rateLimitPerMinute)
        administrators = RateLimiter(perMinute: settings.adminRateLimitPerMinute)
        guesses = Guesses(settings: settings, refusals: refusals, clock: clock)
        exports = Exports(storage: storage, limits: settings.limits, clock: clock)
        latestChanges = LatestChanges(countMax: settings.limits.overviewRowsMax)
        observers.attach(latestChanges)
        presence = Presence(limits: settings.limits, observers: observers, clock: clock)
        let writer = try storage.openWriter()
        revocations = RevocationList(tokens: try writer.revocations(), cutoffs: try writer.cutoffs())
        var opened: [any StorageReader] = []
        for _ in 0..<Self.readerCount { opened.append(try storage.openReader()) }
        readers = ReaderPool(readers: opened, waitingMax: settings.limits.readsWaitingMax)
        committer = try Committer(
            writer: writer,
            context: CommitContext(
                settings: settings, clock: clock, revocations: revocations, observers: observers, presence: presence,
                makeTokenID: makeTokenID, meters: meters, logger: logger))
    }

    /// What must run beside the engine, in the order to start them: the engine's own end comes last.
    public var services: [any Service] {
        [
            EngineEnd(engine: self),
            Sweeper(committer: committer, refusals: refusals, settings: settings, clock: clock, logger: logger),
            PresenceWatch(presence: presence, committer: committer, logger: logger),
        ]
    }

    /// Requests to write that wait for their turn.
    public var commandsWaiting: Int { committer.waitingCount }

    /// Ends exports before their end, finishes every write and read that was accepted, checkpoints, and lets go of the
    /// storage.
    public func stop() {
        exports.stop()
        committer.stop()
        readers.stop()
    }

    /// 128 random bits in hex.
    public static let randomTokenID: @Sendable () -> String = {
        var generator = SystemRandomNumberGenerator()
        let bits = UInt128(generator.next()) << 64 | UInt128(generator.next())
        let hex = String(bits, radix: 16)
        return String(repeating: "0", count: 32 - hex.count) + hex
    }
}

/// Stops the engine when everything that uses it has stopped.
private struct EngineEnd: Service {
    let engine: Engine

    func run() async throws {
        try? await gracefulShutdown()
        engine.stop()
    }
}

// MARK: - Admission

extension Engine {
    public var storageDescription: StorageDescription { storage.description }
    public var epoch: Epoch { storage.description.epoch }
    public var limits: Limits { settings.limits }

    public func now() -> Timestamp { clock.now() }

    public func checkStanding(of principal: Principal) throws(ApusError) {
        guard clock.now() <= principal.expiresAt.advanced(bySeconds: limits.tokenLeewaySeconds) else {
            throw ApusError(.tokenExpired, "the token has expired")
        }
        guard !revocations.revokes(principal) else { throw .tokenRevoked }
    }

    @discardableResult
    public func admit(_ principal: Principal) throws(ApusError) -> Allowance? {
        try checkStanding(of: principal)
        return try users.admit(principal.user.text, at: ContinuousClock.now - started)
    }

    public func authorize(_ principal: Principal, for owner: OwnerID) throws(ApusError) {
        guard principal.user == owner else {
            throw ApusError(.forbidden, "the token speaks for another user")
        }
    }

    public func admitAdministrator(from address: String) throws(ApusError) {
        try administrators.admit(Guesses.source(of: address), at: ContinuousClock.now - started)
    }

    public func admitGuess(of secret: GuessedSecret, from address: String) throws(ApusError) {
        try guesses.admit(secret, from: address)
    }

    public func noteWrongGuess(of secret: GuessedSecret, origin: RequestOrigin) {
        guesses.noteWrong(secret, origin: origin)
    }

    public func noteRefusal(_ error: ApusError, of action: String, origin: RequestOrigin) {
        refusals.note(error.code, of: action, origin: origin, at: clock.now())
    }

    public func attach(_ observer: any FeedObserver) {
        observers.attach(observer)
    }
}

// MARK: - Data

extension Engine {
    public func write(_ request: WriteRequest, then: @escaping Completion<WriteAnswer>) {
        do throws(ApusError) {
            try charge(request)
            committer.submit(.write(request, then))
        } catch {
            then(.failure(error))
        }
    }

    /// A bulk is one request, which was admitted as such, and one more for every so many items; but no bulk is more
    /// than what a user may ask who has been silent for a minute.
    private func charge(_ request: WriteRequest) throws(ApusError) {
        guard request.isBulk, let principal = request.principal else { return }
        let more = min(request.items.count / limits.bulkItemsPerRequest, settings.rateLimitPerMinute - 1)
        try users.admit(principal.user.text, count: more, at: ContinuousClock.now - started)
    }

    public func record(at address: RecordAddress, then: @escaping Completion<Record>) {
        readers.read(then: then) { [clock, meters] reader throws(ApusError) in
            meters.reads.increment()
            guard let record = try reader.record(at: address), record.isLive(at: clock.now()) else {
                throw ApusError(.notFound, "there is no such record")
            }
            return record
        }
    }

    public func storedRecord(at address: RecordAddress, then: @escaping Completion<RestorableRecord>) {
        readers.read(then: then) { [clock] reader throws(ApusError) in
            try reader.snapshot { () throws(ApusError) in
                guard let record = try reader.record(at: address), !record.isExpired(at: clock.now()) else {
                    throw ApusError(.notFound, "there is no such record")
                }
                let kept = try reader.deletedValue(at: address)
                return RestorableRecord(record: record, isRestorable: kept != nil)
            }
        }
    }

    public func undelete(_ address: RecordAddress, origin: RequestOrigin, then: @escaping Completion<Record>) {
        committer.submit(.alone(UndeleteRecord(address: address, origin: origin, then: then)))
    }

    public func list(_ query: ListQuery, then: @escaping Completion<RecordPage>) {
        readers.read(then: then) { [clock, limits, meters] reader throws(ApusError) in
            meters.reads.increment()
            let read = query.includesTombstones ? reader.recordsAndTombstones : reader.records
            return try read(
                query.owner, query.collection, query.after, query.limit, limits.pageBytesMax, clock.now())
        }
    }

    public func changes(_ query: ChangesQuery, then: @escaping Completion<ChangesPage>) {
        readers.read(then: then) { [clock, limits, meters] reader throws(ApusError) in
            meters.reads.increment()
            // The state is read before the search, so that what is committed in between comes after it.
            let state = try reader.ownerState(query.owner)
            var position: ChangesPosition
            let startsAfresh: Bool
            switch query.start {
            case .committedAtOrAfter(let moment):
                let first = try reader.firstChange(owner: query.owner, committedAtOrAfter: moment)
                let after = first.map { SequenceNumber($0.rawValue - 1) } ?? state.lastSequence
                position = ChangesPosition(after: after, baseline: .zero)
                startsAfresh = true
            case .position(let given):
                position = given
                startsAfresh = given.after == .zero
            }
            var page = try reader.changes(
                of: query, after: position.after, bytesMax: query.bytesMax ?? limits.pageBytesMax, liveAt: clock.now())
            let horizon = page.reached.baseline
            if startsAfresh { position.baseline = max(position.baseline, horizon) }
            guard !position.isBehind(horizon: horizon) else {
                throw ApusError(.resyncRequired, "deletions after this position are forgotten; start again without it")
            }
            page.reached.baseline = position.baseline
            return page
        }
    }

    public func collections(of owner: OwnerID, then: @escaping Completion<[CollectionCount]>) {
        readers.read(then: then) { [clock, meters] reader throws(ApusError) in
            meters.reads.increment()
            return try reader.collections(owner: owner, liveAt: clock.now())
        }
    }

    public func ownerState(_ owner: OwnerID, then: @escaping Completion<OwnerState>) {
        readers.read(then: then) { reader throws(ApusError) in try reader.ownerState(owner) }
    }

    public func owners(after: OwnerID?, limit: Int, then: @escaping Completion<[OwnerEntry]>) {
        readers.read(then: then) { reader throws(ApusError) in try reader.owners(after: after, limit: limit) }
    }

    public func overview(then: @escaping Completion<Overview>) {
        totals.get(counting: { [readers, clock] counted in
            readers.read(then: counted) { reader throws(ApusError) in try reader.totals(liveAt: clock.now()) }
        }) { [readers, storage, latestChanges, limits] counted in
            readers.read(then: then) { reader throws(ApusError) in
                Overview(
                    totals: try counted.get(), storage: storage.description, storageBytes: storage.bytesStored(),
                    changes: latestChanges.notices, audit: try reader.auditEntries(limit: limits.overviewRowsMax))
            }
        }
    }

    public func health(then: @escaping Completion<HealthReport>) {
        let fault = committer.fault
        let isOverloaded = committer.waitingCount >= limits.commandsWaitingMax
        readers.read(then: then) { [storage, startedAt] reader throws(ApusError) in
            _ = try reader.users(after: nil, limit: 1)
            return HealthReport(
                storage: storage.description, storageBytes: storage.bytesStored(), startedAt: startedAt, fault: fault,
                isOverloaded: isOverloaded)
        }
    }
}

// MARK: - Users and tokens

extension Engine {
    public func issueToken(_ request: TokenRequest, then: @escaping Completion<IssuedToken>) {
        committer.submit(.alone(IssueToken(request: request, then: then)))
    }

    public func rotateTokens(
        of user: OwnerID, ttlSeconds: Int64?, origin: RequestOrigin, then: @escaping Completion<IssuedToken>
    ) {
        committer.submit(.alone(RotateTokens(user: user, ttlSeconds: ttlSeconds, origin: origin, then: then)))
    }

    public func revokeToken(
        _ id: String, expiresAt: Timestamp?, origin: RequestOrigin, then: @escaping Completion<Void>
    ) {
        committer.submit(.alone(RevokeToken(tokenID: id, expiresAt: expiresAt, origin: origin, then: then)))
    }

    public func revokeTokens(of user: OwnerID, origin: RequestOrigin, then: @escaping Completion<Void>) {
        committer.submit(.alone(RevokeUser(user: user, isDeletion: false, origin: origin, then: then)))
    }

    public func deleteUser(_ user: OwnerID, origin: RequestOrigin, then: @escaping Completion<Void>) {
        let revoke = RevokeUser(user: user, isDeletion: true, origin: origin) { [self] revoked in
            guard case .success = revoked else { return then(revoked) }
            erase(user, after: .zero, through: nil, then: then)
        }
        committer.submit(.alone(revoke))
    }

    private func erase(
        _ user: OwnerID, after: SequenceNumber, through: SequenceNumber?, then: @escaping Completion<Void>
    ) {
        let part = EraseUser(user: user, after: after, through: through) { [self] erased in
            switch erased {
            case .success(.some(let reached)):
                erase(user, after: reached.after, through: reached.through, then: then)
            case .success(.none): then(.success(()))
            case .failure(let error): then(.failure(error))
            }
        }
        committer.submit(.alone(part))
    }

    public func user(_ id: OwnerID, then: @escaping Completion<UserDetail>) {
        readers.read(then: then) { [clock, presence, limits] reader throws(ApusError) in
            let glances = presence.glances(of: id)
            guard let user = try reader.user(id) else { throw ApusError.unknownUser }
            let now = clock.now()
            return UserDetail(
                user: user, usage: try reader.usage(owner: id, liveAt: now),
                tokens: try reader.tokens(user: id, expiringAfter: now, limit: 100),
                devices: try reader.statuses(of: id, glances: glances, limits: limits))
        }
    }

    public func users(after: OwnerID?, limit: Int, then: @escaping Completion<[User]>) {
        readers.read(then: then) { reader throws(ApusError) in try reader.users(after: after, limit: limit) }
    }

    public func auditEntries(_ query: AuditQuery, then: @escaping Completion<AuditPage>) {
        let search = AuditSearch(query, cleanupInterval: settings.cleanupInterval)
        readers.read(then: then) { reader throws(ApusError) in try search.run(on: reader) }
    }
}

// MARK: - Devices and presence

extension Engine {
    public func registerDevice(_ registration: DeviceRegistration, then: @escaping Completion<RegisteredDevice>) {
        committer.submit(.alone(RegisterDevice(registration: registration, then: then)))
    }

    public func devices(of owner: OwnerID, then: @escaping Completion<[DeviceStatus]>) {
        readers.read(then: then) { [presence, limits] reader throws(ApusError) in
            let glances = presence.glances(of: owner)
            return try reader.statuses(of: owner, glances: glances, limits: limits)
        }
    }

    public func onlineDevices(limit: Int, then: @escaping Completion<[DeviceStatus]>) {
        readers.read(then: then) { [presence, limits] reader throws(ApusError) in
            let online = presence.online(limit: limit)
            var statuses: [DeviceStatus] = []
            for (owner, glances) in online.sorted(by: { $0.key < $1.key }) {
                statuses += try reader.statuses(of: owner, glances: glances, limits: limits)
                    .filter { glances[$0.device.id] != nil }
            }
            return statuses
        }
    }

    public func forgetDevice(
        _ id: DeviceID, of owner: OwnerID, origin: RequestOrigin, then: @escaping Completion<DeviceStatus>
    ) {
        let address = DeviceAddress(owner: owner, id: id)
        committer.submit(.alone(ForgetDevice(address: address, origin: origin, then: then)))
    }

    public func deviceConnected(_ id: DeviceID, of owner: OwnerID) {
        presence.connected(DeviceAddress(owner: owner, id: id))
    }

    public func deviceDisconnected(_ id: DeviceID, of owner: OwnerID) {
        presence.disconnected(DeviceAddress(owner: owner, id: id))
    }
}
