import ApusCore
import NIOCore

/// Decides writes against the rows they replace; a plain value that touches no clock, lock or disk.
///
/// Give it every row, owner state and stored answer that the requests name, as they are inside the transaction; ask it
/// to ``decide(_:)`` each request in order; then apply its `batch` and publish its `changes`. Later requests see what
/// earlier ones decided.
struct CommitPlanner {
    private(set) var batch = CommitBatch()
    private(set) var changes: [Change] = []

    private let now: Timestamp
    private let limits: Limits
    private var rows: [RecordAddress: Row]
    private var owners: [OwnerID: OwnerState]
    private var answers: [AnswerKey: StoredAnswer]
    /// Bytes of stored values the present request has had compared or answered.
    private var storedBytes = 0
    private var undo: [(address: RecordAddress, row: Row?)] = []

    struct AnswerKey: Hashable {
        var owner: OwnerID
        var key: ExactText
    }

    private struct Row {
        var record: Record
        var locator: Int64?
        /// Where in `batch.records` it stands, if this batch wrote it.
        var batchIndex: Int?
        /// What a tombstone of this batch keeps.
        var kept: CommitBatch.KeptValue?
    }

    /// Where to go back to when an atomic request is refused half-way.
    private struct Mark {
        var records: Int
        var changes: Int
        var owner: OwnerState?
        var batchOwner: OwnerState?
    }

    init(
        now: Timestamp, limits: Limits, rows: [StoredRecord], owners: [OwnerID: OwnerState], answers: [StoredAnswer]
    ) {
        self.now = now
        self.limits = limits
        self.owners = owners
        self.rows = Dictionary(minimumCapacity: rows.count)
        for row in rows { self.rows[row.record.address] = Row(record: row.record, locator: row.locator) }
        self.answers = Dictionary(
            answers.map { (AnswerKey(owner: $0.owner, key: ExactText(stored: $0.key)), $0) }, uniquingKeysWith: { $1 })
    }

    /// Decides all items of `request`, each seeing the ones before it.
    mutating func decide(_ request: WriteRequest) -> Result<WriteAnswer, ApusError> {
        do throws(ApusError) {
            if let replay = try replay(of: request) { return .success(.replayed(replay)) }
            let results = try results(of: request)
            batch.audit.append(Self.auditEntry(for: request, results: results, at: now))
            let answer = WriteAnswer.decided(results)
            if let claim = request.idempotency {
                let stored = StoredAnswer(
                    owner: request.owner, key: claim.key, fingerprint: claim.fingerprint, body: claim.encode(answer),
                    storedAt: now)
                answers[AnswerKey(owner: request.owner, key: ExactText(stored: claim.key))] = stored
                batch.answers.append(stored)
            }
            return .success(answer)
        } catch {
            return .failure(error)
        }
    }

    /// Turns a record whose time has run out into a tombstone, unless it was written again meanwhile.
    mutating func expire(_ address: RecordAddress) {
        guard let row = rows[address], row.record.isExpired(at: now) else { return }
        bury(address, at: stamp(after: row.record), keeping: nil, isExpiry: true)
    }

    /// Turns a live record into a tombstone that keeps nothing, and lets a tombstone keep nothing any more.
    mutating func erase(_ address: RecordAddress) {
        guard let row = rows[address] else { return }
        if row.record.isTombstone {
            batch.forgottenValues.append(address)
        } else if row.record.isLive(at: now) {
            bury(address, at: stamp(after: row.record), keeping: nil, isExpiry: false)
        }
    }

