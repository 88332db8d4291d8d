internal import ApusCore
internal import NIOCore

/// Rows of records being read, their values side by side in one buffer.
struct RecordRows {
    private(set) var addedValueBytes = 0
    private var records: [Record] = []
    private var values = ByteBuffer()
    private var ranges: [Range<Int>?] = []

    var count: Int { records.count }

    var lastSequence: SequenceNumber? { records.last?.sequence }

    static func locator(in row: Statement) -> Int64 { row.number(0) }

    static func scopeNumber(in row: Statement) -> Int64 { row.number(1) }

    /// Whether the row's value still fits a page of `bytesMax`; the first always does.
    func hasRoom(for row: Statement, bytesMax: Int) -> Bool {
        records.isEmpty || addedValueBytes + row.byteCount(8) <= bytesMax
    }

    /// Takes a row of ``Query/record``'s columns; its key is read unless the caller knows it, its value
    /// unless it is longer than `valueBytesMax`.
    mutating func add(_ row: Statement, scope: Scope, key: RecordKey? = nil, valueBytesMax: Int = .max) {
        let record = Record(
            address: RecordAddress(
                owner: scope.owner, collection: scope.collection, key: key ?? RecordKey(stored: row.text(2))),
            value: nil, updatedAt: row.moment(5), deletedAt: row.optionalMoment(6), expiresAt: row.optionalMoment(7),
            sequence: SequenceNumber(row.number(3)), committedAt: row.moment(4))
        records.append(record)
        guard !row.isNull(8), row.byteCount(8) <= valueBytesMax else { return ranges.append(nil) }
        let start = values.writerIndex
        row.append(8, to: &values)
        ranges.append(start..<values.writerIndex)
        addedValueBytes += values.writerIndex - start
    }

    /// The records, in the order they were added.
    consuming func finished() -> [Record] {
        var finished = records
        for index in finished.indices {
            if let range = ranges[index] { finished[index].value = JSONText(validated: values.slice(range)) }
        }
        return finished
    }
}
