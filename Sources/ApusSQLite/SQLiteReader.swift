internal import ApusCore
internal import ApusStorageKit
internal import NIOCore

/// Reads through one connection: a read-only one of its own, or the writer's.
class SQLiteReader: StorageReader {
    let connection: Connection

    init(_ connection: Connection) {
        self.connection = connection
    }

    func snapshot<Answer>(_ body: () throws(ApusError) -> Answer) throws(ApusError) -> Answer {
        try connection.snapshot { () throws(ApusError) in
            // SQLite chooses the commit with the first read.
            _ = try note("")
            return try body()
        }
    }

    func record(at address: RecordAddress) throws(ApusError) -> Record? {
        try stored(at: address)?.record
    }

    func deletedValue(at address: RecordAddress) throws(ApusError) -> JSONText? {
        let scope = Scope(owner: address.owner, collection: address.collection)
        guard let scopeNumber = try number(of: scope) else { return nil }
        let statement = try connection.prepared(.keptValueByKey)
        defer { statement.finish() }
        statement.bind(scopeNumber, at: 1)
        statement.bind(address.key.text, at: 2)
        guard try statement.step() else { return nil }
        var value = ByteBuffer()
        statement.append(0, to: &value)
        return JSONText(validated: value)
    }

    func tombstonesWithValue(owner: OwnerID, limit: Int) throws(ApusError) -> [RecordAddress] {
        guard let ownerNumber = try number(of: owner) else { return [] }
        let statement = try connection.prepared(.keptValues)
        defer { statement.finish() }
        statement.bind(ownerNumber, at: 1)
        statement.bind(Int64(limit), at: 2)
        var addresses: [RecordAddress] = []
        while try statement.step() { addresses.append(try address(in: statement)) }
        return addresses
    }

    /// Of a row that begins with scope and key.
    func address(in row: Statement) throws(ApusError) -> RecordAddress {
        let scope = try scope(row.number(0))
        return RecordAddress(
            owner: scope.owner, collection: scope.collection, key: RecordKey(stored: row.text(1)))
    }

