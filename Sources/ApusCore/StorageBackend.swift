public import NIOCore

/// Where records, users and everything else that must last are kept.
///
/// A backend stores; it decides nothing. Its calls are synchronous and may block: the engine calls them on threads it
/// owns. One writer at a time, any number of readers. Each sentence below is a law that `StorageLaws` tests.
public protocol StorageBackend: Sendable {
    var description: StorageDescription { get }

    /// Opens the one writer. A second call while the first writer is open is a programming mistake.
    func openWriter() throws(ApusError) -> any StorageWriter

    /// Opens a reader, to be used by one thread at a time. Readers never wait for the writer.
    func openReader() throws(ApusError) -> any StorageReader

    /// Bytes taken on disk; 0 if nothing is kept.
    func bytesStored() -> Int
}

public struct StorageDescription: Hashable, Sendable {
    /// `sqlite`, `lmdb`, `memory`.
    public var name: String
    /// Empty if nothing is kept.
    public var path: String
    public var durability: Durability
    public var schemaVersion: Int
    /// Minted when the database was created.
    public var epoch: Epoch

    public init(name: String, path: String, durability: Durability, schemaVersion: Int, epoch: Epoch) {
        self.name = name
        self.path = path
        self.durability = durability
        self.schemaVersion = schemaVersion
        self.epoch = epoch
    }
}

/// What an acknowledged write survives.
public enum Durability: String, Sendable, CaseIterable {
    /// Power loss.
    case full
    /// A crash of the process.
    case normal
    /// Nothing.
    case none
}

/// Reads. Each call sees one commit's state, whole; two calls may see two different ones.
///
/// Records are returned with exactly the bytes that were written.
public protocol StorageReader: AnyObject {
    /// The record, tombstone or expired one included.
    func record(at address: RecordAddress) throws(ApusError) -> Record?

