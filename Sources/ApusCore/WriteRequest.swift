public import NIOCore

/// What a client asks to be written, as a plain value: 1 item, or a bulk of up to 10,000 of one owner.
public struct WriteRequest: Sendable {
    public var owner: OwnerID
    /// In the order sent. An item that could not be read carries its error.
    public var items: [Result<WriteItem, ApusError>]
    /// Whether one invalid item keeps all others from being written.
    public var isAtomic: Bool
    /// Whether pointers in errors start with `/items/N`.
    public var isBulk: Bool
    public var idempotency: IdempotencyClaim?
    /// Whose token asked: a revocation that is committed before the write keeps it from being written.
    public var principal: Principal?
    public var origin: RequestOrigin

    public init(
        owner: OwnerID, items: [Result<WriteItem, ApusError>], isAtomic: Bool = true, isBulk: Bool = false,
        idempotency: IdempotencyClaim? = nil, principal: Principal? = nil, origin: RequestOrigin
    ) {
        self.owner = owner
        self.items = items
        self.isAtomic = isAtomic
        self.isBulk = isBulk
        self.idempotency = idempotency
        self.principal = principal
        self.origin = origin
    }
}

/// One upsert or delete.
public struct WriteItem: Sendable {
    public enum Operation: Sendable {
        case set(JSONText, Expiry)
        case delete
    }

    public var collection: CollectionName
    public var key: RecordKey
    public var operation: Operation
    /// The client's own time of the change.
    public var updatedAt: Timestamp?
    public var policy: ConflictPolicy
    public var precondition: Precondition

    public init(
        collection: CollectionName, key: RecordKey, operation: Operation, updatedAt: Timestamp? = nil,
        policy: ConflictPolicy = .lastWriteWins, precondition: Precondition = .none
    ) {
        self.collection = collection
        self.key = key
        self.operation = operation
        self.updatedAt = updatedAt
        self.policy = policy
        self.precondition = precondition
    }
}

/// When a written record goes away by itself.
public enum Expiry: Hashable, Sendable {
    case never
    /// 1 … ``Limits/ttlSecondsMax``, counted from the commit.
    case afterSeconds(Int64)
    case at(Timestamp)
}

/// Which of two writes to the same key stays.
public enum ConflictPolicy: Hashable, Sendable {
    /// The newer `updated_at` wins; without one the write happens now.
    case lastWriteWins
    /// The later commit wins.
    case serverTime
    /// The greater number at the pointer wins.
    case maxNumeric(JSONPointer)
}

/// What must hold of the stored record for the write to be tried (RFC 9110, section 13).
public enum Precondition: Hashable, Sendable {
    case none
    /// `If-None-Match: *`
    case absent
    /// `If-Match: *`
    case present
    /// `If-Match` with entity tags; a live record must have one of these change numbers.
    case sequenceIn([SequenceNumber])
    /// `If-None-Match` with entity tags; a live record must have none of these.
    case sequenceNotIn([SequenceNumber])
}

/// An `Idempotency-Key`: the first answer is stored in the commit it reports and given again for 24 hours.
public struct IdempotencyClaim: Sendable {
    /// 1 to 128 bytes, the owner's own.
    public var key: String
    /// A digest of everything that makes the request what it is; another one under the same key is refused.
    public var fingerprint: [UInt8]
    /// Turns the answer into what will be replayed.
    public var encode: @Sendable (WriteAnswer) -> ByteBuffer

    public init(key: String, fingerprint: [UInt8], encode: @escaping @Sendable (WriteAnswer) -> ByteBuffer) {
        self.key = key
        self.fingerprint = fingerprint
        self.encode = encode
    }
}

/// Who asked, for the audit log.
public struct RequestOrigin: Hashable, Codable, Sendable {
    /// `user:u1`, `admin` or `system`.
    public var actor: String
    public var ip: String
    public var requestID: String

    public init(actor: String, ip: String, requestID: String) {
        self.actor = actor
        self.ip = ip
        self.requestID = requestID
    }

    public static let system = RequestOrigin(actor: "system", ip: "", requestID: "")
}

/// What became of a request, one result an item.
public enum WriteAnswer: Sendable {
    case decided([WriteResult])
    /// The bytes ``IdempotencyClaim/encode`` made of the first answer.
    case replayed(ByteBuffer)
}

public enum WriteResult: Sendable {
    /// Committed and durable; a delete leaves a tombstone.
    case applied(Record)
    /// Decided against: nothing changed, no change number taken, no event.
    case lost(LossReason, stored: Record)
    case failed(ApusError)
}

public enum LossReason: String, Sendable {
    /// The stored `updated_at` is newer.
    case older
    /// The same value with the same times is stored already.
    case unchanged
    /// The stored number is as great or greater.
    case notGreater = "not-greater"
}