    /// Writes a deleted record again with `value`, which its tombstone keeps.
    ///
    /// - Throws: `not-found` if there is no tombstone or it keeps nothing, `precondition-failed` if the record is live.
    mutating func undelete(
        _ address: RecordAddress, value: JSONText?, origin: RequestOrigin
    ) throws(ApusError) -> Record {
        guard let stored = rows[address]?.record else {
            throw ApusError(.notFound, "nothing to restore: there is no deleted record")
        }
        guard !stored.isLive(at: now) else {
            throw ApusError(.preconditionFailed, "the record is not deleted")
        }
        guard stored.isTombstone, let value else {
            throw ApusError(.notFound, "nothing to restore: the record's value is not kept")
        }
        let record = write(address, keeping: nil, isExpiry: false) { [now] sequence, committedAt in
            Record(
                address: address, value: value, updatedAt: max(now, stored.updatedAt.advanced(byMilliseconds: 1)),
                sequence: sequence, committedAt: committedAt)
        }
        batch.audit.append(
            AuditEntry(
                at: now, origin: origin, action: "data.undelete",
                target: "\(address.owner)/\(address.collection)/\(address.key)"))
        return record
    }

    mutating func append(audit entry: AuditEntry) {
        batch.audit.append(entry)
    }
}

// MARK: - Requests

extension CommitPlanner {
    private func replay(of request: WriteRequest) throws(ApusError) -> ByteBuffer? {
        guard let claim = request.idempotency,
            let stored = answers[AnswerKey(owner: request.owner, key: ExactText(stored: claim.key))],
            stored.storedAt.advanced(bySeconds: limits.idempotencyLifeSeconds) > now
        else { return nil }
        guard stored.fingerprint == claim.fingerprint else {
            throw ApusError(.idempotencyMismatch, "this Idempotency-Key was used for another request")
        }
        return stored.body
    }

    private mutating func results(of request: WriteRequest) throws(ApusError) -> [WriteResult] {
        var results: [WriteResult] = []
        var faults: [ApusError] = []
        results.reserveCapacity(request.items.count)
        let mark = Mark(
            records: batch.records.count, changes: changes.count, owner: owners[request.owner],
            batchOwner: batch.owners[request.owner])
        undo.removeAll(keepingCapacity: true)
        storedBytes = 0
        for (index, item) in request.items.enumerated() {
            do throws(ApusError) {
                results.append(try decide(try item.get(), of: request.owner))
            } catch {
                // A delete that finds nothing has what it wanted; it is no reason to refuse its neighbours.
                let isFatal = request.isAtomic && !(request.isBulk && error.code == .notFound)
                if isFatal { faults.append(request.isBulk ? error.prefixed("/items/\(index)") : error) }
                results.append(.failed(error))
            }
        }
        if let first = faults.first {
            takeBack(to: mark, of: request.owner)
            throw Self.refusal(first, faults, isBulk: request.isBulk)
        }
        return results
    }

    private mutating func takeBack(to mark: Mark, of owner: OwnerID) {
        for (address, row) in undo.reversed() {
            if let row, let index = row.batchIndex, index < mark.records {
                batch.records[index].record = row.record
                batch.records[index].kept = row.kept
            }
            rows[address] = row
        }
        batch.records.removeLast(batch.records.count - mark.records)
        changes.removeLast(changes.count - mark.changes)
        owners[owner] = mark.owner
        batch.owners[owner] = mark.batchOwner
    }

    /// How many faults of a bulk one answer names.
    private static let faultsMax = 100

    private static func refusal(_ first: ApusError, _ faults: [ApusError], isBulk: Bool) -> ApusError {
        guard isBulk else { return first }
        let invalid: Set<ApusError.Code> = [.invalidField, .clockSkew, .notNumeric]
        var error = first
        if !invalid.contains(first.code), first.code != .tooManyItems { error.code = .invalidField }
        error.message = "nothing was written: \(first.message)"
        error.fields = faults.prefix(faultsMax).flatMap(\.fields)
        return error
    }

