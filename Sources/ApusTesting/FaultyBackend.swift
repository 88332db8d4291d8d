public import ApusCore
import Synchronization

/// A backend that works like the one it wraps until a test asks for a fault.
///
/// A failed commit leaves nothing behind: the body has run, everything was applied, and then the disk says no.
public final class FaultyBackend: StorageBackend {
    private let base: any StorageBackend
    private let faults = Mutex(Faults())

    private struct Faults {
        var commit: ApusError?
        var maintenance: ApusError?
        var commits = 0
    }

    public init(_ base: any StorageBackend) {
        self.base = base
    }

    /// The next transaction's commit throws `error`, and nothing of it is ever seen; the one after it works again.
    public func failNextCommit(with error: ApusError) {
        faults.withLock { $0.commit = error }
    }

    /// The next call of the writer's `maintain` throws `error`.
    public func failNextMaintenance(with error: ApusError) {
        faults.withLock { $0.maintenance = error }
    }

    /// How many transactions have committed.
    public var commitCount: Int { faults.withLock { $0.commits } }

    public var description: StorageDescription { base.description }

    public func openWriter() throws(ApusError) -> any StorageWriter {
        FaultyWriter(base: try base.openWriter(), backend: self)
    }

    public func openReader() throws(ApusError) -> any StorageReader { try base.openReader() }

    public func bytesStored() -> Int { base.bytesStored() }

    public func copy(to path: String) throws(ApusError) { try base.copy(to: path) }

    public func faults(limit: Int) throws(ApusError) -> [String] { try base.faults(limit: limit) }

    fileprivate func takeCommitFault() -> ApusError? {
        faults.withLock { faults in
            defer { faults.commit = nil }
            return faults.commit
        }
    }

    fileprivate func takeMaintenanceFault() -> ApusError? {
        faults.withLock { faults in
            defer { faults.maintenance = nil }
            return faults.maintenance
        }
    }

    fileprivate func countCommit() {
        faults.withLock { $0.commits += 1 }
    }
}

private final class FaultyWriter: StorageWriter {
    private let base: any StorageWriter
    private let backend: FaultyBackend

    init(base: any StorageWriter, backend: FaultyBackend) {
        self.base = base
        self.backend = backend
    }

    func transaction<Answer>(
        _ body: (any StorageTransaction) throws(ApusError) -> Answer
    ) throws(ApusError) -> Answer {
        let answer = try base.transaction { transaction throws(ApusError) in
            let answer = try body(transaction)
            // Thrown in here, so that the wrapped backend takes back what was applied.
            if let fault = backend.takeCommitFault() { throw fault }
            return answer
        }
        backend.countCommit()
        return answer
    }

    func maintain() throws(ApusError) {
        if let fault = backend.takeMaintenanceFault() { throw fault }
        try base.maintain()
    }

    func close() { base.close() }

    func snapshot<Answer>(_ body: () throws(ApusError) -> Answer) throws(ApusError) -> Answer {
        try base.snapshot(body)
    }

    func record(at address: RecordAddress) throws(ApusError) -> Record? { try base.record(at: address) }

    func records(
        owner: OwnerID, collection: CollectionName, after: RecordKey?, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> RecordPage {
        try base.records(
            owner: owner, collection: collection, after: after, limit: limit, bytesMax: bytesMax, liveAt: moment)
    }

    func changes(
        owner: OwnerID, collection: CollectionName?, after: SequenceNumber, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> ChangesPage {
        try base.changes(
            owner: owner, collection: collection, after: after, limit: limit, bytesMax: bytesMax, liveAt: moment)
    }

    func firstChange(owner: OwnerID, committedAtOrAfter moment: Timestamp) throws(ApusError) -> SequenceNumber? {
        try base.firstChange(owner: owner, committedAtOrAfter: moment)
    }

    func ownerState(_ owner: OwnerID) throws(ApusError) -> OwnerState { try base.ownerState(owner) }

    func owners(after: OwnerID?, limit: Int) throws(ApusError) -> [OwnerEntry] {
        try base.owners(after: after, limit: limit)
    }

    func collections(owner: OwnerID, liveAt moment: Timestamp) throws(ApusError) -> [CollectionCount] {
        try base.collections(owner: owner, liveAt: moment)
    }

    func usage(owner: OwnerID, liveAt moment: Timestamp) throws(ApusError) -> OwnerUsage {
        try base.usage(owner: owner, liveAt: moment)
    }

    func user(_ id: OwnerID) throws(ApusError) -> User? { try base.user(id) }

    func users(after: OwnerID?, limit: Int) throws(ApusError) -> [User] { try base.users(after: after, limit: limit) }

    func tokens(user: OwnerID, expiringAfter moment: Timestamp, limit: Int) throws(ApusError) -> [TokenGrant] {
        try base.tokens(user: user, expiringAfter: moment, limit: limit)
    }

    func token(id: String) throws(ApusError) -> TokenGrant? { try base.token(id: id) }

    func revocations() throws(ApusError) -> [TokenRevocation] { try base.revocations() }

    func cutoffs() throws(ApusError) -> [TokenCutoff] { try base.cutoffs() }

    func storedAnswer(owner: OwnerID, key: String) throws(ApusError) -> StoredAnswer? {
        try base.storedAnswer(owner: owner, key: key)
    }

    func tokens(afterNumber number: Int64, limit: Int) throws(ApusError) -> [NumberedToken] {
        try base.tokens(afterNumber: number, limit: limit)
    }

    func storedAnswers(owner: OwnerID, after: String?, bytesMax: Int) throws(ApusError) -> [StoredAnswer] {
        try base.storedAnswers(owner: owner, after: after, bytesMax: bytesMax)
    }

    func auditEntries(limit: Int) throws(ApusError) -> [AuditEntry] { try base.auditEntries(limit: limit) }

    func auditEntries(after place: AuditPlace?, limit: Int) throws(ApusError) -> [PlacedAuditEntry] {
        try base.auditEntries(after: place, limit: limit)
    }

    func note(_ name: String) throws(ApusError) -> String? { try base.note(name) }
}
