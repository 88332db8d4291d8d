internal import ApusCore
internal import NIOCore

/// A record as it lies under its key: a head of fixed length, then the value.
///
/// The head is a byte that says whether there is a value, and five numbers of eight bytes, little-endian: the change
/// number, the commit time, `updated_at`, `deleted_at` and `expires_at`, of which the latter two may be ``none``. The
/// value of a row with `deleted_at` is what the tombstone keeps, and is shown to nobody.
struct RecordRow {
    static let headBytes = 41
    private static let none = Int64.min

    var hasValue: Bool
    var sequence: SequenceNumber
    var committedAt: Timestamp
    var updatedAt: Timestamp
    var deletedAt: Timestamp?
    var expiresAt: Timestamp?

    /// - Parameter hasValue: whether a value follows, the record's own or one that is kept.
    init(_ record: Record, hasValue: Bool) {
        self.hasValue = hasValue
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

    /// The bytes of the value that reads show, in a whole row.
    func value(in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        hasValue && deletedAt == nil ? UnsafeRawBufferPointer(rebasing: bytes[Self.headBytes...]) : nil
    }

    /// The value that a tombstone keeps, in a whole row.
    func keptValue(in bytes: UnsafeRawBufferPointer) -> JSONText? {
        deletedAt == nil ? nil : anyValue(in: bytes)
    }

    /// The value in a whole row, shown or kept.
    func anyValue(in bytes: UnsafeRawBufferPointer) -> JSONText? {
        guard hasValue else { return nil }
        return JSONText(validated: ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: bytes[Self.headBytes...])))
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

    /// The record with the value that stands in its whole row, unless that is longer than `valueBytesMax`.
    func record(at address: RecordAddress, value bytes: UnsafeRawBufferPointer, valueBytesMax: Int = .max) -> Record {
        var record = record(at: address)
        if let value = value(in: bytes), value.count <= valueBytesMax {
            record.value = JSONText(validated: ByteBuffer(bytes: value))
        }
        return record
    }

    func record(at address: RecordAddress) -> Record {
        Record(
            address: address, value: nil, updatedAt: updatedAt, deletedAt: deletedAt, expiresAt: expiresAt,
            sequence: sequence, committedAt: committedAt)
    }
}
