public import ApusCore
public import NIOCore

/// The bodies of writes: `POST /v1/data` and `POST /v1/data/bulk`, read in one pass.
public struct WriteBody: Sendable {
    public var owner: OwnerID
    public var items: [Result<WriteItem, ApusError>]
    public var isAtomic: Bool

    public init(owner: OwnerID, items: [Result<WriteItem, ApusError>], isAtomic: Bool) {
        self.owner = owner
        self.items = items
        self.isAtomic = isAtomic
    }

    /// `{"user_id","collection","key","value","updated_at"?,"ttl_seconds"?,"expires_at"?}`
    ///
    /// - Parameter policy: what the request's headers ask for.
    /// - Throws: `malformed-json`, `invalid-field`, `value-too-large`.
    public static func single(_ body: ByteBuffer, policy: ConflictPolicy, limits: Limits) throws(ApusError) -> Self {
        let text = body.readableBytesUInt8Span
        var scanner = JSONScanner(depthMax: limits.valueDepthMax)
        try requireObject(&scanner, text)
        var fields = ItemFields(body: body, isInBulk: false, limits: limits)
        try fields.read(&scanner, text)
        try scanner.end(in: text)
        fields.requireOwner()
        let item = try fields.item(policy: policy)
        guard let owner = fields.owner else { throw ApusError(.invalidField, "user_id is missing", at: "/user_id") }
        return Self(owner: owner, items: [.success(item)], isAtomic: true)
    }

    /// `{"user_id","items":[…],"atomic"?}`
    ///
    /// - Parameter owner: who is meant where `user_id` is left out, as on a socket; `nil` if it must be there.
    /// - Throws: `malformed-json`, `too-many-items`, `invalid-field` about the envelope; faults of an item are in it.
    public static func bulk(
        _ body: ByteBuffer, owner expected: OwnerID? = nil, policy: ConflictPolicy, limits: Limits
    ) throws(ApusError) -> Self {
        let text = body.readableBytesUInt8Span
        var scanner = JSONScanner(depthMax: limits.valueDepthMax)
        try requireObject(&scanner, text)
        var reader = EnvelopeReader(body: body, limits: limits)
        var owner: OwnerID?
        var isAtomic = true
        var read: [ItemFields?]?
        try scanner.beginObject(in: text)
        while let name = try scanner.nextMember(in: text) {
            try reader.enter(name)
            switch name {
            case "user_id": owner = try reader.name(name, &scanner, text)
            case "atomic": isAtomic = try reader.boolean(name, &scanner, text) ?? true
            case "items":
                if try scanner.peek(in: text) == .array {
                    read = try items(&scanner, text, body: body, limits: limits)
                } else {
                    _ = try scanner.value(in: text)
                    reader.fault(name, "items must be an array")
                }
            default: _ = try scanner.value(in: text)
            }
        }
        try scanner.end(in: text)
        if !reader.has("user_id"), expected == nil { reader.fault("user_id", "user_id is missing") }
        if !reader.has("items") { reader.fault("items", "items is missing") }
        if let failure = reader.failure() { throw failure }
        guard let owner = owner ?? expected, let read else {
            throw ApusError(.invalidField, "user_id and items are needed")
        }
        return Self(owner: owner, items: read.map { judged($0, owner, policy) }, isAtomic: isAtomic)
    }

    /// A `set` or `delete` of a socket: the members of a single upsert; those of the frame itself are passed over.
    ///
    /// - Parameter owner: who is meant unless it names a user.
    /// - Throws: `malformed-json`, `invalid-field`, `value-too-large`.
    static func frame(
        _ body: ByteBuffer, isDelete: Bool, owner: OwnerID, limits: Limits
    ) throws(ApusError) -> Self {
        let text = body.readableBytesUInt8Span
        var scanner = JSONScanner(depthMax: limits.valueDepthMax)
        var fields = ItemFields(body: body, isInBulk: false, limits: limits)
        fields.isDelete = isDelete
        try fields.read(&scanner, text)
        let item = try fields.item(policy: .lastWriteWins)
        return Self(owner: fields.owner ?? owner, items: [.success(item)], isAtomic: true)
    }

    private static func items(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>, body: ByteBuffer, limits: Limits
    ) throws(ApusError) -> [ItemFields?] {
        var read: [ItemFields?] = []
        try scanner.beginArray(in: text)
        while try scanner.nextElement(in: text) {
            guard read.count < limits.bulkItemsMax else {
                throw ApusError(.tooManyItems, "a bulk takes at most \(limits.bulkItemsMax) items")
            }
            if try scanner.peek(in: text) == .object {
                var fields = ItemFields(body: body, isInBulk: true, limits: limits)
                try fields.read(&scanner, text)
                read.append(fields)
            } else {
                _ = try scanner.value(in: text)
                read.append(nil)
            }
        }
        return read
    }

    private static func judged(
        _ fields: ItemFields?, _ owner: OwnerID, _ policy: ConflictPolicy
    ) -> Result<WriteItem, ApusError> {
        guard var fields else { return .failure(ApusError(.invalidField, "an item must be an object", at: "")) }
        fields.requireOwner(owner)
        do throws(ApusError) {
            return .success(try fields.item(policy: policy))
        } catch {
            return .failure(error)
        }
    }

