internal import ApusCore
internal import ApusStorageKit
internal import NIOCore

/// What may be done between the beginning and the commit of a transaction.
final class LMDBTransaction: LMDBReader, StorageTransaction {
    /// The rows that were given out with a locator, which is their place in here.
    private var located: [RecordRow] = []

    func begin(_ view: View) {
        current = view
    }

    /// - Parameter isCommitted: whether the names that were made are there to stay.
    func end(isCommitted: Bool) {
        current = nil
        located.removeAll(keepingCapacity: true)
        if !isCommitted { names.forgetAll() }
    }

    private func locator(of row: RecordRow) -> Int64 {
        located.append(row)
        return Int64(located.count - 1)
    }

    func stored(_ addresses: [RecordAddress], valueBytesMax: Int) throws(ApusError) -> [StoredRecord?] {
        try view { view throws(ApusError) in
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
        let scope = Scope(owner: address.owner, collection: address.collection)
        guard let number = try number(of: scope, in: view),
            let bytes = try view.value(in: .records, at: keys.begin().add(number).add(address.key.text))
        else { return nil }
        let row = try RecordRow(bytes)
        var record = row.record(at: address)
        let value = RecordRow.value(in: bytes)
        if row.hasValue, value.count <= valueBytesMax { record.value = JSONText(validated: ByteBuffer(bytes: value)) }
        return StoredRecord(record: record, locator: locator(of: row))
    }

    func expired(at moment: Timestamp, limit: Int) throws(ApusError) -> [RecordAddress] {
        try view { view throws(ApusError) in
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
        try view { view throws(ApusError) in
            var tombstones: [StoredRecord] = []
            try view.scan(.tombstones, from: nil) { key, place throws(ApusError) in
                guard tombstones.count < limit, key.keyNumber64(at: 0) < moment.milliseconds else { return false }
                let row = try RecordRow(try value(at: place, in: view))
                let record = row.record(at: try address(place, in: view))
                tombstones.append(StoredRecord(record: record, locator: locator(of: row)))
                return true
            }
            return tombstones
        }
    }

    func apply(_ batch: CommitBatch) throws(ApusError) {
        try view { view throws(ApusError) in
            for write in batch.records { try apply(write, in: view) }
            for purge in batch.purges { try self.purge(purge, in: view) }
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
        let scope = Scope(owner: record.address.owner, collection: record.address.collection)
        let owner = try makeNumber(of: scope.owner, in: view)
        let number = try makeNumber(of: scope, in: view)
        if let locator = write.replacing {
            precondition(located.indices.contains(Int(locator)), "a locator must be one of this transaction's")
            try forgetPlaces(of: located[Int(locator)], owner: owner, in: view)
        }
        let row = RecordRow(record)
        let valueBytes = record.value?.byteCount ?? 0
        let key = keys.begin().add(number).add(record.address.key.text)
        // The key is the value of the index entries; the buffer is needed for theirs.
        let place = Array(key.text)
        try view.put(.records, at: key, byteCount: RecordRow.headBytes + valueBytes) {
            row.write(to: $0, value: record.value?.bytes)
        }
        try place.withBytes { place throws(ApusError) in
            try view.put(.changes, at: keys.begin().add(owner).add(row.sequence), place)
            if let index = row.index { try view.put(index, at: keys.begin().add(row, in: index, owner: owner), place) }
        }
    }

    private func purge(_ purge: StoredRecord, in view: View) throws(ApusError) {
        let address = purge.record.address
        guard let owner = try number(of: address.owner, in: view),
            let scope = try number(of: Scope(owner: address.owner, collection: address.collection), in: view),
            try view.remove(.records, at: keys.begin().add(scope).add(address.key.text))
        else { return }
        try forgetPlaces(of: RecordRow(purge.record), owner: owner, in: view)
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
    func makeNumber(of owner: OwnerID, in view: View) throws(ApusError) -> UInt32 {
        if let known = try number(of: owner, in: view) { return known }
        let number = try nextNumber(UInt32(truncatingIfNeeded: view.count(.owners)))
        try put(OwnerRow(number: number, state: OwnerState()), of: owner, in: view)
        names.remember(Int64(number), of: owner)
        return number
    }

    private func makeNumber(of scope: Scope, in view: View) throws(ApusError) -> UInt32 {
        if let known = try number(of: scope, in: view) { return known }
        let owner = try makeNumber(of: scope.owner, in: view)
        let number = try nextNumber(UInt32(truncatingIfNeeded: view.count(.scopes)))
        try view.put(.scopes, at: keys.begin().add(owner).add(scope.collection.text), byteCount: 4) {
            $0.storeBytes(of: number.bigEndian, as: UInt32.self)
        }
        var row = RowWriter()
        row.add(scope.owner.text)
        row.add(scope.collection.text)
        try row.put(.names, at: keys.begin().add(number), in: view)
        names.remember(Int64(number), of: scope)
        return number
    }

    /// Owners and scopes are never removed, so that their count is the last number given out.
    private func nextNumber(_ count: UInt32) throws(ApusError) -> UInt32 {
        guard count < UInt32.max else { throw .storageFull(cause: "there are no more numbers for names") }
        return count + 1
    }

    private func put(_ row: OwnerRow, of owner: OwnerID, in view: View) throws(ApusError) {
        try view.put(.owners, at: keys.begin().add(owner.text), byteCount: OwnerRow.byteCount) { target in
            target.storeBytes(of: row.number.bigEndian, as: UInt32.self)
            let numbers = [
                row.state.lastSequence.rawValue, row.state.lastCommittedAt.milliseconds,
                row.state.purgedThrough.rawValue,
            ]
            for (index, number) in numbers.enumerated() {
                let flipped = UInt64(bitPattern: number) ^ (1 << 63)
                target.storeBytes(of: flipped.bigEndian, toByteOffset: 4 + 8 * index, as: UInt64.self)
            }
        }
    }
}
