/// Passes every read on to another reader: to override what shall differ.
open class ForwardingReader: StorageReader {
    private let base: any StorageReader

    public init(_ base: any StorageReader) {
        self.base = base
    }

    open func snapshot<Answer>(_ body: () throws(ApusError) -> Answer) throws(ApusError) -> Answer {
        try base.snapshot(body)
    }

    open func record(at address: RecordAddress) throws(ApusError) -> Record? { try base.record(at: address) }

    open func deletedValue(at address: RecordAddress) throws(ApusError) -> JSONText? {
        try base.deletedValue(at: address)
    }

    open func tombstonesWithValue(owner: OwnerID, limit: Int) throws(ApusError) -> [RecordAddress] {
        try base.tombstonesWithValue(owner: owner, limit: limit)
    }

    open func records(
        owner: OwnerID, collection: CollectionName, after: RecordKey?, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> RecordPage {
        try base.records(
            owner: owner, collection: collection, after: after, limit: limit, bytesMax: bytesMax, liveAt: moment)
    }

    open func recordsAndTombstones(
        owner: OwnerID, collection: CollectionName, after: RecordKey?, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> RecordPage {
        try base.recordsAndTombstones(
            owner: owner, collection: collection, after: after, limit: limit, bytesMax: bytesMax, liveAt: moment)
    }

    open func totals(liveAt moment: Timestamp) throws(ApusError) -> StorageTotals {
        try base.totals(liveAt: moment)
    }

    open func changes(
        owner: OwnerID, collection: CollectionName?, after: SequenceNumber, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> ChangesPage {
        try base.changes(
            owner: owner, collection: collection, after: after, limit: limit, bytesMax: bytesMax, liveAt: moment)
    }

    open func firstChange(owner: OwnerID, committedAtOrAfter moment: Timestamp) throws(ApusError) -> SequenceNumber? {
        try base.firstChange(owner: owner, committedAtOrAfter: moment)
    }

    open func ownerState(_ owner: OwnerID) throws(ApusError) -> OwnerState { try base.ownerState(owner) }

    open func owners(after: OwnerID?, limit: Int) throws(ApusError) -> [OwnerEntry] {
        try base.owners(after: after, limit: limit)
    }

    open func collections(owner: OwnerID, liveAt moment: Timestamp) throws(ApusError) -> [CollectionCount] {
        try base.collections(owner: owner, liveAt: moment)
    }

    open func usage(owner: OwnerID, liveAt moment: Timestamp) throws(ApusError) -> OwnerUsage {
        try base.usage(owner: owner, liveAt: moment)
    }

    open func user(_ id: OwnerID) throws(ApusError) -> User? { try base.user(id) }

    open func users(after: OwnerID?, limit: Int) throws(ApusError) -> [User] {
        try base.users(after: after, limit: limit)
    }

    open func device(_ address: DeviceAddress) throws(ApusError) -> Device? { try base.device(address) }

    open func devices(of owner: OwnerID, after: DeviceID?, limit: Int) throws(ApusError) -> [Device] {
        try base.devices(of: owner, after: after, limit: limit)
    }

    open func devices(after: DeviceAddress?, limit: Int) throws(ApusError) -> [Device] {
        try base.devices(after: after, limit: limit)
    }

    open func tokens(user: OwnerID, expiringAfter moment: Timestamp, limit: Int) throws(ApusError) -> [TokenGrant] {
        try base.tokens(user: user, expiringAfter: moment, limit: limit)
    }

    open func token(id: String) throws(ApusError) -> TokenGrant? { try base.token(id: id) }

    open func revocations() throws(ApusError) -> [TokenRevocation] { try base.revocations() }

    open func cutoffs() throws(ApusError) -> [TokenCutoff] { try base.cutoffs() }

    open func storedAnswer(owner: OwnerID, key: String) throws(ApusError) -> StoredAnswer? {
        try base.storedAnswer(owner: owner, key: key)
    }

    open func tokens(afterNumber number: Int64, limit: Int) throws(ApusError) -> [NumberedToken] {
        try base.tokens(afterNumber: number, limit: limit)
    }

    open func storedAnswers(owner: OwnerID, after: String?, bytesMax: Int) throws(ApusError) -> [StoredAnswer] {
        try base.storedAnswers(owner: owner, after: after, bytesMax: bytesMax)
    }

    open func auditEntries(after number: Int64, limit: Int) throws(ApusError) -> [AuditEntry] {
        try base.auditEntries(after: number, limit: limit)
    }

    open func auditEntries(before number: Int64?, limit: Int) throws(ApusError) -> [AuditEntry] {
        try base.auditEntries(before: number, limit: limit)
    }

    open func note(_ name: String) throws(ApusError) -> String? { try base.note(name) }
}

/// Passes everything on to another transaction: to override what shall differ.
open class ForwardingTransaction: ForwardingReader, StorageTransaction {
    private let base: any StorageTransaction

    public init(_ base: any StorageTransaction) {
        self.base = base
        super.init(base)
    }

    open func stored(_ addresses: [RecordAddress], valueBytesMax: Int) throws(ApusError) -> [StoredRecord?] {
        try base.stored(addresses, valueBytesMax: valueBytesMax)
    }

    open func expired(at moment: Timestamp, limit: Int) throws(ApusError) -> [RecordAddress] {
        try base.expired(at: moment, limit: limit)
    }

    open func tombstones(committedBefore moment: Timestamp, limit: Int) throws(ApusError) -> [StoredRecord] {
        try base.tombstones(committedBefore: moment, limit: limit)
    }

    open func apply(_ batch: CommitBatch) throws(ApusError) { try base.apply(batch) }
}

/// Passes everything on to another writer: to override what shall differ.
open class ForwardingWriter: ForwardingReader, StorageWriter {
    private let base: any StorageWriter

    public init(_ base: any StorageWriter) {
        self.base = base
        super.init(base)
    }

    open func transaction<Answer>(
        _ body: (any StorageTransaction) throws(ApusError) -> Answer
    ) throws(ApusError) -> Answer {
        try base.transaction(body)
    }

    open func maintain() throws(ApusError) { try base.maintain() }

    open func close() { base.close() }
}
