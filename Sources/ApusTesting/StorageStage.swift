import ApusCore
import NIOCore

/// An open backend on which a law is tried, and the writing that laws do again and again.
final class StorageStage {
    let backend: any StorageBackend
    let writer: any StorageWriter
    let reader: any StorageReader

    init(_ backend: any StorageBackend) throws {
        self.backend = backend
        writer = try backend.openWriter()
        reader = try backend.openReader()
    }

    deinit {
        writer.close()
    }

    /// Commits `drafts` as the engine would: each takes its owner's next change number, in one transaction.
    @discardableResult
    func write(_ drafts: Draft..., at moment: Int64 = 1000) throws -> [Record] {
        try write(drafts, at: moment)
    }

    @discardableResult
    func write(_ drafts: [Draft], at moment: Int64 = 1000) throws -> [Record] {
        try writer.transaction { transaction throws(ApusError) in
            let planned = try transaction.plan(drafts, at: moment)
            try transaction.apply(planned)
            return planned.records.map(\.record)
        }
    }

    /// Commits a batch that is made by `fill`.
    func commit(_ fill: (inout CommitBatch) throws -> Void) throws {
        var batch = CommitBatch()
        try fill(&batch)
        let filled = batch
        try writer.transaction { transaction throws(ApusError) in try transaction.apply(filled) }
    }

    /// Purges old tombstones as the engine would.
    @discardableResult
    func purge(committedBefore moment: Int64, limit: Int = 1000) throws -> [Record] {
        let moment = Timestamp(milliseconds: moment)
        return try writer.transaction { transaction throws(ApusError) in
            var batch = CommitBatch()
            let old = try transaction.tombstones(committedBefore: moment, limit: limit)
            try transaction.planPurge(of: old, into: &batch)
            try transaction.apply(batch)
            return batch.purges.map(\.record)
        }
    }

    /// The keys of all records of the collection that are live at `moment`.
    func keys(_ owner: String = "u1", _ collection: String = "c", at moment: Int64 = 0) throws -> [String] {
        try list(owner, collection, at: moment).records.map(\.address.key.text)
    }

    func list(
        _ owner: String = "u1", _ collection: String = "c", after: String? = nil, limit: Int = 100_000,
        bytesMax: Int = 1 << 30, at moment: Int64 = 0
    ) throws -> RecordPage {
        try reader.records(
            owner: OwnerID(owner), collection: CollectionName(collection),
            after: try after.map { key throws(ApusError) in try RecordKey(key) }, limit: limit, bytesMax: bytesMax,
            liveAt: Timestamp(milliseconds: moment))
    }

    func changes(
        _ owner: String = "u1", _ collection: String? = nil, after: Int64 = 0, limit: Int = 100_000,
        bytesMax: Int = 1 << 30, at moment: Int64 = 0
    ) throws -> ChangesPage {
        try reader.changes(
            owner: OwnerID(owner),
            collection: try collection.map { name throws(ApusError) in try CollectionName(name) },
            after: SequenceNumber(after), limit: limit, bytesMax: bytesMax, liveAt: Timestamp(milliseconds: moment))
    }
}

/// A record to be written.
struct Draft: Sendable {
    var address: RecordAddress
    /// `nil` for a tombstone.
    var value: JSONText?
    var expiresAt: Timestamp?
    /// What a tombstone keeps.
    var kept: CommitBatch.KeptValue?

    init(
        _ key: String, _ value: String? = "1", owner: String = "u1", collection: String = "c", expiresAt: Int64? = nil
    ) throws(ApusError) {
        address = RecordAddress(
            owner: try OwnerID(owner), collection: try CollectionName(collection), key: try RecordKey(key))
        self.value = value.map { JSONText(validated: ByteBuffer(string: $0)) }
        self.expiresAt = expiresAt.map(Timestamp.init(milliseconds:))
    }

    init(deleting address: RecordAddress, keeping kept: CommitBatch.KeptValue? = nil) {
        self.address = address
        self.kept = kept
    }
}

extension StorageTransaction {
    /// The batch that writes `drafts`, planned against what is stored.
    func plan(_ drafts: [Draft], at moment: Int64) throws(ApusError) -> CommitBatch {
        let now = Timestamp(milliseconds: moment)
        var batch = CommitBatch()
        for (draft, row) in zip(drafts, try stored(drafts.map(\.address), valueBytesMax: 0)) {
            let owner = draft.address.owner
            var state = try state(of: owner, in: batch)
            state.lastSequence = state.lastSequence.next
            state.lastCommittedAt = now
            batch.owners[owner] = state
            let record = Record(
                address: draft.address, value: draft.value, updatedAt: now, deletedAt: draft.value == nil ? now : nil,
                expiresAt: draft.expiresAt, sequence: state.lastSequence, committedAt: now)
            batch.records.append(
                CommitBatch.RecordWrite(record: record, replacing: row?.locator, kept: draft.kept))
        }
        return batch
    }
    /// Adds the purge of `rows` to `batch`, and what it means to their owners.
    func planPurge(of rows: [StoredRecord], into batch: inout CommitBatch) throws(ApusError) {
        batch.purges = rows
        for record in rows.map(\.record) {
            let owner = record.address.owner
            var state = try state(of: owner, in: batch)
            state.purgedThrough = max(state.purgedThrough, record.sequence)
            batch.owners[owner] = state
        }
    }

    private func state(of owner: OwnerID, in batch: CommitBatch) throws(ApusError) -> OwnerState {
        if let planned = batch.owners[owner] { return planned }
        return try ownerState(owner)
    }
}
