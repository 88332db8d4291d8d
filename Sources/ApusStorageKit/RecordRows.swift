package import ApusCore
package import NIOCore

/// Records being read into a page, their values side by side in one buffer.
package struct RecordRows {
    package private(set) var addedValueBytes = 0
    private var records: [Record] = []
    private var values = ByteBuffer()
    private var ranges: [Range<Int>?] = []

    package init() {}

    package var count: Int { records.count }

    package var lastSequence: SequenceNumber? { records.last?.sequence }

    /// Whether a record with a value of `valueBytes` still fits a page of `bytesMax`; the first always does.
    package func hasRoom(forValueBytes valueBytes: Int, bytesMax: Int) -> Bool {
        records.isEmpty || addedValueBytes + valueBytes <= bytesMax
    }

    /// Takes a record; its value is what `appendValue` appends, if there is one.
    package mutating func add(_ record: Record, appendValue: ((inout ByteBuffer) -> Void)?) {
        records.append(record)
        guard let appendValue else { return ranges.append(nil) }
        let start = values.writerIndex
        appendValue(&values)
        ranges.append(start..<values.writerIndex)
        addedValueBytes += values.writerIndex - start
    }

    /// The records, in the order they were added.
    package consuming func finished() -> [Record] {
        var finished = records
        for index in finished.indices {
            if let range = ranges[index] { finished[index].value = JSONText(validated: values.slice(range)) }
        }
        return finished
    }
}
