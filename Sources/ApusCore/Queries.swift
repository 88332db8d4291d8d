/// Records of a collection in key order.
public struct ListQuery: Sendable {
    public var owner: OwnerID
    public var collection: CollectionName
    /// Exclusive; `nil` starts at the first key.
    public var after: RecordKey?
    public var limit: Int
    /// Whether tombstones come beside the live records.
    public var includesTombstones: Bool

    public init(
        owner: OwnerID, collection: CollectionName, after: RecordKey?, limit: Int, includesTombstones: Bool = false
    ) {
        self.owner = owner
        self.collection = collection
        self.after = after
        self.limit = limit
        self.includesTombstones = includesTombstones
    }
}

/// Records of an owner in the order of their last change, tombstones included.
public struct ChangesQuery: Sendable {
    public enum Start: Sendable {
        /// Every record whose last change was committed at or after this.
        case committedAtOrAfter(Timestamp)
        case position(ChangesPosition)
    }

    public var owner: OwnerID
    public var scope: StreamScope
    public var start: Start
    /// Records looked at for one page; those outside of a key or a prefix count, too, but are not in it.
    public var limit: Int
    /// Bytes of values after which a page ends early; ``Limits/pageBytesMax`` unless told.
    public var bytesMax: Int?

    public init(owner: OwnerID, scope: StreamScope, start: Start, limit: Int, bytesMax: Int? = nil) {
        self.owner = owner
        self.scope = scope
        self.start = start
        self.limit = limit
        self.bytesMax = bytesMax
    }
}

/// How far a reader of changes has come.
public struct ChangesPosition: Hashable, Sendable {
    /// The last change seen.
    public var after: SequenceNumber
    /// Up to here tombstones were already purged when this reader started from nothing, so their loss is none to it.
    public var baseline: SequenceNumber

    public init(after: SequenceNumber, baseline: SequenceNumber) {
        self.after = after
        self.baseline = baseline
    }

    /// Whether tombstones this reader has not seen were purged meanwhile.
    public func isBehind(horizon: SequenceNumber) -> Bool {
        after < horizon && baseline < horizon
    }
}

public struct RecordPage: Sendable {
    public var records: [Record]
    public var hasMore: Bool

    public init(records: [Record], hasMore: Bool) {
        self.records = records
        self.hasMore = hasMore
    }
}

public struct ChangesPage: Sendable {
    public var records: [Record]
    /// Where to go on: past the last record if there are more, otherwise past the owner's last change.
    public var reached: ChangesPosition
    public var hasMore: Bool

    public init(records: [Record], reached: ChangesPosition, hasMore: Bool) {
        self.records = records
        self.reached = reached
        self.hasMore = hasMore
    }
}

public struct CollectionCount: Hashable, Sendable {
    public var collection: CollectionName
    /// Live records.
    public var count: Int

    public init(collection: CollectionName, count: Int) {
        self.collection = collection
        self.count = count
    }
}

/// An owner's place in its own history.
public struct OwnerState: Hashable, Codable, Sendable {
    public var lastSequence = SequenceNumber.zero
    /// Commit time of `lastSequence`.
    public var lastCommittedAt = Timestamp(milliseconds: 0)
    /// The newest change whose tombstone was purged; positions before it cannot be served.
    public var purgedThrough = SequenceNumber.zero

    public init() {}
}

/// An owner and its place in its own history.
public struct OwnerEntry: Hashable, Sendable {
    public var owner: OwnerID
    public var state: OwnerState

    public init(owner: OwnerID, state: OwnerState) {
        self.owner = owner
        self.state = state
    }
}

/// A token and its place among all tokens; numbers mean something to the backend that gave them only.
public struct NumberedToken: Hashable, Sendable {
    public var number: Int64
    public var token: TokenGrant

    public init(number: Int64, token: TokenGrant) {
        self.number = number
        self.token = token
    }
}
