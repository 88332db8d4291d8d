import ApusCore
import Crypto
import NIOCore

/// The end of the audit log, to which the next entry is chained; a plain value, so that whoever rolls back a
/// transaction only has to forget the copy that went with it.
struct AuditChain: Sendable {
    private(set) var ledger: AuditLedger
    private var buffer = ByteBuffer()

    /// The chain as the storage has it.
    ///
    /// A note that lags behind the log, or is not there, was not written by an engine of this version, or was taken
    /// away: numbers go on after the last entry all the same, so that none is given twice. One that is ahead of the log
    /// stays, so that it goes on telling that entries are missing.
    init(of reader: any StorageReader) throws(ApusError) {
        ledger = try reader.note(AuditLedger.noteName).flatMap(AuditLedger.init) ?? AuditLedger()
        guard let last = try reader.auditEntries(limit: 1).first, last.number > ledger.number else { return }
        ledger.number = last.number
        ledger.hash = hash(of: last)
    }

    /// Gives `entries` their numbers and hashes.
    mutating func append(_ entries: inout [AuditEntry]) {
        for index in entries.indices {
            entries[index].number = ledger.number + 1
            entries[index].previous = ledger.hash
            ledger.hash = hash(of: entries[index])
            ledger.number += 1
        }
    }

    /// Notes that entries up to `number` are dropped for their age.
    mutating func drop(through number: Int64) {
        ledger.expiredThrough = max(ledger.expiredThrough, number)
    }

    private mutating func hash(of entry: AuditEntry) -> AuditHash {
        buffer.clear()
        buffer.writeAuditRow(entry)
        var hasher = SHA256()
        buffer.withUnsafeReadableBytes { hasher.update(bufferPointer: $0) }
        return AuditHash(digest: hasher.finalize())
    }
}

/// Chains the audit entries of everything that is applied, and notes the chain's end in the same transaction.
final class ChainingTransaction: ForwardingTransaction {
    private(set) var chain: AuditChain

    init(_ base: any StorageTransaction, chain: AuditChain) {
        self.chain = chain
        super.init(base)
    }

    override func apply(_ batch: CommitBatch) throws(ApusError) {
        guard !batch.audit.isEmpty || batch.forgetting != nil else { return try super.apply(batch) }
        let before = chain.ledger
        var chained = batch
        chain.append(&chained.audit)
        if let retention = batch.forgetting { chain.drop(through: retention.auditThrough) }
        if chain.ledger != before { chained.notes[AuditLedger.noteName] = chain.ledger.text }
        try super.apply(chained)
    }
}

extension StorageTransaction {
    /// The last of the oldest audit entries that are all from before `moment`, at most `limit` of them.
    ///
    /// Only the oldest ever go, so that what is left is a chain without holes. An entry that tells of an earlier minute
    /// than the one before it therefore waits for that one.
    ///
    /// - Returns: its number, 0 if there is none; and whether there may be more.
    func agedAudit(before moment: Timestamp, limit: Int) throws(ApusError) -> (through: Int64, hasMore: Bool) {
        guard let oldest = try auditEntries(after: 0, limit: 1).first, oldest.at < moment else { return (0, false) }
        let aged = try auditEntries(after: 0, limit: limit).prefix { $0.at < moment }
        return (aged.last?.number ?? 0, aged.count == limit)
    }
}