    private static func auditEntry(
        for request: WriteRequest, results: [WriteResult], at now: Timestamp
    ) -> AuditEntry {
        let applied = results.reduce(0) { count, result in
            if case .applied = result { count + 1 } else { count }
        }
        var target = request.owner.text
        var detail = "\(applied) of \(results.count) applied"
        if !request.isBulk, case .success(let item)? = request.items.first {
            target += "/\(item.collection)/\(item.key)"
            if case .delete = item.operation { detail = "delete" } else { detail = "set" }
        }
        return AuditEntry(
            at: now, origin: request.origin, action: "data.write", target: target,
            outcome: applied > 0 || request.isBulk ? "ok" : "not-applied", detail: detail)
    }
}

// MARK: - Items

extension CommitPlanner {
    private mutating func decide(_ item: WriteItem, of owner: OwnerID) throws(ApusError) -> WriteResult {
        let address = RecordAddress(owner: owner, collection: item.collection, key: item.key)
        let stored = rows[address]?.record
        try check(item.precondition, against: stored)
        switch item.operation {
        case .set(let value, let expiry):
            return try set(address, value, expiresAt: try moment(of: expiry), item, stored: stored)
        case .delete: return try delete(address, item, stored: stored)
        }
    }

    private mutating func set(
        _ address: RecordAddress, _ value: JSONText, expiresAt: Timestamp?, _ item: WriteItem, stored: Record?
    ) throws(ApusError) -> WriteResult {
        var time = stamp(after: stored)
        switch item.policy {
        case .serverTime: break
        case .lastWriteWins:
            guard let given = item.updatedAt else { break }
            try checkSkew(given)
            if let stored, given <= stored.updatedAt {
                guard given == stored.updatedAt else { return try lost(.older, to: stored) }
                if stored.isLive(at: now), stored.expiresAt == expiresAt, try storedValue(of: stored) == value {
                    return try lost(.unchanged, to: stored)
                }
            }
            time = given
        case .maxNumeric(let pointer):
            guard let number = value.number(at: pointer) else {
                throw ApusError(.notNumeric, "max_numeric needs a finite number to compare", at: "/value")
            }
            if let stored, stored.isLive(at: now), let held = try storedValue(of: stored).number(at: pointer),
                number <= held
            {
                return try lost(.notGreater, to: stored)
            }
            if let given = item.updatedAt {
                try checkSkew(given)
                if given > stored?.updatedAt ?? given.advanced(byMilliseconds: -1) { time = given }
            }
        }
        let record = write(address, keeping: nil, isExpiry: false) { sequence, committedAt in
            Record(
                address: address, value: value, updatedAt: time, expiresAt: expiresAt, sequence: sequence,
                committedAt: committedAt)
        }
        return .applied(record)
    }

    private mutating func delete(
        _ address: RecordAddress, _ item: WriteItem, stored: Record?
    ) throws(ApusError) -> WriteResult {
        guard let stored, stored.isLive(at: now) else {
            throw ApusError(.notFound, "there is no such record to delete")
        }
        var time = stamp(after: stored)
        if item.policy != .serverTime, let given = item.updatedAt {
            try checkSkew(given)
            guard given >= stored.updatedAt else { return try lost(.older, to: stored) }
            time = given
        }
        // The storage has not seen a value of this batch.
        let isOfBatch = rows[address]?.batchIndex != nil
        let kept = isOfBatch ? stored.value.map { CommitBatch.KeptValue.given($0) } : .ofReplaced
        return .applied(bury(address, at: time, keeping: kept, isExpiry: false))
    }

    @discardableResult
    private mutating func bury(
        _ address: RecordAddress, at time: Timestamp, keeping kept: CommitBatch.KeptValue?, isExpiry: Bool
    ) -> Record {
        write(address, keeping: kept, isExpiry: isExpiry) { sequence, committedAt in
            Record(
                address: address, value: nil, updatedAt: time, deletedAt: time, sequence: sequence,
                committedAt: committedAt)
        }
    }

