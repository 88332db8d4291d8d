internal import ApusCore
internal import ApusStorageKit
internal import NIOCore

/// What may be done between the beginning and the commit of a transaction.
final class LMDBTransaction: LMDBReader, StorageTransaction {
    private let cursors = WriteCursors()
    /// For the key of a record, which is the value of the index entries, beside ``keys`` for theirs.
    private let places = KeyBuffer()
    /// The scope that was written to last: the next row is likely to be of it, too.
    private var latest: (scope: Scope, owner: UInt32, number: UInt32)?
    private var hasMadeNames = false
    private var latestLocator: Int64 = 0

    func begin(_ transaction: OpaquePointer) {
        current = View(transaction: transaction, environment: environment, writing: cursors)
    }

    /// - Parameter isCommitted: whether what was made is there to stay.
    func end(isCommitted: Bool) {
        current = nil
        cursors.forgetAll()
        if !isCommitted, hasMadeNames {
            names.forgetAll()
            latest = nil
        }
        hasMadeNames = false
    }

    /// Rows are found again by their addresses, so that a locator only has to be one of its own.
    private func nextLocator() -> Int64 {
        latestLocator += 1
        return latestLocator
    }

    private func writing<Answer>(_ body: (View) throws(ApusError) -> Answer) throws(ApusError) -> Answer {
        guard let current else { preconditionFailure("the transaction is over") }
        return try body(current)
    }

    func stored(_ addresses: [RecordAddress], valueBytesMax: Int) throws(ApusError) -> [StoredRecord?] {
        try writing { view throws(ApusError) in
            var bytesLeft = valueBytesMax
            var stored: [StoredRecord?] = []
            stored.reserveCapacity(addresses.count)
            for address in addresses {
                let found = try self.stored(at: address, valueBytesMax: bytesLeft, in: view)
                bytesLeft -= found?.record.value?.byteCount ?? 0
                stored.append(found)
            }
            return stored
        }
    }

    private func stored(
        at address: RecordAddress, valueBytesMax: Int, in view: View
    ) throws(ApusError) -> StoredRecord? {
        guard let bytes = try row(at: address, in: view) else { return nil }
        let row = try RecordRow(bytes)
        let record = row.record(at: address, value: bytes, valueBytesMax: valueBytesMax)
        return StoredRecord(record: record, locator: nextLocator())
    }

    func expired(at moment: Timestamp, limit: Int) throws(ApusError) -> [RecordAddress] {
        try writing { view throws(ApusError) in
            var addresses: [RecordAddress] = []
            try view.scan(.ends, from: nil) { key, place throws(ApusError) in
                guard addresses.count < limit, key.keyNumber64(at: 0) <= moment.milliseconds else { return false }
                addresses.append(try address(place, in: view))
                return true
            }
            return addresses
        }
    }

    func tombstones(committedBefore moment: Timestamp, limit: Int) throws(ApusError) -> [StoredRecord] {
        try writing { view throws(ApusError) in
            var tombstones: [StoredRecord] = []
            try view.scan(.tombstones, from: nil) { key, place throws(ApusError) in
                guard tombstones.count < limit, key.keyNumber64(at: 0) < moment.milliseconds else { return false }
                let row = try RecordRow(try value(at: place, in: view))
                let record = row.record(at: try address(place, in: view))
                tombstones.append(StoredRecord(record: record, locator: nextLocator()))
                return true
            }
            return tombstones
        }
    }

    func apply(_ batch: CommitBatch) throws(ApusError) {
        try writing { view throws(ApusError) in
            for write in batch.records { try apply(write, in: view) }
            for purge in batch.purges { try self.purge(purge, in: view) }
            for address in batch.forgottenValues { try forgetValue(at: address, in: view) }
            for (owner, state) in batch.owners {
                try put(OwnerRow(number: makeNumber(of: owner, in: view), state: state), of: owner, in: view)
            }
            try AccountWrites(of: self, in: view).apply(batch)
        }
    }
}

// MARK: - Records

extension LMDBTransaction {
    private func apply(_ write: CommitBatch.RecordWrite, in view: View) throws(ApusError) {
        let record = write.record
        let (owner, scope) = try numbers(
            of: Scope(owner: record.address.owner, collection: record.address.collection), in: view)
        let key = places.begin().add(scope).add(record.address.key.text)
        var value = record.value
        if case .given(let given) = write.kept { value = given }
        if write.replacing != nil {
            guard let bytes = try view.value(in: .records, at: key) else {
                preconditionFailure("a locator must be one of this transaction's")
            }
            let former = try RecordRow(bytes)
            // Taken out now: the memory it lies in is written to next.
            if write.kept == .ofReplaced { value = former.anyValue(in: bytes) }
            try forgetPlaces(of: former, owner: owner, in: view)
        }
        let row = RecordRow(record, hasValue: value != nil)
        try put(row, value, at: key, in: view)
        try view.put(.changes, at: keys.begin().add(owner).add(row.sequence), key.bytes)
        if let index = row.index { try view.put(index, at: keys.begin().add(row, in: index, owner: owner), key.bytes) }
    }

