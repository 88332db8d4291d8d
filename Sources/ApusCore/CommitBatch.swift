public import NIOCore

/// Everything one commit writes; parts that are not named stay as they are.
public struct CommitBatch: Codable, Sendable {
    public struct RecordWrite: Codable, Sendable {
        public var record: Record
        /// Of the row at the same address, if there is one.
        public var replacing: Int64?
        /// What a tombstone keeps, hidden from every read but `deletedValue`; `nil` for nothing.
        public var kept: KeptValue?

        public init(record: Record, replacing: Int64?, kept: KeptValue? = nil) {
            self.record = record
            self.replacing = replacing
            self.kept = kept
        }
    }

    /// The value a deleted record had.
    public enum KeptValue: Hashable, Codable, Sendable {
        /// The one of the row that is replaced, shown there or kept.
        case ofReplaced
        case given(JSONText)
    }

    /// At most one an address.
    public var records: [RecordWrite] = []
    /// Tombstones to forget.
    public var purges: [StoredRecord] = []
    /// Tombstones that keep their values no longer; nothing else of them changes, and it does no harm if there is no
    /// such tombstone.
    public var forgottenValues: [RecordAddress] = []
    public var owners: [OwnerID: OwnerState] = [:]
    public var users: [User] = []
    /// Their devices go with them, those of this batch too.
    public var deletedUsers: [OwnerID] = []
    /// In place of what was known of them.
    public var devices: [Device] = []
    /// Those of this batch too; it does no harm if there is no such device.
    public var forgottenDevices: [DeviceAddress] = []
    public var tokens: [TokenGrant] = []
    public var revocations: [TokenRevocation] = []
    public var cutoffs: [TokenCutoff] = []
    public var answers: [StoredAnswer] = []
    /// Each under its number, which no entry had before.
    public var audit: [AuditEntry] = []
    /// Drops what has run out: answers, audit entries, tokens and revocations.
    public var forgetting: Retention?
    /// Short texts by name, for tools that copy and restore; `nil` forgets one.
    public var notes: [String: String?] = [:]
    /// Another epoch, in force when the storage is opened the next time.
    public var epoch: Epoch?

    public init() {}

    public var isEmpty: Bool {
        records.isEmpty && purges.isEmpty && forgottenValues.isEmpty && owners.isEmpty && users.isEmpty
            && deletedUsers.isEmpty && devices.isEmpty && forgottenDevices.isEmpty && tokens.isEmpty
            && revocations.isEmpty && cutoffs.isEmpty && answers.isEmpty && audit.isEmpty && forgetting == nil
            && notes.isEmpty && epoch == nil
    }
}

// A batch that was encoded before there were devices or kept values has none: what was made for `init(from:)` calls
// these.
extension KeyedDecodingContainer {
    func decode(_ type: [Device].Type, forKey key: Key) throws -> [Device] {
        try decodeIfPresent(type, forKey: key) ?? []
    }

    func decode(_ type: [DeviceAddress].Type, forKey key: Key) throws -> [DeviceAddress] {
        try decodeIfPresent(type, forKey: key) ?? []
    }

    func decode(_ type: [RecordAddress].Type, forKey key: Key) throws -> [RecordAddress] {
        try decodeIfPresent(type, forKey: key) ?? []
    }
}

/// What has run out: everything strictly before these moments, and the oldest audit entries.
public struct Retention: Hashable, Codable, Sendable {
    public var answersStoredBefore: Timestamp
    /// Entries with numbers up to this one; 0 for none.
    public var auditThrough: Int64
    /// For issued tokens (their end) and revocations (their `keepUntil`).
    public var tokensEndedBefore: Timestamp

    public init(answersStoredBefore: Timestamp, auditThrough: Int64, tokensEndedBefore: Timestamp) {
        self.answersStoredBefore = answersStoredBefore
        self.auditThrough = auditThrough
        self.tokensEndedBefore = tokensEndedBefore
    }

    /// One that was encoded before entries had numbers drops none.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        answersStoredBefore = try values.decode(Timestamp.self, forKey: .answersStoredBefore)
        auditThrough = try values.decodeIfPresent(Int64.self, forKey: .auditThrough) ?? 0
        tokensEndedBefore = try values.decode(Timestamp.self, forKey: .tokensEndedBefore)
    }
}

/// An answer kept for an `Idempotency-Key`; one stored again under the same key replaces the first.
public struct StoredAnswer: Hashable, Codable, Sendable {
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
