internal import ApusCore
internal import ApusStorageKit

extension RecordRows {
    static func locator(in row: Statement) -> Int64 { row.number(0) }

    static func scopeNumber(in row: Statement) -> Int64 { row.number(1) }

    /// Whether the row's value still fits a page of `bytesMax`; the first always does.
    func hasRoom(for row: Statement, bytesMax: Int) -> Bool {
        hasRoom(forValueBytes: row.byteCount(8), bytesMax: bytesMax)
    }

    /// Takes a row of ``Query/record``'s columns; its key is read unless the caller knows it, its value
    /// unless it is longer than `valueBytesMax`.
    mutating func add(_ row: Statement, scope: Scope, key: RecordKey? = nil, valueBytesMax: Int = .max) {
        let record = Record(
            address: RecordAddress(
                owner: scope.owner, collection: scope.collection, key: key ?? RecordKey(stored: row.text(2))),
            value: nil, updatedAt: row.moment(5), deletedAt: row.optionalMoment(6), expiresAt: row.optionalMoment(7),
            sequence: SequenceNumber(row.number(3)), committedAt: row.moment(4))
        let isRead = !row.isNull(8) && row.byteCount(8) <= valueBytesMax
        add(record, appendValue: isRead ? { row.append(8, to: &$0) } : nil)
    }
}
