/// A stored record, alive or a tombstone.
public struct Record: Hashable, Codable, Sendable {
    public var address: RecordAddress
    /// The client's own JSON text; `nil` in a tombstone.
    public var value: JSONText?
    public var updatedAt: Timestamp
    /// Set in a tombstone.
    public var deletedAt: Timestamp?
    /// From this moment on no read shows the record.
    public var expiresAt: Timestamp?
    public var sequence: SequenceNumber
    /// The server's time of the commit, never before that of the owner's previous change; not on the wire.
    public var committedAt: Timestamp

    public init(
        address: RecordAddress, value: JSONText?, updatedAt: Timestamp, deletedAt: Timestamp? = nil,
        expiresAt: Timestamp? = nil, sequence: SequenceNumber, committedAt: Timestamp
    ) {
        self.address = address
        self.value = value
        self.updatedAt = updatedAt
        self.deletedAt = deletedAt
        self.expiresAt = expiresAt
        self.sequence = sequence
        self.committedAt = committedAt
    }

    public var isTombstone: Bool { deletedAt != nil }

    /// Whether reads show the record at `moment`.
    public func isLive(at moment: Timestamp) -> Bool {
        deletedAt == nil && !isExpired(at: moment)
    }

    /// Whether its time has run out although the sweeper has not met it yet.
    public func isExpired(at moment: Timestamp) -> Bool {
        guard deletedAt == nil, let expiresAt else { return false }
        return expiresAt <= moment
    }
}

/// A record or a tombstone, and whether it can be undeleted.
public struct RestorableRecord: Hashable, Sendable {
    public var record: Record
    /// Whether it is a tombstone that keeps the value the record had.
    public var isRestorable: Bool

    public init(record: Record, isRestorable: Bool) {
        self.record = record
        self.isRestorable = isRestorable
    }
}

/// One committed change, as every subscriber of its owner sees it.
public struct Change: Sendable {
    public var record: Record
    /// Whether the sweeper wrote it because the record's time had run out.
    public var isExpiry: Bool

    public init(record: Record, isExpiry: Bool = false) {
        self.record = record
        self.isExpiry = isExpiry
    }
}