    func records(
        owner: OwnerID, collection: CollectionName, after: RecordKey?, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> RecordPage {
        try page(
            .recordsInKeyOrder, of: Scope(owner: owner, collection: collection), after: after, limit: limit,
            bytesMax: bytesMax, liveAt: moment)
    }

    func recordsAndTombstones(
        owner: OwnerID, collection: CollectionName, after: RecordKey?, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> RecordPage {
        try page(
            .rowsInKeyOrder, of: Scope(owner: owner, collection: collection), after: after, limit: limit,
            bytesMax: bytesMax, liveAt: moment)
    }

    private func page(
        _ query: Query, of scope: Scope, after: RecordKey?, limit: Int, bytesMax: Int, liveAt moment: Timestamp
    ) throws(ApusError) -> RecordPage {
        guard let scopeNumber = try number(of: scope) else { return RecordPage(records: [], hasMore: false) }
        let statement = try connection.prepared(query)
        defer { statement.finish() }
        statement.bind(scopeNumber, at: 1)
        statement.bind(after?.text ?? "", at: 2)
        statement.bind(moment, at: 3)
        var rows = RecordRows()
        var hasMore = false
        while try statement.step() {
            guard rows.count < limit, rows.hasRoom(for: statement, bytesMax: bytesMax) else {
                hasMore = true
                break
            }
            rows.add(statement, scope: scope)
        }
        return RecordPage(records: rows.finished(), hasMore: hasMore)
    }

    func changes(
        owner: OwnerID, collection: CollectionName?, after: SequenceNumber, limit: Int, bytesMax: Int,
        liveAt moment: Timestamp
    ) throws(ApusError) -> ChangesPage {
        try connection.snapshot { () throws(ApusError) in
            let row = try ownerRow(owner)
            let state = row?.state ?? OwnerState()
            var page = ChangesPage(
                records: [], reached: ChangesPosition(after: state.lastSequence, baseline: state.purgedThrough),
                hasMore: false)
            guard let row else { return page }
            let query: Query = collection == nil ? .changesOfOwner : .changesOfScope
            let statement = try connection.prepared(query)
            defer { statement.finish() }
            statement.bind(row.number, at: 1)
            statement.bind(after.rawValue, at: 2)
            statement.bind(moment, at: 3)
            if let collection {
                let scope = Scope(owner: owner, collection: collection)
                guard let scopeNumber = try number(of: scope) else { return page }
                statement.bind(scopeNumber, at: 4)
            }
            var rows = RecordRows()
            while try statement.step() {
                guard rows.count < limit, rows.hasRoom(for: statement, bytesMax: bytesMax) else {
                    page.hasMore = true
                    page.reached.after = rows.lastSequence ?? after
                    break
                }
                rows.add(statement, scope: try scope(RecordRows.scopeNumber(in: statement)))
            }
            page.records = rows.finished()
            return page
        }
    }

    /// Searches the changes by halves: `committedAt` never falls as the change number rises.
    func firstChange(owner: OwnerID, committedAtOrAfter moment: Timestamp) throws(ApusError) -> SequenceNumber? {
        try connection.snapshot { () throws(ApusError) in
            guard let row = try ownerRow(owner), let newest = try newestChange(of: row.number) else { return nil }
            var found: SequenceNumber?
            var low: Int64 = 0
            var high = newest
            while low <= high {
                let middle = low + (high - low) / 2
                // There is one: `middle` is not above the newest.
                guard let change = try change(of: row.number, from: middle) else { return found }
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

    func ownerState(_ owner: OwnerID) throws(ApusError) -> OwnerState {
        try ownerRow(owner)?.state ?? OwnerState()
    }

    func owners(after: OwnerID?, limit: Int) throws(ApusError) -> [OwnerEntry] {
        let statement = try connection.prepared(.ownersAfter)
        defer { statement.finish() }
        statement.bind(after?.text ?? "", at: 1)
        statement.bind(Int64(limit), at: 2)
        var owners: [OwnerEntry] = []
        while try statement.step() {
            owners.append(OwnerEntry(owner: OwnerID(stored: statement.text(4)), state: ownerState(in: statement)))
        }
        return owners
    }

    func collections(owner: OwnerID, liveAt moment: Timestamp) throws(ApusError) -> [CollectionCount] {
        guard let ownerNumber = try number(of: owner) else { return [] }
        let statement = try connection.prepared(.collections)
        defer { statement.finish() }
        statement.bind(ownerNumber, at: 1)
        statement.bind(moment, at: 2)
        var counts: [CollectionCount] = []
        while try statement.step() {
            let collection = CollectionName(stored: statement.text(0))
            counts.append(CollectionCount(collection: collection, count: Int(statement.number(1))))
        }
        return counts
    }

    func totals(liveAt moment: Timestamp) throws(ApusError) -> StorageTotals {
        let statement = try connection.prepared(.totals)
        defer { statement.finish() }
        statement.bind(moment, at: 1)
        _ = try statement.step()
        let counts = (0..<6).map { Int(statement.number($0)) }
        return StorageTotals(
            users: counts[0], records: counts[1] - counts[2] - counts[3], tombstones: counts[2], devices: counts[4],
            revocations: counts[5])
    }

    func usage(owner: OwnerID, liveAt moment: Timestamp) throws(ApusError) -> OwnerUsage {
        guard let ownerNumber = try number(of: owner) else { return OwnerUsage(records: 0, valueBytes: 0) }
        let statement = try connection.prepared(.usage)
        defer { statement.finish() }
        statement.bind(ownerNumber, at: 1)
        statement.bind(moment, at: 2)
        _ = try statement.step()
        return OwnerUsage(records: Int(statement.number(0)), valueBytes: Int(statement.number(1)))
    }
}

// MARK: - Rows behind the answers

extension SQLiteReader {
    func stored(at address: RecordAddress, valueBytesMax: Int = .max) throws(ApusError) -> StoredRecord? {
        let scope = Scope(owner: address.owner, collection: address.collection)
        guard let scopeNumber = try number(of: scope) else { return nil }
        let statement = try connection.prepared(.recordByKey)
        defer { statement.finish() }
        statement.bind(scopeNumber, at: 1)
        statement.bind(address.key.text, at: 2)
        guard try statement.step() else { return nil }
        var rows = RecordRows()
        rows.add(statement, scope: scope, key: address.key, valueBytesMax: valueBytesMax)
        return rows.finished().first.map {
            StoredRecord(record: $0, locator: RecordRows.locator(in: statement))
        }
    }

    func ownerRow(_ owner: OwnerID) throws(ApusError) -> (number: Int64, state: OwnerState)? {
        let statement = try connection.prepared(.ownerByName)
        defer { statement.finish() }
        statement.bind(owner.text, at: 1)
        guard try statement.step() else { return nil }
        return (statement.number(0), ownerState(in: statement))
    }

    private func ownerState(in row: Statement) -> OwnerState {
        var state = OwnerState()
        state.lastSequence = SequenceNumber(row.number(1))
        state.lastCommittedAt = row.moment(2)
        state.purgedThrough = SequenceNumber(row.number(3))
        return state
    }

    /// The number that stands for the owner; `nil` for one that was never written.
    func number(of owner: OwnerID) throws(ApusError) -> Int64? {
        if let known = connection.names.number(of: owner) { return known }
        guard let row = try ownerRow(owner) else { return nil }
        connection.names.remember(row.number, of: owner)
        return row.number
    }

    /// The number that stands for the scope; `nil` for one that was never written.
    func number(of scope: Scope) throws(ApusError) -> Int64? {
        if let known = connection.names.number(of: scope) { return known }
        guard let ownerNumber = try number(of: scope.owner) else { return nil }
        let statement = try connection.prepared(.scopeByName)
        defer { statement.finish() }
        statement.bind(ownerNumber, at: 1)
        statement.bind(scope.collection.text, at: 2)
        guard try statement.step() else { return nil }
        let number = statement.number(0)
        connection.names.remember(number, of: scope)
        return number
    }

    /// What a number in a row stands for.
    func scope(_ number: Int64) throws(ApusError) -> Scope {
        if let known = connection.names.scope(number) { return known }
        let statement = try connection.prepared(.scopeByNumber)
        defer { statement.finish() }
        statement.bind(number, at: 1)
        guard try statement.step() else {
            throw .storageUnavailable(cause: "a record belongs to scope \(number), which does not exist")
        }
        let scope = Scope(
            owner: OwnerID(stored: statement.text(0)), collection: CollectionName(stored: statement.text(1)))
        connection.names.remember(number, of: scope)
        return scope
    }

    private func newestChange(of owner: Int64) throws(ApusError) -> Int64? {
        let statement = try connection.prepared(.newestChange)
        defer { statement.finish() }
        statement.bind(owner, at: 1)
        return try statement.step() ? statement.number(0) : nil
    }

    private func change(
        of owner: Int64, from sequence: Int64
    ) throws(ApusError) -> (sequence: SequenceNumber, committedAt: Timestamp)? {
        let statement = try connection.prepared(.firstChangeFrom)
        defer { statement.finish() }
        statement.bind(owner, at: 1)
        statement.bind(sequence, at: 2)
        return try statement.step() ? (SequenceNumber(statement.number(0)), statement.moment(1)) : nil
    }
}