    /// Gives the change its number and puts it into the batch, in place of an earlier one of this batch.
    private mutating func write(
        _ address: RecordAddress, keeping kept: CommitBatch.KeptValue?, isExpiry: Bool,
        _ make: (SequenceNumber, Timestamp) -> Record
    ) -> Record {
        var owner = owners[address.owner] ?? OwnerState()
        owner.lastSequence = owner.lastSequence.next
        owner.lastCommittedAt = max(now, owner.lastCommittedAt)
        let record = make(owner.lastSequence, owner.lastCommittedAt)
        owners[address.owner] = owner
        batch.owners[address.owner] = owner

        let before = rows[address]
        undo.append((address, before))
        var row = before ?? Row(record: record)
        row.record = record
        row.kept = kept
        if let index = row.batchIndex {
            batch.records[index].record = record
            batch.records[index].kept = kept
        } else {
            row.batchIndex = batch.records.count
            batch.records.append(CommitBatch.RecordWrite(record: record, replacing: row.locator, kept: kept))
        }
        rows[address] = row
        changes.append(Change(record: record, isExpiry: isExpiry))
        return record
    }

    /// Whether deciding `item` can take the stored value: to be compared with, or to be answered when the item loses.
    static func needsStoredValue(_ item: WriteItem) -> Bool {
        if case .maxNumeric = item.policy { return true }
        return item.policy == .lastWriteWins && item.updatedAt != nil
    }

    /// A loser is answered with what stays; a record whose time has run out is shown as what it is about to be.
    private mutating func lost(_ reason: LossReason, to stored: Record) throws(ApusError) -> WriteResult {
        var shown = stored
        if stored.isExpired(at: now) {
            shown.value = nil
            shown.deletedAt = stored.expiresAt
        } else if !stored.isTombstone {
            shown.value = try storedValue(of: stored)
        }
        return .lost(reason, stored: shown)
    }

    /// The value of a live record, as long as the request has not had too many.
    private mutating func storedValue(of stored: Record) throws(ApusError) -> JSONText {
        guard let value = stored.value, storedBytes + value.byteCount <= limits.storedBytesMax else {
            throw ApusError(
                .tooManyItems,
                "the stored values to compare with have more than \(limits.storedBytesMax) bytes; send fewer items")
        }
        storedBytes += value.byteCount
        return value
    }

    /// Now, but after everything stored at the address.
    private func stamp(after stored: Record?) -> Timestamp {
        guard let stored else { return now }
        return max(now, stored.updatedAt.advanced(byMilliseconds: 1))
    }

    private func checkSkew(_ given: Timestamp) throws(ApusError) {
        guard given > now.advanced(byMilliseconds: limits.clockSkewMilliseconds) else { return }
        var error = ApusError(
            .clockSkew, "updated_at is more than \(limits.clockSkewMilliseconds / 1000) s ahead of the server's clock",
            at: "/updated_at")
        error.serverTime = now
        throw error
    }

    private func moment(of expiry: Expiry) throws(ApusError) -> Timestamp? {
        switch expiry {
        case .never: return nil
        case .afterSeconds(let seconds): return now.advanced(bySeconds: seconds)
        case .at(let moment):
            guard moment > now, moment <= now.advanced(bySeconds: limits.ttlSecondsMax) else {
                throw ApusError(.invalidField, "expires_at must be in the next ten years", at: "/expires_at")
            }
            return moment
        }
    }

    private func check(_ precondition: Precondition, against stored: Record?) throws(ApusError) {
        let live = stored.flatMap { $0.isLive(at: now) ? $0 : nil }
        let holds =
            switch precondition {
            case .none: true
            case .absent: live == nil
            case .present: live != nil
            case .sequenceIn(let sequences): live.map { sequences.contains($0.sequence) } ?? false
            case .sequenceNotIn(let sequences): live.map { !sequences.contains($0.sequence) } ?? true
            }
        guard holds else {
            throw ApusError(.preconditionFailed, "the stored record is not the one the request expects")
        }
    }
}
