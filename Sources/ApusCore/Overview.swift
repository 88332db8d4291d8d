/// How much a storage keeps.
public struct StorageTotals: Hashable, Sendable {
    /// Users that were made here.
    public var users: Int
    /// Live ones, of all owners.
    public var records: Int
    public var tombstones: Int
    public var devices: Int
    /// Tokens revoked one by one; those of users that were revoked together are not told one from the other.
    public var revocations: Int

    public init(users: Int, records: Int, tombstones: Int, devices: Int, revocations: Int) {
        self.users = users
        self.records = records
        self.tombstones = tombstones
        self.devices = devices
        self.revocations = revocations
    }
}

/// That a record has changed, without its value.
public struct ChangeNotice: Hashable, Sendable {
    public var address: RecordAddress
    public var isDeletion: Bool
    public var sequence: SequenceNumber
    public var committedAt: Timestamp

    public init(_ record: Record) {
        address = record.address
        isDeletion = record.isTombstone
        sequence = record.sequence
        committedAt = record.committedAt
    }
}

/// What an administrator sees at a glance.
public struct Overview: Sendable {
    public var totals: StorageTotals
    public var storage: StorageDescription
    public var storageBytes: Int
    /// Of all owners, since the engine was started, the newest first; at most ``Limits/overviewRowsMax``.
    public var changes: [ChangeNotice]
    /// The newest first; at most ``Limits/overviewRowsMax``.
    public var audit: [AuditEntry]

    public init(
        totals: StorageTotals, storage: StorageDescription, storageBytes: Int, changes: [ChangeNotice],
        audit: [AuditEntry]
    ) {
        self.totals = totals
        self.storage = storage
        self.storageBytes = storageBytes
        self.changes = changes
        self.audit = audit
    }
}
