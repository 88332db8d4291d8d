internal import ApusCore
internal import NIOCore

/// Everything that is stored, as a plain value.
struct MemoryState: Sendable {
    private(set) var owners: [OwnerID: MemoryOwner] = [:]
    /// What tombstones keep.
    private(set) var keptValues: [RecordAddress: JSONText] = [:]
    private(set) var users: [OwnerID: User] = [:]
    private(set) var devices: [OwnerID: [DeviceID: Device]] = [:]
    /// In the order they came.
    private(set) var tokens: [NumberedToken] = []
    private(set) var revocations: [ExactText: TokenRevocation] = [:]
    private(set) var cutoffs: [OwnerID: TokenCutoff] = [:]
    private(set) var answers: [AnswerName: StoredAnswer] = [:]
    /// By number.
    private(set) var audit: [AuditEntry] = []
    private(set) var notes: [String: String] = [:]
    private var expiring: Set<RecordAddress> = []
    private var tombstones: Set<RecordAddress> = []
    private var latestLocator: Int64 = 0
    private var latestNumber: Int64 = 0

    func stored(at address: RecordAddress) -> StoredRecord? {
        owners[address.owner]?.collections[address.collection]?.rows[address.key]
    }

    func expired(at moment: Timestamp, limit: Int) -> [RecordAddress] {
        let due = expiring.compactMap { stored(at: $0)?.record }.filter { $0.isExpired(at: moment) }
        let earliest = due.sorted { ($0.expiresAt ?? moment) < ($1.expiresAt ?? moment) }
        return earliest.prefix(limit).map(\.address)
    }

    var tombstoneCount: Int { tombstones.count }

    func expiredCount(at moment: Timestamp) -> Int {
        expiring.reduce(0) { $0 + (stored(at: $1)?.record.isExpired(at: moment) == true ? 1 : 0) }
    }

    func tombstones(committedBefore moment: Timestamp, limit: Int) -> [StoredRecord] {
        let old = tombstones.compactMap { stored(at: $0) }.filter { $0.record.committedAt < moment }
        return Array(old.sorted { $0.record.committedAt < $1.record.committedAt }.prefix(limit))
    }

    mutating func apply(_ batch: CommitBatch) {
        for write in batch.records { apply(write) }
        for purge in batch.purges { forget(purge) }
        for address in batch.forgottenValues { keptValues[address] = nil }
        for (owner, state) in batch.owners { owners[owner, default: MemoryOwner()].state = state }
        for user in batch.users { users[user.id] = user }
        for device in batch.devices { devices[device.owner, default: [:]][device.id] = device }
        for address in batch.forgottenDevices { devices[address.owner]?[address.id] = nil }
        for id in batch.deletedUsers {
            users[id] = nil
            devices[id] = nil
        }
        for grant in batch.tokens {
            tokens.removeAll { ExactText(stored: $0.token.id) == ExactText(stored: grant.id) }
            tokens.append(NumberedToken(number: nextNumber(), token: grant))
        }
        for revocation in batch.revocations { revocations[ExactText(stored: revocation.tokenID)] = revocation }
        for cutoff in batch.cutoffs { cutoffs[cutoff.user] = cutoff }
        for answer in batch.answers {
            answers[AnswerName(owner: answer.owner, key: answer.key)] = answer
            if owners[answer.owner] == nil { owners[answer.owner] = MemoryOwner() }
        }
        for entry in batch.audit { audit.insert(entry, at: audit.endIndex(of: entry.number, by: \.number)) }
        for (name, text) in batch.notes { notes[name] = text }
        if let retention = batch.forgetting { apply(retention) }
    }

    private mutating func nextNumber() -> Int64 {
        latestNumber += 1
        return latestNumber
    }

    private mutating func apply(_ write: CommitBatch.RecordWrite) {
        let record = write.record
        let locator = write.replacing ?? latestLocator + 1
        latestLocator = max(latestLocator, locator)
        precondition(
            stored(at: record.address)?.locator == write.replacing, "a locator must be one of this transaction's")
        keptValues[record.address] =
            switch write.kept {
            case nil: nil
            case .ofReplaced: stored(at: record.address)?.record.value ?? keptValues[record.address]
            case .given(let value): value
            }
        owners[record.address.owner, default: MemoryOwner()].set(StoredRecord(record: record, locator: locator))
        if record.isTombstone { tombstones.insert(record.address) } else { tombstones.remove(record.address) }
        if record.isTombstone || record.expiresAt == nil {
            expiring.remove(record.address)
        } else {
            expiring.insert(record.address)
        }
    }

    private mutating func forget(_ purge: StoredRecord) {
        let address = purge.record.address
        guard stored(at: address)?.locator == purge.locator else { return }
        owners[address.owner]?.remove(address)
        keptValues[address] = nil
        tombstones.remove(address)
        expiring.remove(address)
    }

    private mutating func apply(_ retention: Retention) {
        answers = answers.filter { $0.value.storedAt >= retention.answersStoredBefore }
        audit.removeFirst(audit.endIndex(of: retention.auditThrough, by: \.number))
        tokens.removeAll { $0.token.expiresAt < retention.tokensEndedBefore }
        revocations = revocations.filter { $0.value.keepUntil >= retention.tokensEndedBefore }
    }
}

/// What an answer is stored under.
struct AnswerName: Hashable {
    var owner: OwnerID
    var key: ExactText

    init(owner: OwnerID, key: String) {
        self.owner = owner
        self.key = ExactText(stored: key)
    }
}

extension Array {
    /// Where the elements end that are not above `value`, in an array sorted by `property`.
    func endIndex<Value: Comparable>(of value: Value, by property: (Element) -> Value) -> Int {
        var low = startIndex
        var high = endIndex
        while low < high {
            let middle = low + (high - low) / 2
            if property(self[middle]) <= value { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension CommitBatch {
    /// The same batch with bytes of its own: a value is a slice of a whole request, which it would keep alive.
    func copyingBytes() -> CommitBatch {
        var copy = self
        for index in records.indices {
            copy.records[index].record.value = records[index].record.value?.copyingBytes()
            if case .given(let value) = records[index].kept { copy.records[index].kept = .given(value.copyingBytes()) }
        }
        for index in tokens.indices { copy.tokens[index].claims = tokens[index].claims?.copyingBytes() }
        for index in answers.indices { copy.answers[index].body = ByteBuffer(copying: answers[index].body) }
        return copy
    }
}

extension JSONText {
    fileprivate func copyingBytes() -> JSONText {
        JSONText(validated: ByteBuffer(copying: bytes))
    }
}

extension ByteBuffer {
    fileprivate init(copying bytes: ByteBuffer) {
        self.init()
        reserveCapacity(bytes.readableBytes)
        writeImmutableBuffer(bytes)
    }
}