    private func put(_ row: RecordRow, _ value: JSONText?, at key: KeyBuffer, in view: View) throws(ApusError) {
        try view.put(.records, at: key, byteCount: RecordRow.headBytes + (value?.byteCount ?? 0)) {
            row.write(to: $0, value: value?.bytes)
        }
    }

    private func forgetValue(at address: RecordAddress, in view: View) throws(ApusError) {
        let scope = Scope(owner: address.owner, collection: address.collection)
        guard let number = try number(of: scope, in: view) else { return }
        let key = places.begin().add(number).add(address.key.text)
        guard let bytes = try view.value(in: .records, at: key) else { return }
        var row = try RecordRow(bytes)
        guard row.hasValue, row.deletedAt != nil else { return }
        row.hasValue = false
        try put(row, nil, at: key, in: view)
    }

    private func purge(_ purge: StoredRecord, in view: View) throws(ApusError) {
        let address = purge.record.address
        let (owner, scope) = try numbers(of: Scope(owner: address.owner, collection: address.collection), in: view)
        let key = places.begin().add(scope).add(address.key.text)
        guard let former = try view.value(in: .records, at: key) else { return }
        try forgetPlaces(of: RecordRow(former), owner: owner, in: view)
        try view.remove(.records, at: key)
    }

    private func forgetPlaces(of row: RecordRow, owner: UInt32, in view: View) throws(ApusError) {
        try view.remove(.changes, at: keys.begin().add(owner).add(row.sequence))
        if let index = row.index { try view.remove(index, at: keys.begin().add(row, in: index, owner: owner)) }
    }
}

extension RecordRow {
    /// Beside ``Table/changes``, where the record stands.
    var index: Table? {
        if deletedAt != nil { return .tombstones }
        return expiresAt == nil ? nil : .ends
    }
}

extension KeyBuffer {
    func add(_ row: RecordRow, in index: Table, owner: UInt32) -> KeyBuffer {
        let moment = index == .ends ? row.expiresAt ?? row.committedAt : row.committedAt
        return add(moment).add(owner).add(row.sequence)
    }
}

// MARK: - Names

extension LMDBTransaction {
    /// The numbers of an owner and its collection, made if they are new.
    private func numbers(of scope: Scope, in view: View) throws(ApusError) -> (owner: UInt32, scope: UInt32) {
        if let latest, latest.scope == scope { return (latest.owner, latest.number) }
        let owner = try makeNumber(of: scope.owner, in: view)
        let number = try makeNumber(of: scope, in: view)
        latest = (scope, owner, number)
        return (owner, number)
    }

    func makeNumber(of owner: OwnerID, in view: View) throws(ApusError) -> UInt32 {
        if let known = try number(of: owner, in: view) { return known }
        let number = try nextNumber(view.count(.owners))
        try put(OwnerRow(number: number, state: OwnerState()), of: owner, in: view)
        names.remember(Int64(number), of: owner)
        return number
    }

    private func makeNumber(of scope: Scope, in view: View) throws(ApusError) -> UInt32 {
        if let known = try number(of: scope, in: view) { return known }
        let owner = try makeNumber(of: scope.owner, in: view)
        let number = try nextNumber(view.count(.scopes))
        try view.put(.scopes, at: keys.begin().add(owner).add(scope.collection.text), byteCount: 4) {
            $0.storeKeyNumber(number)
        }
        var row = RowWriter()
        row.add(scope.owner.text)
        row.add(scope.collection.text)
        try row.put(.names, at: keys.begin().add(number), in: view)
        names.remember(Int64(number), of: scope)
        return number
    }

    /// Owners and scopes are never removed, so that their count is the last number given out.
    private func nextNumber(_ count: Int) throws(ApusError) -> UInt32 {
        guard let number = UInt32(exactly: count + 1) else {
            throw .storageFull(cause: "there are no more numbers for names")
        }
        hasMadeNames = true
        return number
    }

    private func put(_ row: OwnerRow, of owner: OwnerID, in view: View) throws(ApusError) {
        try view.put(.owners, at: keys.begin().add(owner.text), byteCount: OwnerRow.byteCount) { target in
            target.storeKeyNumber(row.number)
            target.storeKeyNumber(row.state.lastSequence.rawValue, at: 4)
            target.storeKeyNumber(row.state.lastCommittedAt.milliseconds, at: 12)
            target.storeKeyNumber(row.state.purgedThrough.rawValue, at: 20)
        }
    }
}
