/// Called exactly once, on a thread of the engine's; it must not block.
public typealias Completion<Answer> = @Sendable (Result<Answer, ApusError>) -> Void

/// What a transport may ask of the engine. Every policy is behind it: a transport only speaks the wire language.
public protocol SyncService: Sendable {
    var epoch: Epoch { get }
    var limits: Limits { get }
    func now() -> Timestamp

    // MARK: Admission, answered at once

    /// Whether the token behind `principal` still stands.
    ///
    /// - Throws: `token-expired`, `token-revoked`.
    func checkStanding(of principal: Principal) throws(ApusError)

    /// Whether the token behind `principal` still stands, and its user may ask once more now.
    ///
    /// - Returns: what the user may still ask; `nil` for as much as anybody likes.
    /// - Throws: `token-expired`, `token-revoked`, `rate-limited`.
    @discardableResult
    func admit(_ principal: Principal) throws(ApusError) -> Allowance?

    /// Whether `principal` may read and write what belongs to `owner`.
    ///
    /// - Throws: `forbidden`.
    func authorize(_ principal: Principal, for owner: OwnerID) throws(ApusError)

    /// Whether an administrator's address may ask once more now.
    ///
    /// - Throws: `rate-limited`.
    func admitAdministrator(from address: String) throws(ApusError)

    /// Whether a secret that may be wrong is worth looking at, after all the wrong ones that came from this address.
    ///
    /// - Throws: `rate-limited`.
    func admitGuess(of secret: GuessedSecret, from address: String) throws(ApusError)

    /// A secret was wrong: this counts against the address, and for the audit log unless it was a token.
    func noteWrongGuess(of secret: GuessedSecret, origin: RequestOrigin)

    /// Counts a refusal for the audit log.
    func noteRefusal(_ error: ApusError, of action: String, origin: RequestOrigin)

    /// Writes `entry` to the audit log in a commit of its own; answers once it is durable.
    ///
    /// - Throws: in the answer, `overloaded`, and `storage-unavailable` for a full disk, too: what cannot be audited is
    ///   not done.
    func noteAudit(_ entry: AuditEntry, then: @escaping Completion<Void>)

    // MARK: Data

    /// Answers after the commit is durable; in the order of the commits, which is the order of the calls.
    ///
    /// - Throws: in the answer, `rate-limited` for a bulk that is larger than what the user may still ask.
    func write(_ request: WriteRequest, then: @escaping Completion<WriteAnswer>)

    /// - Throws: in the answer, `not-found` when nothing live is there.
    func record(at address: RecordAddress, then: @escaping Completion<Record>)

    /// The record or its tombstone; `not-found` when neither is there.
    func storedRecord(at address: RecordAddress, then: @escaping Completion<RestorableRecord>)

    /// Writes a deleted record again with the value its tombstone keeps, as a change like any other; it does not
    /// expire. `not-found` when there is no tombstone or it keeps no value, `precondition-failed` when the record is
    /// live.
    func undelete(_ address: RecordAddress, origin: RequestOrigin, then: @escaping Completion<Record>)
    func list(_ query: ListQuery, then: @escaping Completion<RecordPage>)

    /// - Throws: in the answer, `resync-required` when the position is behind the purge horizon.
    func changes(_ query: ChangesQuery, then: @escaping Completion<ChangesPage>)
    func collections(of owner: OwnerID, then: @escaping Completion<[CollectionCount]>)
    func ownerState(_ owner: OwnerID, then: @escaping Completion<OwnerState>)

    /// Owners that were ever written, in byte order.
    func owners(after: OwnerID?, limit: Int, then: @escaping Completion<[OwnerEntry]>)
    func overview(then: @escaping Completion<Overview>)

    /// Hands everything that `query` asks for, as of one commit, to `sink`, once the audit log has it; a thread of its
    /// own reads, no faster than `sink` takes.
    ///
    /// - Throws: at the sink's end, `overloaded` at once when there are ``Limits/exportsAtOnceMax`` already, and after
    ///   ``Limits/exportSecondsMax``; as ``noteAudit(_:then:)`` does.
    func export(_ query: ExportQuery, origin: RequestOrigin, to sink: any ExportSink)

    // MARK: Users and tokens

    func issueToken(_ request: TokenRequest, then: @escaping Completion<IssuedToken>)

    /// Revokes every token of the user and issues one. `not-found` for an unknown user.
    func rotateTokens(
        of user: OwnerID, ttlSeconds: Int64?, origin: RequestOrigin, then: @escaping Completion<IssuedToken>)

    /// Idempotent. `expiresAt` is when the token would have ended, if the caller knows.
    func revokeToken(_ id: String, expiresAt: Timestamp?, origin: RequestOrigin, then: @escaping Completion<Void>)

