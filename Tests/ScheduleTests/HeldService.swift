import ApusCore
import ApusEngine

/// The engine, to one client: what it is asked waits at the desk, and so does what it answers.
struct HeldService: SyncService {
    let engine: Engine
    let desk: Desk
    let asker: Int

    private func read<Answer: Sendable>(
        of owner: OwnerID, then: @escaping Completion<Answer>,
        _ ask: @escaping @Sendable (@escaping Completion<Answer>) -> Void
    ) {
        let desk = desk
        desk.add(
            Desk.Question(asker: asker, owner: owner) { done in
                ask { result in
                    desk.addAnswer { then(result) }
                    done()
                }
            } fail: {
                then(.failure(.storageBusy(cause: "the schedule")))
            })
    }

    func ownerState(_ owner: OwnerID, then: @escaping Completion<OwnerState>) {
        read(of: owner, then: then) { [engine] in engine.ownerState(owner, then: $0) }
    }

    func changes(_ query: ChangesQuery, then: @escaping Completion<ChangesPage>) {
        read(of: query.owner, then: then) { [engine] in engine.changes(query, then: $0) }
    }

    /// A command whose answer comes after the news of its commit.
    private func command<Answer: Sendable>(
        then: @escaping Completion<Answer>, _ submit: @escaping @Sendable (@escaping Completion<Answer>) -> Void
    ) {
        let desk = desk
        desk.addCommand(of: asker) { done in
            submit { result in
                desk.addNews { then(result) }
                done()
            }
        }
    }

    func write(_ request: WriteRequest, then: @escaping Completion<WriteAnswer>) {
        command(then: then) { [engine] in engine.write(request, then: $0) }
    }

    func revokeToken(
        _ id: String, expiresAt: Timestamp?, origin: RequestOrigin, then: @escaping Completion<Void>
    ) {
        command(then: then) { [engine] in engine.revokeToken(id, expiresAt: expiresAt, origin: origin, then: $0) }
    }

    func revokeTokens(of user: OwnerID, origin: RequestOrigin, then: @escaping Completion<Void>) {
        command(then: then) { [engine] in engine.revokeTokens(of: user, origin: origin, then: $0) }
    }
}

// MARK: - What is answered at once, and what no client asks

extension HeldService {
    var epoch: Epoch { engine.epoch }
    var limits: Limits { engine.limits }
    func now() -> Timestamp { engine.now() }
    func checkStanding(of principal: Principal) throws(ApusError) { try engine.checkStanding(of: principal) }
    func admit(_ principal: Principal) throws(ApusError) -> Allowance? { try engine.admit(principal) }
    func authorize(_ principal: Principal, for owner: OwnerID) throws(ApusError) {
        try engine.authorize(principal, for: owner)
    }
    func admitAdministrator(from address: String) throws(ApusError) { try engine.admitAdministrator(from: address) }
    func admitGuess(of secret: GuessedSecret, from address: String) throws(ApusError) {
        try engine.admitGuess(of: secret, from: address)
    }
    func noteWrongGuess(of secret: GuessedSecret, origin: RequestOrigin) {
        engine.noteWrongGuess(of: secret, origin: origin)
    }
    func noteRefusal(_ error: ApusError, of action: String, origin: RequestOrigin) {
        engine.noteRefusal(error, of: action, origin: origin)
    }
    func noteAudit(_ entry: AuditEntry, then: @escaping Completion<Void>) { engine.noteAudit(entry, then: then) }
    func attach(_ observer: any FeedObserver) { engine.attach(observer) }
    func record(at address: RecordAddress, then: @escaping Completion<Record>) {
        engine.record(at: address, then: then)
    }
    func storedRecord(at address: RecordAddress, then: @escaping Completion<RestorableRecord>) {
        engine.storedRecord(at: address, then: then)
    }
    func undelete(_ address: RecordAddress, origin: RequestOrigin, then: @escaping Completion<Record>) {
        engine.undelete(address, origin: origin, then: then)
    }
    func owners(after: OwnerID?, limit: Int, then: @escaping Completion<[OwnerEntry]>) {
        engine.owners(after: after, limit: limit, then: then)
    }
    func overview(then: @escaping Completion<Overview>) { engine.overview(then: then) }
    func export(_ query: ExportQuery, origin: RequestOrigin, to sink: any ExportSink) {
        engine.export(query, origin: origin, to: sink)
    }
    func list(_ query: ListQuery, then: @escaping Completion<RecordPage>) { engine.list(query, then: then) }
    func collections(of owner: OwnerID, then: @escaping Completion<[CollectionCount]>) {
        engine.collections(of: owner, then: then)
    }
    func issueToken(_ request: TokenRequest, then: @escaping Completion<IssuedToken>) {
        engine.issueToken(request, then: then)
    }
    func rotateTokens(
        of user: OwnerID, ttlSeconds: Int64?, origin: RequestOrigin, then: @escaping Completion<IssuedToken>
    ) { engine.rotateTokens(of: user, ttlSeconds: ttlSeconds, origin: origin, then: then) }
    func deleteUser(_ user: OwnerID, origin: RequestOrigin, then: @escaping Completion<Void>) {
        engine.deleteUser(user, origin: origin, then: then)
    }
    func user(_ id: OwnerID, then: @escaping Completion<UserDetail>) { engine.user(id, then: then) }
    func users(after: OwnerID?, limit: Int, then: @escaping Completion<[User]>) {
        engine.users(after: after, limit: limit, then: then)
    }
    func auditEntries(_ query: AuditQuery, then: @escaping Completion<AuditPage>) {
        engine.auditEntries(query, then: then)
    }
    func registerDevice(_ registration: DeviceRegistration, then: @escaping Completion<RegisteredDevice>) {
        engine.registerDevice(registration, then: then)
    }
    func devices(of owner: OwnerID, then: @escaping Completion<[DeviceStatus]>) {
        engine.devices(of: owner, then: then)
    }
    func onlineDevices(limit: Int, then: @escaping Completion<[DeviceStatus]>) {
        engine.onlineDevices(limit: limit, then: then)
    }
    func forgetDevice(
        _ id: DeviceID, of owner: OwnerID, origin: RequestOrigin, then: @escaping Completion<DeviceStatus>
    ) { engine.forgetDevice(id, of: owner, origin: origin, then: then) }
    func deviceConnected(_ id: DeviceID, of owner: OwnerID) { engine.deviceConnected(id, of: owner) }
    func deviceDisconnected(_ id: DeviceID, of owner: OwnerID) { engine.deviceDisconnected(id, of: owner) }
    func health(then: @escaping Completion<HealthReport>) { engine.health(then: then) }
}
