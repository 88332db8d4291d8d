internal import ApusCore

/// How much a page may hold.
struct PageBounds {
    var limit: Int
    var bytesMax: Int

    /// Whether `record` may follow `records`, whose values take `bytes`; the first always may.
    func hasRoom(for record: Record, after records: [Record], bytes: Int) -> Bool {
        records.count < limit && (records.isEmpty || bytes + record.valueBytes <= bytesMax)
    }
}

/// A collection's records, to be found by key and in key order.
struct MemoryCollection: Sendable {
    private(set) var rows: [RecordKey: StoredRecord] = [:]
    /// In byte order.
    private(set) var keys: [RecordKey] = []

    mutating func set(_ row: StoredRecord) {
        let key = row.record.address.key
        if rows.updateValue(row, forKey: key) == nil { keys.insert(key, at: keys.endIndex(of: key, by: \.self)) }
    }

    mutating func remove(_ key: RecordKey) {
        guard rows.removeValue(forKey: key) != nil else { return }
        keys.remove(at: keys.endIndex(of: key, by: \.self) - 1)
    }

    func liveRecords(at moment: Timestamp) -> [Record] {
        rows.values.map(\.record).filter { $0.isLive(at: moment) }
    }
}

/// An owner's records and its place in its own history.
struct MemoryOwner: Sendable {
    var state = OwnerState()
    private(set) var collections: [CollectionName: MemoryCollection] = [:]
    private var history: [Entry] = []
    private(set) var recordCount = 0

    /// A change; of no more use when its record has changed again.
    private struct Entry {
        var sequence: SequenceNumber
        var collection: CollectionName
        var key: RecordKey
    }

    mutating func set(_ row: StoredRecord) {
        let address = row.record.address
        if collections[address.collection]?.rows[address.key] == nil { recordCount += 1 }
        collections[address.collection, default: MemoryCollection()].set(row)
        let entry = Entry(sequence: row.record.sequence, collection: address.collection, key: address.key)
        history.insert(entry, at: history.endIndex(of: entry.sequence, by: \.sequence))
        forgetOldHistory()
    }

    mutating func remove(_ address: RecordAddress) {
        collections[address.collection]?.remove(address.key)
        recordCount -= 1
    }

    func records(
        collection: CollectionName, after: RecordKey?, page bounds: PageBounds, _ isShown: (Record) -> Bool
    ) -> RecordPage {
        var page = RecordPage(records: [], hasMore: false)
        guard let rows = collections[collection] else { return page }
        var bytes = 0
        for key in rows.keys[(after.map { rows.keys.endIndex(of: $0, by: \.self) } ?? 0)...] {
            guard let record = rows.rows[key]?.record, isShown(record) else { continue }
            guard bounds.hasRoom(for: record, after: page.records, bytes: bytes) else {
                page.hasMore = true
                break
            }
            page.records.append(record)
            bytes += record.valueBytes
        }
        return page
    }

    func changes(
        collection: CollectionName?, after: SequenceNumber, page bounds: PageBounds, liveAt moment: Timestamp
    ) -> ChangesPage {
        let reached = ChangesPosition(after: state.lastSequence, baseline: state.purgedThrough)
        var page = ChangesPage(records: [], reached: reached, hasMore: false)
        var bytes = 0
        for entry in history[history.endIndex(of: after, by: \.sequence)...] {
            guard collection == nil || entry.collection == collection else { continue }
            guard let record = current(entry), !record.isExpired(at: moment) else { continue }
            guard bounds.hasRoom(for: record, after: page.records, bytes: bytes) else {
                page.hasMore = true
                page.reached.after = page.records.last?.sequence ?? after
                break
            }
            page.records.append(record)
            bytes += record.valueBytes
        }
        return page
    }

    func firstChange(committedAtOrAfter moment: Timestamp) -> SequenceNumber? {
        history.lazy.compactMap { current($0) }.first { $0.committedAt >= moment }?.sequence
    }

    /// The record this entry tells of, unless it has changed again or is gone.
    private func current(_ entry: Entry) -> Record? {
        guard let record = collections[entry.collection]?.rows[entry.key]?.record else { return nil }
        return record.sequence == entry.sequence ? record : nil
    }

    private mutating func forgetOldHistory() {
        guard history.count > 2 * recordCount + 64 else { return }
        history = history.filter { current($0) != nil }
    }
}