    /// `not-found` for a user who was neither made here nor ever wrote nor has a device.
    func revokeTokens(of user: OwnerID, origin: RequestOrigin, then: @escaping Completion<Void>)

    /// Revokes every token of the user, soft-deletes the user's records and forgets the user and the devices.
    func deleteUser(_ user: OwnerID, origin: RequestOrigin, then: @escaping Completion<Void>)
    func user(_ id: OwnerID, then: @escaping Completion<UserDetail>)
    func users(after: OwnerID?, limit: Int, then: @escaping Completion<[User]>)

    // MARK: Audit log

    /// One call looks at a bounded part of the log, so that a page may be short, or empty, and still not the last.
    func auditEntries(_ query: AuditQuery, then: @escaping Completion<AuditPage>)

    // MARK: Devices and presence

    /// Idempotent; `too-many-items` when the user has as many devices as a user may have.
    func registerDevice(_ registration: DeviceRegistration, then: @escaping Completion<RegisteredDevice>)

    /// All of the owner's devices in byte order of their ids, those that have connected and are not stored yet too.
    func devices(of owner: OwnerID, then: @escaping Completion<[DeviceStatus]>)

    /// Forgets the device, and answers with what it was; one that is online goes offline at once, and is not shown
    /// again before it connects anew. `not-found` for an unknown one.
    func forgetDevice(
        _ id: DeviceID, of owner: OwnerID, origin: RequestOrigin, then: @escaping Completion<DeviceStatus>)

    /// A connection of the device has opened; a device that was unknown is known from now on, unless the owner has as
    /// many as a user may have. Never waits.
    func deviceConnected(_ id: DeviceID, of owner: OwnerID)

    /// A connection of the device has ended: once for each that opened. Never waits.
    func deviceDisconnected(_ id: DeviceID, of owner: OwnerID)

    /// The devices of all owners that are online, in order of owners and ids, at most so many.
    func onlineDevices(limit: Int, then: @escaping Completion<[DeviceStatus]>)

    // MARK: Feed and health

    /// Everything that happens from now on is told to `observer`, which lives as long as the engine.
    func attach(_ observer: any FeedObserver)
    func health(then: @escaping Completion<HealthReport>)
}

/// Who is told of changes: a transport that fans them out.
public protocol FeedObserver: Sendable {
    /// The changes of one commit, in order. Called on the committer's thread in commit order, after the commit is
    /// durable and before its writers are answered; must return at once.
    func publish(_ changes: [Change])

    /// Called before the administrator who revoked is answered.
    func revoked(_ revocation: Revocation)

    /// A device has come or gone. Called on any thread, for one change at a time, in the order in which they happened;
    /// must return at once, and ask nothing about devices of the engine meanwhile.
    func presenceChanged(_ change: PresenceChange)
}

public struct TokenRequest: Sendable {
    public var user: OwnerID
    public var displayName: String?
    public var claims: JSONText?
    public var ttlSeconds: Int64?
    public var origin: RequestOrigin

    public init(user: OwnerID, displayName: String?, claims: JSONText?, ttlSeconds: Int64?, origin: RequestOrigin) {
        self.user = user
        self.displayName = displayName
        self.claims = claims
        self.ttlSeconds = ttlSeconds
        self.origin = origin
    }
}

public struct IssuedToken: Sendable {
    public var user: User
    public var grant: TokenGrant
    public var isNewUser: Bool

    public init(user: User, grant: TokenGrant, isNewUser: Bool) {
        self.user = user
        self.grant = grant
        self.isNewUser = isNewUser
    }
}

public struct UserDetail: Sendable {
    public var user: User
    public var usage: OwnerUsage
    public var tokens: [TokenGrant]
    public var devices: [DeviceStatus]

    public init(user: User, usage: OwnerUsage, tokens: [TokenGrant], devices: [DeviceStatus]) {
        self.user = user
        self.usage = usage
        self.tokens = tokens
        self.devices = devices
    }
}

public struct HealthReport: Sendable {
    public var storage: StorageDescription
    public var storageBytes: Int
    public var startedAt: Timestamp
    /// Set when the storage does not take writes.
    public var fault: ApusError?
    /// Whether more writes wait than may.
    public var isOverloaded: Bool

    public init(
        storage: StorageDescription, storageBytes: Int, startedAt: Timestamp, fault: ApusError?,
        isOverloaded: Bool = false
    ) {
        self.isOverloaded = isOverloaded
        self.storage = storage
        self.storageBytes = storageBytes
        self.startedAt = startedAt
        self.fault = fault
    }
}
