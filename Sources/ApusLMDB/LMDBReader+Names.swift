internal import ApusCore
internal import ApusStorageKit

/// What is stored under an owner's name.
struct OwnerRow {
    static let byteCount = 28

    var number: UInt32
    var state: OwnerState

    init(number: UInt32, state: OwnerState) {
        self.number = number
        self.state = state
    }

    init(_ bytes: UnsafeRawBufferPointer) throws(ApusError) {
        guard bytes.count == Self.byteCount else { throw .storageUnavailable(cause: "an owner's row is not whole") }
        number = bytes.keyNumber32(at: 0)
        state = OwnerState()
        state.lastSequence = SequenceNumber(bytes.keyNumber64(at: 4))
        state.lastCommittedAt = Timestamp(milliseconds: bytes.keyNumber64(at: 12))
        state.purgedThrough = SequenceNumber(bytes.keyNumber64(at: 20))
    }
}

extension LMDBReader {
    func ownerRow(_ owner: OwnerID, in view: View) throws(ApusError) -> OwnerRow? {
        guard let bytes = try view.value(in: .owners, at: keys.begin().add(owner.text)) else { return nil }
        return try OwnerRow(bytes)
    }

    /// The number that stands for the owner; `nil` for one that was never written.
    func number(of owner: OwnerID, in view: View) throws(ApusError) -> UInt32? {
        if let known = names.number(of: owner) { return UInt32(truncatingIfNeeded: known) }
        guard let row = try ownerRow(owner, in: view) else { return nil }
        names.remember(Int64(row.number), of: owner)
        return row.number
    }

    /// The number that stands for the scope; `nil` for one that was never written.
    func number(of scope: Scope, in view: View) throws(ApusError) -> UInt32? {
        if let known = names.number(of: scope) { return UInt32(truncatingIfNeeded: known) }
        guard let owner = try number(of: scope.owner, in: view),
            let bytes = try view.value(in: .scopes, at: keys.begin().add(owner).add(scope.collection.text))
        else { return nil }
        guard bytes.count == 4 else { throw .storageUnavailable(cause: "a collection's row is not whole") }
        let number = bytes.keyNumber32(at: 0)
        names.remember(Int64(number), of: scope)
        return number
    }

    /// What a scope's number stands for.
    func scope(_ number: UInt32, in view: View) throws(ApusError) -> Scope {
        if let known = names.scope(Int64(number)) { return known }
        guard let bytes = try view.value(in: .names, at: keys.begin().add(number)) else {
            throw .storageUnavailable(cause: "a record belongs to scope \(number), which does not exist")
        }
        var row = RowReader(bytes)
        let scope = Scope(owner: OwnerID(stored: try row.text()), collection: CollectionName(stored: try row.text()))
        names.remember(Int64(number), of: scope)
        return scope
    }

    /// Where a record lives whose scope's number and key stand in `place`.
    func address(_ place: UnsafeRawBufferPointer, in view: View) throws(ApusError) -> RecordAddress {
        guard place.count > 4 else { throw .storageUnavailable(cause: "an index entry is not whole") }
        let scope = try scope(place.keyNumber32(at: 0), in: view)
        return RecordAddress(
            owner: scope.owner, collection: scope.collection, key: RecordKey(stored: place.text(from: 4)))
    }

    /// The whole row of the record whose scope's number and key stand in `place`.
    func value(at place: UnsafeRawBufferPointer, in view: View) throws(ApusError) -> UnsafeRawBufferPointer {
        guard let value = try view.value(in: .records, at: keys.begin().add(place)) else {
            throw .storageUnavailable(cause: "an index entry leads to no record")
        }
        return value
    }
}