    static func requireObject(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>, _ what: String = "the body"
    ) throws(ApusError) {
        guard try scanner.peek(in: text) != .object else { return }
        _ = try scanner.value(in: text)
        try scanner.end(in: text)
        throw ApusError(.invalidField, "\(what) must be a JSON object", at: "")
    }
}

/// The members of one item, as far as they could be read.
private struct ItemFields {
    private let limits: Limits
    private let isInBulk: Bool
    private var reader: EnvelopeReader
    private(set) var owner: OwnerID?
    private var collection: CollectionName?
    private var key: RecordKey?
    private var value: Range<Int>?
    private var updatedAt: Timestamp?
    private var ttlSeconds: Int64?
    private var expiresAt: Timestamp?
    var isDelete = false
    private var policyName: String?
    private var policyField: String?

    init(body: ByteBuffer, isInBulk: Bool, limits: Limits) {
        self.limits = limits
        self.isInBulk = isInBulk
        reader = EnvelopeReader(body: body, limits: limits)
    }

    mutating func read(_ scanner: inout JSONScanner, _ text: Span<UInt8>) throws(ApusError) {
        try scanner.beginObject(in: text)
        while let name = try scanner.nextMember(in: text) {
            try reader.enter(name)
            switch name {
            case "user_id": owner = try reader.name(name, &scanner, text)
            case "collection": collection = try reader.name(name, &scanner, text)
            case "key": key = try reader.name(name, &scanner, text)
            case "value": value = try scanner.value(in: text).range
            case "updated_at": updatedAt = try reader.time(name, &scanner, text)
            case "ttl_seconds":
                ttlSeconds = try reader.integer(name, in: 1...limits.ttlSecondsMax, &scanner, text)
            case "expires_at": expiresAt = try reader.time(name, &scanner, text)
            case "delete" where isInBulk: isDelete = try reader.boolean(name, &scanner, text) ?? false
            case "conflict_policy": policyName = try reader.string(name, &scanner, text)
            case "conflict_field": policyField = try reader.string(name, &scanner, text)
            default: _ = try scanner.value(in: text)
            }
        }
    }

    mutating func requireOwner() {
        if !reader.has("user_id") { reader.fault("user_id", "user_id is missing") }
    }

    /// An item of a bulk may name the owner again, but no other.
    mutating func requireOwner(_ expected: OwnerID) {
        if let owner, owner != expected { reader.fault("user_id", "an item's user_id must be the request's") }
    }

    mutating func item(policy: ConflictPolicy) throws(ApusError) -> WriteItem {
        if !reader.has("collection") { reader.fault("collection", "collection is missing") }
        if !reader.has("key") { reader.fault("key", "key is missing") }
        if !reader.has("value"), !isDelete { reader.fault("value", "value is missing") }
        if ttlSeconds != nil, expiresAt != nil {
            reader.fault("expires_at", "give ttl_seconds or expires_at, not both")
        }
        var policy = policy
        if policyName != nil || policyField != nil {
            do throws(ApusError) {
                policy = try ConflictPolicy(name: policyName ?? policy.name, field: policyField)
            } catch {
                reader.fault(ConflictPolicy.memberAtFault(field: policyField), error.message)
            }
        }
        if let failure = reader.failure() { throw failure }
        guard let collection, let key else { throw ApusError(.invalidField, "collection and key are needed") }
        return WriteItem(
            collection: collection, key: key, operation: try operation(), updatedAt: updatedAt, policy: policy)
    }

    private func operation() throws(ApusError) -> WriteItem.Operation {
        guard !isDelete, let value else { return .delete }
        guard value.count <= limits.valueBytesMax else { throw .valueTooLarge(value.count, limits: limits) }
        let expiry: Expiry =
            if let ttlSeconds { .afterSeconds(ttlSeconds) } else if let expiresAt { .at(expiresAt) } else { .never }
        return .set(JSONText(validated: reader.body.slice(value)), expiry)
    }
}

extension ApusError {
    /// A value of `byteCount` bytes is more than is kept.
    public static func valueTooLarge(_ byteCount: Int, limits: Limits) -> ApusError {
        ApusError(.valueTooLarge, "the value has \(byteCount) bytes; \(limits.valueBytesMax) are allowed", at: "/value")
    }
}

extension ConflictPolicy {
    /// Reads the policy's name and, for `max_numeric`, the JSON pointer to the number.
    ///
    /// - Throws: `bad-parameter`.
    public init(name: String, field: String?) throws(ApusError) {
        guard let pointer = JSONPointer(field ?? "") else {
            throw ApusError(.badParameter, "the conflict field must be a JSON pointer such as /stats/score")
        }
        switch name {
        case "last_write_wins": self = .lastWriteWins
        case "server_time": self = .serverTime
        case "max_numeric": self = .maxNumeric(pointer)
        default:
            throw ApusError(
                .badParameter, "the conflict policy must be last_write_wins, server_time or max_numeric, not \(name)")
        }
    }

    /// Which member of a body is wrong when the policy cannot be read.
    static func memberAtFault(field: String?) -> String {
        JSONPointer(field ?? "") == nil ? "conflict_field" : "conflict_policy"
    }

    var name: String {
        switch self {
        case .lastWriteWins: "last_write_wins"
        case .serverTime: "server_time"
        case .maxNumeric: "max_numeric"
        }
    }
}
