internal import ApusCore
internal import ApusStorageKit
internal import CLMDB
internal import NIOCore

/// Reads through a transaction that is renewed for each call: one that is held keeps what is replaced from being used
/// again, and the file grows.
class LMDBReader: StorageReader {
    let environment: Environment
    let keys = KeyBuffer()
    var names = NameCache()
    /// What is being read through.
    var current: View?
    private var idle: OpaquePointer?

    init(_ environment: Environment) {
        self.environment = environment
    }

    deinit {
        mdb_txn_abort(idle)
    }

    /// Runs `body` on one commit's state.
    final func view<Answer>(_ body: (View) throws(ApusError) -> Answer) throws(ApusError) -> Answer {
        if let current { return try body(current) }
        let transaction = try renewed()
        let view = View(transaction: transaction, environment: environment)
        current = view
        defer {
            current = nil
            mdb_txn_reset(transaction)
        }
        return try body(view)
    }

    private func renewed() throws(ApusError) -> OpaquePointer {
        guard let idle else {
            let begun = try environment.begin(isReadOnly: true)
            idle = begun
            return begun
        }
        let code = mdb_txn_renew(idle)
        guard code == MDB_SUCCESS else { throw Environment.failure(code) }
        return idle
    }

    func snapshot<Answer>(_ body: () throws(ApusError) -> Answer) throws(ApusError) -> Answer {
        try view { _ throws(ApusError) in try body() }
    }

    func record(at address: RecordAddress) throws(ApusError) -> Record? {
        try view { view throws(ApusError) in
            guard let bytes = try row(at: address, in: view) else { return nil }
            return try RecordRow(bytes).record(at: address, value: bytes)
        }
    }

    func deletedValue(at address: RecordAddress) throws(ApusError) -> JSONText? {
        try view { view throws(ApusError) in
            guard let bytes = try row(at: address, in: view) else { return nil }
            return try RecordRow(bytes).keptValue(in: bytes)
        }
    }

    /// The whole row; memory of LMDB's.
    func row(at address: RecordAddress, in view: View) throws(ApusError) -> UnsafeRawBufferPointer? {
        let scope = Scope(owner: address.owner, collection: address.collection)
        guard let number = try number(of: scope, in: view) else { return nil }
        return try view.value(in: .records, at: keys.begin().add(number).add(address.key.text))
    }

    func tombstonesWithValue(owner: OwnerID, limit: Int) throws(ApusError) -> [RecordAddress] {
        try view { view throws(ApusError) in
            guard let owner = try number(of: owner, in: view) else { return [] }
            var addresses: [RecordAddress] = []
            try view.scan(.changes, prefix: keys.begin().add(owner)) { _, place throws(ApusError) in
                guard addresses.count < limit else { return false }
                let row = try RecordRow(try value(at: place, in: view))
                if row.hasValue, row.deletedAt != nil { addresses.append(try address(place, in: view)) }
                return true
            }
            return addresses
        }
    }

