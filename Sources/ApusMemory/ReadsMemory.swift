internal import ApusCore
internal import NIOCore

/// Answers every read of the port from a ``MemoryState``.
protocol ReadsMemory: StorageReader {
    func read<Answer>(_ body: (borrowing MemoryState) -> Answer) -> Answer
}

extension ReadsMemory {
    func record(at address: RecordAddress) -> Record? {
        read { $0.stored(at: address)?.record }
    }

    func deletedValue(at address: RecordAddress) -> JSONText? {
        read { $0.keptValues[address] }
    }

    func tombstonesWithValue(owner: OwnerID, limit: Int) -> [RecordAddress] {
        read { state in
            let records = state.keptValues.keys.filter { $0.owner == owner }.compactMap { state.stored(at: $0)?.record }
            return records.sorted { $0.sequence < $1.sequence }.prefix(limit).map(\.address)
        }
    }

    func records(
        owner: OwnerID, collection: CollectionName, after: RecordKey?, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) -> RecordPage {
        read {
            $0.owners[owner]?.records(
                collection: collection, after: after, page: PageBounds(limit: limit, bytesMax: bytesMax)
            ) { $0.isLive(at: moment) } ?? RecordPage(records: [], hasMore: false)
        }
    }

    func recordsAndTombstones(
        owner: OwnerID, collection: CollectionName, after: RecordKey?, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) -> RecordPage {
        read {
            $0.owners[owner]?.records(
                collection: collection, after: after, page: PageBounds(limit: limit, bytesMax: bytesMax)
            ) { !$0.isExpired(at: moment) } ?? RecordPage(records: [], hasMore: false)
        }
    }

    func totals(liveAt moment: Timestamp) -> StorageTotals {
        read { state in
            let records = state.owners.values.reduce(0) { $0 + $1.recordCount }
            let expired = state.expiredCount(at: moment)
            return StorageTotals(
                users: state.users.count, records: records - state.tombstoneCount - expired,
                tombstones: state.tombstoneCount, devices: state.devices.values.reduce(0) { $0 + $1.count },
                revocations: state.revocations.count)
        }
    }

    func changes(
        owner: OwnerID, collection: CollectionName?, after: SequenceNumber, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) -> ChangesPage {
        read {
            ($0.owners[owner] ?? MemoryOwner()).changes(
                collection: collection, after: after, page: PageBounds(limit: limit, bytesMax: bytesMax),
                liveAt: moment)
        }
    }

    func firstChange(owner: OwnerID, committedAtOrAfter moment: Timestamp) -> SequenceNumber? {
        read { $0.owners[owner]?.firstChange(committedAtOrAfter: moment) }
    }

    func ownerState(_ owner: OwnerID) -> OwnerState {
        read { $0.owners[owner]?.state ?? OwnerState() }
    }

    func owners(after: OwnerID?, limit: Int) -> [OwnerEntry] {
        read { state in
            let following = state.owners.filter { owner, _ in after.map { $0 < owner } ?? true }
            let entries = following.map { OwnerEntry(owner: $0.key, state: $0.value.state) }
            return Array(entries.sorted { $0.owner < $1.owner }.prefix(limit))
        }
    }

    func collections(owner: OwnerID, liveAt moment: Timestamp) -> [CollectionCount] {
        read { state in
            (state.owners[owner]?.collections ?? [:])
                .map { name, rows in CollectionCount(collection: name, count: rows.liveRecords(at: moment).count) }
                .filter { $0.count > 0 }
                .sorted { $0.collection < $1.collection }
        }
    }

    func usage(owner: OwnerID, liveAt moment: Timestamp) -> OwnerUsage {
        read { state in
            let live = (state.owners[owner]?.collections ?? [:]).values.flatMap { $0.liveRecords(at: moment) }
            return OwnerUsage(records: live.count, valueBytes: live.reduce(0) { $0 + $1.valueBytes })
        }
    }

    func user(_ id: OwnerID) -> User? {
        read { $0.users[id] }
    }

    func users(after: OwnerID?, limit: Int) -> [User] {
        read { state in
            let following = state.users.values.filter { user in after.map { $0 < user.id } ?? true }
            return Array(following.sorted { $0.id < $1.id }.prefix(limit))
        }
    }

    func device(_ address: DeviceAddress) -> Device? {
        read { $0.devices[address.owner]?[address.id] }
    }

    func devices(of owner: OwnerID, after: DeviceID?, limit: Int) -> [Device] {
        read { state in
            let following = (state.devices[owner] ?? [:]).values.filter { device in after.map { $0 < device.id } ?? true
            }
            return Array(following.sorted { $0.id < $1.id }.prefix(limit))
        }
    }

    func devices(after: DeviceAddress?, limit: Int) -> [Device] {
        read { state in
            let all = state.devices.values.flatMap { $0.values }
            let following = all.filter { device in after.map { $0 < device.address } ?? true }
            return Array(following.sorted { $0.address < $1.address }.prefix(limit))
        }
    }

    func tokens(user: OwnerID, expiringAfter moment: Timestamp, limit: Int) -> [TokenGrant] {
        read { state in
            // Reversed first, as sorting keeps the order of equals: the later one is the newer.
            let good = state.tokens.reversed().map(\.token).filter { $0.user == user && $0.expiresAt > moment }
            return Array(good.sorted { $0.issuedAt > $1.issuedAt }.prefix(limit))
        }
    }

    func token(id: String) -> TokenGrant? {
        read { state in state.tokens.first { ExactText(stored: $0.token.id) == ExactText(stored: id) }?.token }
    }

    func tokens(afterNumber number: Int64, limit: Int) -> [NumberedToken] {
        read { Array($0.tokens.drop { $0.number <= number }.prefix(limit)) }
    }

    func revocations() -> [TokenRevocation] {
        read { Array($0.revocations.values) }
    }

    func cutoffs() -> [TokenCutoff] {
        read { Array($0.cutoffs.values) }
    }

    func storedAnswer(owner: OwnerID, key: String) -> StoredAnswer? {
        read { $0.answers[AnswerName(owner: owner, key: key)] }
    }

    func storedAnswers(owner: OwnerID, after: String?, bytesMax: Int) -> [StoredAnswer] {
        read { state in
            let all = state.answers.filter { $0.key.owner == owner }.map { (key: $0.key.key, answer: $0.value) }
            let following = all.filter { one in after.map { ExactText(stored: $0) < one.key } ?? true }
            var bytes = 0
            let page = following.sorted { $0.key < $1.key }.map(\.answer).prefix { answer in
                let isFirst = bytes == 0
                bytes += max(1, answer.body.readableBytes)
                return isFirst || bytes <= bytesMax
            }
            return Array(page)
        }
    }

    func auditEntries(after number: Int64, limit: Int) -> [AuditEntry] {
        read { Array($0.audit[$0.audit.endIndex(of: number, by: \.number)...].prefix(limit)) }
    }

    func auditEntries(before number: Int64?, limit: Int) -> [AuditEntry] {
        read { state in
            let end = number.map { state.audit.endIndex(of: $0 - 1, by: \.number) } ?? state.audit.endIndex
            return state.audit[..<end].suffix(limit).reversed()
        }
    }

    func note(_ name: String) -> String? {
        read { $0.notes[name] }
    }
}

extension Record {
    var valueBytes: Int { value?.byteCount ?? 0 }
}
