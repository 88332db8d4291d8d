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

    /// Copies everything as of one commit to `path`, where nothing may be yet, while others read and write; on return
    /// the copy is on the disk. Opened, it is this database with this epoch.
    ///
    /// - Throws: `bad-parameter` if nothing is kept; otherwise what a disk can fail with, and no copy is left.
    func copy(to path: String) throws(ApusError)

    /// What is wrong with the files themselves: damage, and an index that does not fit its rows. One plain sentence
    /// each, at most `limit`; none if everything is whole.
    func faults(limit: Int) throws(ApusError) -> [String]
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
    /// Runs `body` with all its reads of this reader seeing the same commit, the latest when it began. The storage may
    /// have to keep what is replaced meanwhile, so that it should not take long.
    func snapshot<Answer>(_ body: () throws(ApusError) -> Answer) throws(ApusError) -> Answer

    /// The record, tombstone or expired one included.
    func record(at address: RecordAddress) throws(ApusError) -> Record?

    /// The value that the tombstone at the address keeps; `nil` if it keeps none, or the record is alive, or there is
    /// nothing. No other read shows it, and it counts nowhere. It ends with the tombstone: when that is purged or
    /// another record is written in its place.
    func deletedValue(at address: RecordAddress) throws(ApusError) -> JSONText?

    /// Up to `limit` of the owner's tombstones that keep a value, by change number.
    func tombstonesWithValue(owner: OwnerID, limit: Int) throws(ApusError) -> [RecordAddress]

    /// Up to `limit` records of the collection that are live at `moment`, with keys after `after`, in byte order of
    /// the keys. A page ends early, with at least one record, before its values pass `bytesMax`.
    func records(
        owner: OwnerID, collection: CollectionName, after: RecordKey?, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> RecordPage

    /// The same with tombstones among them; what has expired and is not swept yet is neither.
    func recordsAndTombstones(
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

    /// Up to `limit` owners that were ever written, with names after `after`, in byte order.
    func owners(after: OwnerID?, limit: Int) throws(ApusError) -> [OwnerEntry]

    /// The owner's collections that hold a record live at `moment`, in byte order.
    func collections(owner: OwnerID, liveAt moment: Timestamp) throws(ApusError) -> [CollectionCount]

    /// What the owner's records that are live at `moment` take.
    func usage(owner: OwnerID, liveAt moment: Timestamp) throws(ApusError) -> OwnerUsage

    /// How much there is of everything at `moment`, all owners together; quick, however much it is.
    func totals(liveAt moment: Timestamp) throws(ApusError) -> StorageTotals

    func user(_ id: OwnerID) throws(ApusError) -> User?

    /// Up to `limit` users with ids after `after`, in byte order.
    func users(after: OwnerID?, limit: Int) throws(ApusError) -> [User]

    func device(_ address: DeviceAddress) throws(ApusError) -> Device?

    /// Up to `limit` of the owner's devices with ids after `after`, in byte order.
    func devices(of owner: OwnerID, after: DeviceID?, limit: Int) throws(ApusError) -> [Device]

    /// Up to `limit` devices of all owners, made here or not, that come after `after`, in the order of the owners and
    /// then of the ids.
    func devices(after: DeviceAddress?, limit: Int) throws(ApusError) -> [Device]

    /// The tokens issued to the user that expire after `moment`, newest first, up to `limit`.
    func tokens(user: OwnerID, expiringAfter moment: Timestamp, limit: Int) throws(ApusError) -> [TokenGrant]

    /// The token issued here with this `jti`.
    func token(id: String) throws(ApusError) -> TokenGrant?

    /// Up to `limit` tokens with numbers above `number`, in the order in which they were last written.
    func tokens(afterNumber number: Int64, limit: Int) throws(ApusError) -> [NumberedToken]

    /// Every revocation that is kept.
    func revocations() throws(ApusError) -> [TokenRevocation]

    func cutoffs() throws(ApusError) -> [TokenCutoff]

    /// The answer stored under an idempotency key.
    func storedAnswer(owner: OwnerID, key: String) throws(ApusError) -> StoredAnswer?

    /// The owner's answers with keys after `after`, in byte order of the keys. There are fewer than there could be once
    /// their bodies would pass `bytesMax`, but at least one.
    func storedAnswers(owner: OwnerID, after: String?, bytesMax: Int) throws(ApusError) -> [StoredAnswer]

    /// Up to `limit` audit entries with numbers above `number`, by number, whatever their times are.
    func auditEntries(after number: Int64, limit: Int) throws(ApusError) -> [AuditEntry]

    /// Up to `limit` audit entries with numbers below `number`, or of all, the highest number first.
    func auditEntries(before number: Int64?, limit: Int) throws(ApusError) -> [AuditEntry]

    /// What was noted under a name.
    func note(_ name: String) throws(ApusError) -> String?
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
public struct StoredRecord: Codable, Sendable {
    public var record: Record
    /// The backend's own; good until the transaction ends.
    public var locator: Int64

    public init(record: Record, locator: Int64) {
        self.record = record
        self.locator = locator
    }
}
