import ApusCore
import ApusProtocol
import NIOCore
import Testing

extension ByteBuffer {
    /// What `write` appends to an empty buffer, as text.
    static func text(_ write: (inout ByteBuffer) -> Void) -> String {
        var buffer = ByteBuffer()
        write(&buffer)
        return String(buffer: buffer)
    }
}

/// What a body is refused with; an issue is recorded if it is not.
func refusal<Answer>(_ body: () throws(ApusError) -> Answer, at location: SourceLocation = #_sourceLocation)
    -> ApusError
{
    do throws(ApusError) {
        let answer = try body()
        Issue.record("it was taken: \(answer)", sourceLocation: location)
        return ApusError(.notFound, "it was taken")
    } catch {
        return error
    }
}

extension ApusError {
    var pointers: [String] { fields.map(\.pointer) }
}

extension WriteBody {
    static func single(_ text: String, policy: ConflictPolicy = .lastWriteWins, _ limits: Limits = Limits())
        throws(ApusError) -> WriteBody
    {
        try single(ByteBuffer(string: text), policy: policy, limits: limits)
    }

    static func bulk(_ text: String, policy: ConflictPolicy = .lastWriteWins, _ limits: Limits = Limits())
        throws(ApusError) -> WriteBody
    {
        try bulk(ByteBuffer(string: text), policy: policy, limits: limits)
    }

    /// The only item.
    func item() throws -> WriteItem {
        try #require(items.count == 1)
        return try items[0].get()
    }
}

extension WriteItem {
    var value: String? {
        guard case .set(let value, _) = operation else { return nil }
        return String(buffer: value.bytes)
    }

    var expiry: Expiry? {
        guard case .set(_, let expiry) = operation else { return nil }
        return expiry
    }

    var isDelete: Bool {
        if case .delete = operation { true } else { false }
    }
}

/// A record of `u1`, `profile`, `theme` with the times of the contract's example.
func record(
    _ value: String? = #"{"mode":"dark"}"#, owner: String = "u1", collection: String = "profile", key: String = "theme",
    deletedAt: Timestamp? = nil, expiresAt: Timestamp? = nil, sequence: Int64 = 42
) throws -> Record {
    Record(
        address: RecordAddress(
            owner: try OwnerID(owner), collection: try CollectionName(collection), key: try RecordKey(key)),
        value: value.map { JSONText(validated: ByteBuffer(string: $0)) },
        updatedAt: Timestamp(milliseconds: 1_704_112_496_000), deletedAt: deletedAt, expiresAt: expiresAt,
        sequence: SequenceNumber(sequence), committedAt: Timestamp(milliseconds: 0))
}

/// 2024-01-01T12:34:56.789Z
let moment = Timestamp(milliseconds: 1_704_112_496_789)
