internal import ApusCore
internal import NIOCore

/// A record as it lies under its key: a head of fixed length, then the value.
///
/// The head is a byte that says whether there is a value, and five numbers of eight bytes, little-endian: the change
/// number, the commit time, `updated_at`, `deleted_at` and `expires_at`, of which the latter two may be ``none``.
struct RecordRow {
    static let headBytes = 41
    private static let none = Int64.min

    var hasValue: Bool
    var sequence: SequenceNumber
    var committedAt: Timestamp
    var updatedAt: Timestamp
    var deletedAt: Timestamp?
    var expiresAt: Timestamp?

    init(_ record: Record) {
        hasValue = record.value != nil
        sequence = record.sequence
        committedAt = record.committedAt
        updatedAt = record.updatedAt
        deletedAt = record.deletedAt
        expiresAt = record.expiresAt
    }

    init(_ bytes: UnsafeRawBufferPointer) throws(ApusError) {
        guard bytes.count >= Self.headBytes else { throw .storageUnavailable(cause: "a record has no whole head") }
        func number(_ index: Int) -> Int64 {
            Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 1 + 8 * index, as: Int64.self))
        }
        func moment(_ index: Int) -> Timestamp? {
            let number = number(index)
            return number == Self.none ? nil : Timestamp(milliseconds: number)
        }
        hasValue = bytes[0] != 0
        sequence = SequenceNumber(number(0))
        committedAt = Timestamp(milliseconds: number(1))
        updatedAt = Timestamp(milliseconds: number(2))
        deletedAt = moment(3)
        expiresAt = moment(4)
    }

    /// The value's bytes in a whole row.
    static func value(in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[headBytes...])
    }

    func write(to target: UnsafeMutableRawBufferPointer, value: ByteBuffer?) {
        target[0] = hasValue ? 1 : 0
        let numbers = [
            sequence.rawValue, committedAt.milliseconds, updatedAt.milliseconds, deletedAt?.milliseconds ?? Self.none,
            expiresAt?.milliseconds ?? Self.none,
        ]
        for (index, number) in numbers.enumerated() {
            target.storeBytes(of: number.littleEndian, toByteOffset: 1 + 8 * index, as: Int64.self)
        }
        value?.withUnsafeReadableBytes {
            UnsafeMutableRawBufferPointer(rebasing: target[Self.headBytes...]).copyMemory(from: $0)
        }
    }

    /// Whether reads show the record at `moment`.
    func isLive(at moment: Timestamp) -> Bool {
        deletedAt == nil && !isExpired(at: moment)
    }

    func isExpired(at moment: Timestamp) -> Bool {
        guard deletedAt == nil, let expiresAt else { return false }
        return expiresAt <= moment
    }

    func record(at address: RecordAddress) -> Record {
        Record(
            address: address, value: nil, updatedAt: updatedAt, deletedAt: deletedAt, expiresAt: expiresAt,
            sequence: sequence, committedAt: committedAt)
    }
}