    func records(
        owner: OwnerID, collection: CollectionName, after: RecordKey?, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> RecordPage {
        let scope = Scope(owner: owner, collection: collection)
        return try page(of: scope, after: after, limit: limit, bytesMax: bytesMax) { $0.isLive(at: moment) }
    }

    func recordsAndTombstones(
        owner: OwnerID, collection: CollectionName, after: RecordKey?, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> RecordPage {
        let scope = Scope(owner: owner, collection: collection)
        return try page(of: scope, after: after, limit: limit, bytesMax: bytesMax) { !$0.isExpired(at: moment) }
    }

    private func page(
        of scope: Scope, after: RecordKey?, limit: Int, bytesMax: Int, _ isShown: (RecordRow) -> Bool
    ) throws(ApusError) -> RecordPage {
        try view { view throws(ApusError) in
            var page = RecordPage(records: [], hasMore: false)
            guard let number = try number(of: scope, in: view) else { return page }
            var rows = RecordRows()
            let first = keys.begin().add(number).add(after?.text ?? "")
            // The next text in byte order is the same with a zero byte behind it.
            let start = after == nil ? first : first.add(byte: 0)
            try view.scan(.records, from: start) { key, value throws(ApusError) in
                guard key.keyNumber32(at: 0) == number else { return false }
                let row = try RecordRow(value)
                guard isShown(row) else { return true }
                guard rows.count < limit, rows.hasRoom(for: row, value, bytesMax: bytesMax) else {
                    page.hasMore = true
                    return false
                }
                let address = RecordAddress(
                    owner: scope.owner, collection: scope.collection, key: RecordKey(stored: key.text(from: 4)))
                rows.add(row, value, at: address)
                return true
            }
            page.records = rows.finished()
            return page
        }
    }

    func changes(
        owner: OwnerID, collection: CollectionName?, after: SequenceNumber, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> ChangesPage {
        try view { view throws(ApusError) in
            let row = try ownerRow(owner, in: view)
            let state = row?.state ?? OwnerState()
            var page = ChangesPage(
                records: [], reached: ChangesPosition(after: state.lastSequence, baseline: state.purgedThrough),
                hasMore: false)
            guard let row else { return page }
            var only: UInt32?
            if let collection {
                only = try number(of: Scope(owner: owner, collection: collection), in: view)
                if only == nil { return page }
            }
            var rows = RecordRows()
            let start = keys.begin().add(row.number).add(after.rawValue).add(byte: 0)
            try view.scan(.changes, from: start) { key, place throws(ApusError) in
                guard key.keyNumber32(at: 0) == row.number else { return false }
                guard only == nil || place.keyNumber32(at: 0) == only else { return true }
                let value = try self.value(at: place, in: view)
                let record = try RecordRow(value)
                guard !record.isExpired(at: moment) else { return true }
                guard rows.count < limit, rows.hasRoom(for: record, value, bytesMax: bytesMax) else {
                    page.hasMore = true
                    page.reached.after = rows.lastSequence ?? after
                    return false
                }
                rows.add(record, value, at: try address(place, in: view))
                return true
            }
            page.records = rows.finished()
            return page
        }
    }

    /// Searches the changes by halves: `committedAt` never falls as the change number rises.
    func firstChange(owner: OwnerID, committedAtOrAfter moment: Timestamp) throws(ApusError) -> SequenceNumber? {
        try view { view throws(ApusError) in
            guard let row = try ownerRow(owner, in: view) else { return nil }
            var found: SequenceNumber?
            var low: Int64 = 0
            var high = row.state.lastSequence.rawValue
            while low <= high {
                let middle = low + (high - low) / 2
                guard let change = try firstRow(of: row.number, from: middle, in: view) else {
                    // Nothing changed last at or above the middle.
                    high = middle - 1
                    continue
                }
                if change.committedAt >= moment {
                    found = change.sequence
                    high = middle - 1
                } else {
                    low = change.sequence.rawValue + 1
                }
            }
            return found
        }
    }

    private func firstRow(of owner: UInt32, from sequence: Int64, in view: View) throws(ApusError) -> RecordRow? {
        var found: RecordRow?
        try view.scan(.changes, from: keys.begin().add(owner).add(sequence)) { key, place throws(ApusError) in
            if key.keyNumber32(at: 0) == owner { found = try RecordRow(try value(at: place, in: view)) }
            return false
        }
        return found
    }

    func ownerState(_ owner: OwnerID) throws(ApusError) -> OwnerState {
        try view { view throws(ApusError) in try ownerRow(owner, in: view)?.state ?? OwnerState() }
    }

    func owners(after: OwnerID?, limit: Int) throws(ApusError) -> [OwnerEntry] {
        try view { view throws(ApusError) in
            var owners: [OwnerEntry] = []
            let start = after.map { keys.begin().add($0.text).add(byte: 0) }
            try view.scan(.owners, from: start) { key, value throws(ApusError) in
                guard owners.count < limit else { return false }
                owners.append(OwnerEntry(owner: OwnerID(stored: key.text(from: 0)), state: try OwnerRow(value).state))
                return true
            }
            return owners
        }
    }

    func collections(owner: OwnerID, liveAt moment: Timestamp) throws(ApusError) -> [CollectionCount] {
        var counts: [CollectionCount] = []
        try eachScope(of: owner) { view, number, collection throws(ApusError) in
            var count = 0
            try eachLive(in: number, at: moment, view) { _ in count += 1 }
            if count > 0 { counts.append(CollectionCount(collection: collection, count: count)) }
        }
        return counts
    }

    func usage(owner: OwnerID, liveAt moment: Timestamp) throws(ApusError) -> OwnerUsage {
        var usage = OwnerUsage(records: 0, valueBytes: 0)
        try eachScope(of: owner) { view, number, _ throws(ApusError) in
            try eachLive(in: number, at: moment, view) { row in
                usage.records += 1
                usage.valueBytes += row.count - RecordRow.headBytes
            }
        }
        return usage
    }

    func totals(liveAt moment: Timestamp) throws(ApusError) -> StorageTotals {
        try view { view throws(ApusError) in
            var expired = 0
            try view.scan(.ends, from: nil) { key, _ throws(ApusError) in
                guard key.keyNumber64(at: 0) <= moment.milliseconds else { return false }
                expired += 1
                return true
            }
            let tombstones = try view.count(.tombstones)
            return StorageTotals(
                users: try view.count(.users), records: try view.count(.records) - tombstones - expired,
                tombstones: tombstones, devices: try view.count(.devices), revocations: try view.count(.revocations))
        }
    }

    private func eachScope(
        of owner: OwnerID, _ body: (View, UInt32, CollectionName) throws(ApusError) -> Void
    ) throws(ApusError) {
        try view { view throws(ApusError) in
            guard let owner = try number(of: owner, in: view) else { return }
            try view.scan(.scopes, prefix: keys.begin().add(owner)) { key, value throws(ApusError) in
                try body(view, value.keyNumber32(at: 0), CollectionName(stored: key.text(from: 4)))
                return true
            }
        }
    }

    private func eachLive(
        in scope: UInt32, at moment: Timestamp, _ view: View, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(ApusError) {
        try view.scan(.records, prefix: keys.begin().add(scope)) { _, row throws(ApusError) in
            if try RecordRow(row).isLive(at: moment) { body(row) }
            return true
        }
    }
}

extension RecordRows {
    func hasRoom(for row: RecordRow, _ bytes: UnsafeRawBufferPointer, bytesMax: Int) -> Bool {
        hasRoom(forValueBytes: row.value(in: bytes)?.count ?? 0, bytesMax: bytesMax)
    }

    /// Takes a whole row; its value unless it is longer than `valueBytesMax`.
    mutating func add(
        _ row: RecordRow, _ bytes: UnsafeRawBufferPointer, at address: RecordAddress, valueBytesMax: Int = .max
    ) {
        let value = row.value(in: bytes).flatMap { $0.count <= valueBytesMax ? $0 : nil }
        add(row.record(at: address), appendValue: value.map { value in { _ = $0.writeBytes(value) } })
    }
}