    /// Up to `limit` records of the collection that are live at `moment`, with keys after `after`, in byte order of
    /// the keys. A page ends early, with at least one record, before its values pass `bytesMax`.
    func records(
        owner: OwnerID, collection: CollectionName, after: RecordKey?, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> RecordPage

    /// Up to `limit` records whose last change comes after `after`, by change number, tombstones included, expired
    /// ones left out. `reached.after` is the last record's change number if there are more, otherwise the owner's
    /// last; `reached.baseline` is the owner's `purgedThrough`. Both belong to the same state as the records.
    func changes(
        owner: OwnerID, collection: CollectionName?, after: SequenceNumber, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> ChangesPage

    /// The lowest change number among the owner's records committed at or after `moment`; `nil` if there is none.
    func firstChange(owner: OwnerID, committedAtOrAfter moment: Timestamp) throws(ApusError) -> SequenceNumber?

    /// The owner's state; the initial one for an owner that was never written.
    func ownerState(_ owner: OwnerID) throws(ApusError) -> OwnerState

    /// The owner's collections that hold a record live at `moment`, in byte order.
    func collections(owner: OwnerID, liveAt moment: Timestamp) throws(ApusError) -> [CollectionCount]

    /// What the owner's records that are live at `moment` take.
    func usage(owner: OwnerID, liveAt moment: Timestamp) throws(ApusError) -> OwnerUsage

    func user(_ id: OwnerID) throws(ApusError) -> User?

    /// Up to `limit` users with ids after `after`, in byte order.
    func users(after: OwnerID?, limit: Int) throws(ApusError) -> [User]

    /// The tokens issued to the user that expire after `moment`, newest first, up to `limit`.
    func tokens(user: OwnerID, expiringAfter moment: Timestamp, limit: Int) throws(ApusError) -> [TokenGrant]

    /// The token issued here with this `jti`.
    func token(id: String) throws(ApusError) -> TokenGrant?

    /// Every revocation that is kept.
    func revocations() throws(ApusError) -> [TokenRevocation]

    func cutoffs() throws(ApusError) -> [TokenCutoff]

    /// The answer stored under an idempotency key.
    func storedAnswer(owner: OwnerID, key: String) throws(ApusError) -> StoredAnswer?

    /// Audit entries, newest first.
    func auditEntries(limit: Int) throws(ApusError) -> [AuditEntry]
}

/// The writer: reads its own latest commit, and commits.
public protocol StorageWriter: StorageReader {
    /// Runs `body` in a transaction and commits what it applied; when the call returns, the commit is as durable as
    /// ``StorageDescription/durability`` says, and every later read sees it. If `body` or the commit throws, nothing
    /// of it is ever seen.
    ///
    /// - Throws: what `body` throws; `storage-full` when there is no space and `overloaded` when something else stood
    ///   in the way, after both of which a later transaction may succeed; `storage-unavailable` when the disk failed,
    ///   after which none can be trusted.
    func transaction<Answer>(
        _ body: (any StorageTransaction) throws(ApusError) -> Answer
    ) throws(ApusError) -> Answer

    /// Does what keeps the storage small and start-up short; called between transactions, at every chance.
    func maintain() throws(ApusError)

    /// Leaves the files whole and lets go of them. Nothing may be called after it.
    func close()
}

/// Inside a transaction: reads see what was applied before them.
public protocol StorageTransaction: StorageReader {
    /// The rows at these addresses, in their order, each with the backend's own locator. Values are read as long as
    /// all of them together stay within `valueBytesMax`; a record whose value would pass it comes without, `nil`
    /// although it is no tombstone.
    func stored(_ addresses: [RecordAddress], valueBytesMax: Int) throws(ApusError) -> [StoredRecord?]

    /// Up to `limit` records, not tombstones, with `expiresAt` at or before `moment`, the earliest first.
    func expired(at moment: Timestamp, limit: Int) throws(ApusError) -> [RecordAddress]

    /// Up to `limit` tombstones committed before `moment`, the earliest first.
    func tombstones(committedBefore moment: Timestamp, limit: Int) throws(ApusError) -> [StoredRecord]

    /// Writes everything in `batch`.
    func apply(_ batch: CommitBatch) throws(ApusError)
}

/// A record and where the backend found it.
public struct StoredRecord: Sendable {
    public var record: Record
    /// The backend's own; good until the transaction ends.
    public var locator: Int64

    public init(record: Record, locator: Int64) {
        self.record = record
        self.locator = locator
    }
}

/// Everything one commit writes; parts that are not named stay as they are.
public struct CommitBatch: Sendable {
    public struct RecordWrite: Sendable {
        public var record: Record
        /// Of the row at the same address, if there is one.
        public var replacing: Int64?

        public init(record: Record, replacing: Int64?) {
            self.record = record
            self.replacing = replacing
        }
    }

    /// At most one an address.
    public var records: [RecordWrite] = []
    /// Tombstones to forget.
    public var purges: [StoredRecord] = []
    public var owners: [OwnerID: OwnerState] = [:]
    public var users: [User] = []
    public var deletedUsers: [OwnerID] = []
    public var tokens: [TokenGrant] = []
    public var revocations: [TokenRevocation] = []
    public var cutoffs: [TokenCutoff] = []
    public var answers: [StoredAnswer] = []
    public var audit: [AuditEntry] = []
    /// Drops what has run out: answers, audit entries, tokens and revocations.
    public var forgetting: Retention?

    public init() {}

    public var isEmpty: Bool {
        records.isEmpty && purges.isEmpty && owners.isEmpty && users.isEmpty && deletedUsers.isEmpty && tokens.isEmpty
            && revocations.isEmpty && cutoffs.isEmpty && answers.isEmpty && audit.isEmpty && forgetting == nil
    }
}

/// What has run out: everything strictly before these moments.
public struct Retention: Hashable, Sendable {
    public var answersStoredBefore: Timestamp
    public var auditBefore: Timestamp
    /// For issued tokens (their end) and revocations (their `keepUntil`).
    public var tokensEndedBefore: Timestamp

    public init(answersStoredBefore: Timestamp, auditBefore: Timestamp, tokensEndedBefore: Timestamp) {
        self.answersStoredBefore = answersStoredBefore
        self.auditBefore = auditBefore
        self.tokensEndedBefore = tokensEndedBefore
    }
}

/// An answer kept for an `Idempotency-Key`; one stored again under the same key replaces the first.
public struct StoredAnswer: Hashable, Sendable {
    public var owner: OwnerID
    public var key: String
    public var fingerprint: [UInt8]
    public var body: ByteBuffer
    public var storedAt: Timestamp

    public init(owner: OwnerID, key: String, fingerprint: [UInt8], body: ByteBuffer, storedAt: Timestamp) {
        self.owner = owner
        self.key = key
        self.fingerprint = fingerprint
        self.body = body
        self.storedAt = storedAt
    }
}
