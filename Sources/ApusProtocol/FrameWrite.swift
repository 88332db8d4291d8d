public import ApusCore
public import NIOCore

/// A `set`, `delete` or `bulk` of a socket: the members of the same write over REST, and what REST has in headers.
public struct FrameWrite: Sendable {
    enum Kind: Sendable {
        case set
        case delete
        case bulk
    }

    public var body: WriteBody
    public var isBulk: Bool
    /// `idempotency_key`
    public var idempotencyKey: String?
    /// What makes the frame the same as another: all of it but its `id`.
    public var fingerprint: [ByteBuffer]

    init(_ text: ByteBuffer, _ kind: Kind, id: JSONText?, owner: OwnerID, limits: Limits) throws(ApusError) {
        let options = try Options(text, limits: limits)
        switch kind {
        case .set: body = try .frame(text, isDelete: false, owner: owner, limits: limits)
        case .delete: body = try .frame(text, isDelete: true, owner: owner, limits: limits)
        case .bulk:
            let policy = try options.policy()
            body = try .bulk(text, owner: owner, policy: policy, limits: limits)
        }
        isBulk = kind == .bulk
        if options.precondition != .none {
            guard !isBulk else {
                throw ApusError(.invalidField, "a bulk takes no if_match or if_none_match", at: "/if_match")
            }
            body.require(options.precondition)
        }
        idempotencyKey = options.idempotencyKey
        fingerprint = [text]
        if let id {
            let start = id.bytes.readerIndex - text.readerIndex
            fingerprint = [
                text.slice(0..<start), text.slice(start + id.byteCount..<text.readableBytes),
            ]
        }
    }
}

extension WriteBody {
    /// Has each item tried only if `precondition` holds.
    public mutating func require(_ precondition: Precondition) {
        items = items.map { item in
            item.map { item in
                var item = item
                item.precondition = precondition
                return item
            }
        }
    }
}

/// `{"conflict_policy"?,"conflict_field"?,"idempotency_key"?,"if_match"?,"if_none_match"?}`
private struct Options {
    var policyName: String?
    var policyField: String?
    var idempotencyKey: String?
    var precondition = Precondition.none

    init(_ text: ByteBuffer, limits: Limits) throws(ApusError) {
        let span = text.readableBytesUInt8Span
        var scanner = JSONScanner(depthMax: limits.valueDepthMax)
        var reader = EnvelopeReader(body: text, limits: limits)
        var tags = (match: Tag?.none, noneMatch: Tag?.none)
        try scanner.beginObject(in: span)
        while let name = try scanner.nextMember(in: span) {
            switch name {
            case "conflict_policy": policyName = try reader.string(name, &scanner, span)
            case "conflict_field": policyField = try reader.string(name, &scanner, span)
            case "idempotency_key":
                idempotencyKey = try reader.string(name, &scanner, span)
                let bytesMax = limits.idempotencyKeyBytesMax
                if let key = idempotencyKey, !(1...bytesMax ~= key.utf8.count) {
                    reader.fault(name, "idempotency_key must be 1 to \(bytesMax) bytes")
                }
            case "if_match": tags.match = try Tag(name, &reader, &scanner, span)
            case "if_none_match": tags.noneMatch = try Tag(name, &reader, &scanner, span)
            default: _ = try scanner.value(in: span)
            }
        }
        if tags.match != nil, tags.noneMatch != nil {
            reader.fault("if_none_match", "give if_match or if_none_match, not both")
        }
        if let failure = reader.failure() { throw failure }
        switch tags.match {
        case .any?: precondition = .present
        case .sequence(let sequence)?: precondition = .sequenceIn([sequence])
        case nil: break
        }
        switch tags.noneMatch {
        case .any?: precondition = .absent
        case .sequence(let sequence)?: precondition = .sequenceNotIn([sequence])
        case nil: break
        }
    }

    func policy() throws(ApusError) -> ConflictPolicy {
        do throws(ApusError) {
            return try ConflictPolicy(name: policyName ?? "last_write_wins", field: policyField)
        } catch {
            throw ApusError(
                .invalidField, error.message, at: "/" + ConflictPolicy.memberAtFault(field: policyField))
        }
    }

    /// A record's state as REST's entity tags name it: its change number, or `"*"` for any.
    private enum Tag {
        case any
        case sequence(SequenceNumber)

        init?(
            _ name: String, _ reader: inout EnvelopeReader, _ scanner: inout JSONScanner, _ text: Span<UInt8>
        ) throws(ApusError) {
            let token = try scanner.value(in: text)
            let raw = JSONString.raw(text, range: token.range)
            if token.kind == .string, raw == "\"*\"" {
                self = .any
            } else if token.kind == .number, let number = Int64(raw) {
                self = .sequence(SequenceNumber(number))
            } else {
                reader.fault(name, "\(name) must be a record's seq or \"*\"")
                return nil
            }
        }
    }
}
