import ApusCore
import Crypto
import NIOCore

/// A digest of any number of rows that does not depend on their order: the SHA-256 of each row, summed up.
///
/// The four 64-bit words of the hashes, big-endian, are each added modulo 2^64. A row is hashed in this encoding: its
/// kind as one byte (owner 1, record 2, answer 3, user 4, token 5, revocation 6, cutoff 7, audit entry 8, device 9),
/// then its fields in the order below. Whole numbers and times (milliseconds since 1970) take eight bytes, big-endian;
/// texts and bytes their length in four, big-endian, and themselves; what may be missing is one byte, 0 or 1, and after
/// 1 itself.
///
/// - owner: name, `lastSequence`, `lastCommittedAt`, `purgedThrough`
/// - record: owner, collection, key, value?, `updatedAt`, `deletedAt`?, `expiresAt`?, `sequence`, `committedAt`; then,
///   only of a tombstone that keeps one, the kept value
/// - answer: owner, key, fingerprint, body, `storedAt`
/// - user: id, display name?, `createdAt`
/// - token: id, user, `issuedAt`, `expiresAt`, generation, claims?
/// - revocation: token's id, `keepUntil`
/// - cutoff: user, generation, `issuedThrough`
/// - audit entry: as ``NIOCore/ByteBuffer/writeAuditRow(_:)`` writes it
/// - device: owner, id, name?, platform?, `registeredAt`, `lastSeenAt`?
struct RowDigest: Hashable, Sendable {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    mutating func add(_ row: StoredRow, encodedIn buffer: inout ByteBuffer) {
        buffer.clear()
        buffer.write(row)
        var hasher = SHA256()
        buffer.withUnsafeReadableBytes { hasher.update(bufferPointer: $0) }
        hasher.finalize().withUnsafeBytes { hash in
            func word(_ index: Int) -> UInt64 {
                UInt64(bigEndian: hash.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
            }
            words = (words.0 &+ word(0), words.1 &+ word(1), words.2 &+ word(2), words.3 &+ word(3))
        }
    }

    /// 64 hex digits.
    var text: String {
        [words.0, words.1, words.2, words.3].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    static func == (left: RowDigest, right: RowDigest) -> Bool { left.words == right.words }

    func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.3)
    }
}

/// What a walk over a storage found: how many rows of each kind, and the digest of all of them.
public struct RowTally: Hashable, Sendable {
    public private(set) var counts = RowCounts()
    private var digest = RowDigest()

    init() {}

    /// 64 hex digits.
    public var digestText: String { digest.text }

    /// Of everything `reader` has.
    init(of reader: any StorageReader, onRows: (_ rowsSoFar: Int) -> Void = { _ in }) throws(ApusError) {
        var walk = StorageWalk(over: reader)
        var buffer = ByteBuffer()
        var rowsSoFar = 0
        while let rows = try walk.next() {
            for row in rows {
                counts[row.kind] += 1
                digest.add(row, encodedIn: &buffer)
            }
            rowsSoFar += rows.count
            if !rows.isEmpty { onRows(rowsSoFar) }
        }
    }
}

extension RowCounts {
    /// Of everything `reader` has.
    init(of reader: any StorageReader) throws(ApusError) {
        self.init()
        var walk = StorageWalk(over: reader)
        while let rows = try walk.next() {
            for row in rows { self[row.kind] += 1 }
        }
    }
}

extension ByteBuffer {
    fileprivate mutating func write(_ row: StoredRow) {
        switch row {
        case .owner(let entry):
            writeInteger(UInt8(1))
            write(entry.owner.text)
            write(entry.state.lastSequence.rawValue, entry.state.lastCommittedAt.milliseconds)
            write(entry.state.purgedThrough.rawValue)
        case .record(let record, let kept):
            write(record)
            if let kept { write(kept.bytes) }
        case .answer(let answer):
            writeInteger(UInt8(3))
            write(answer.owner.text, answer.key)
            writeInteger(UInt32(answer.fingerprint.count))
            writeBytes(answer.fingerprint)
            write(answer.body)
            write(answer.storedAt.milliseconds)
        case .user(let user):
            writeInteger(UInt8(4))
            write(user.id.text)
            writeOptional(user.displayName) { $0.write($1) }
            write(user.createdAt.milliseconds)
        case .device(let device):
            writeInteger(UInt8(9))
            write(device.owner.text, device.id.text)
            writeOptional(device.name) { $0.write($1) }
            writeOptional(device.platform) { $0.write($1) }
            write(device.registeredAt.milliseconds)
            writeOptional(device.lastSeenAt) { $0.write($1.milliseconds) }
        case .token(let token):
            writeInteger(UInt8(5))
            write(token.id, token.user.text)
            write(token.issuedAt.milliseconds, token.expiresAt.milliseconds, token.generation)
            writeOptional(token.claims) { $0.write($1.bytes) }
        case .revocation(let revocation):
            writeInteger(UInt8(6))
            write(revocation.tokenID)
            write(revocation.keepUntil.milliseconds)
        case .cutoff(let cutoff):
            writeInteger(UInt8(7))
            write(cutoff.user.text)
            write(cutoff.generation, cutoff.issuedThrough.milliseconds)
        case .audit(let entry): writeAuditRow(entry)
        }
    }

    private mutating func write(_ record: Record) {
        writeInteger(UInt8(2))
        write(record.address.owner.text, record.address.collection.text, record.address.key.text)
        writeOptional(record.value) { $0.write($1.bytes) }
        write(record.updatedAt.milliseconds)
        writeOptional(record.deletedAt) { $0.write($1.milliseconds) }
        writeOptional(record.expiresAt) { $0.write($1.milliseconds) }
        write(record.sequence.rawValue, record.committedAt.milliseconds)
    }

    private mutating func write(_ numbers: Int64...) {
        for number in numbers { writeInteger(number) }
    }

    private mutating func write(_ texts: String...) {
        for text in texts {
            writeInteger(UInt32(text.utf8.count))
            writeString(text)
        }
    }

    private mutating func write(_ bytes: ByteBuffer) {
        writeInteger(UInt32(bytes.readableBytes))
        writeImmutableBuffer(bytes)
    }

    private mutating func writeOptional<Value>(_ value: Value?, _ write: (inout ByteBuffer, Value) -> Void) {
        writeInteger(UInt8(value == nil ? 0 : 1))
        if let value { write(&self, value) }
    }
}
