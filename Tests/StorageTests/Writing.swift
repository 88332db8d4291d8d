import ApusCore
import NIOCore

func address(of number: Int) throws(ApusError) -> RecordAddress {
    RecordAddress(owner: try OwnerID("u1"), collection: try CollectionName("c"), key: try RecordKey("\(number)"))
}

/// A value that tells its round and has so many bytes.
func value(round: Int, bytes: Int) -> JSONText {
    let start = "\"\(round) "
    let filler = String(repeating: "v", count: bytes - start.utf8.count - 1)
    return JSONText(validated: ByteBuffer(string: start + filler + "\""))
}

extension StorageWriter {
    /// Commits so many records of one owner in one transaction, in place of those of an earlier round.
    func put(_ count: Int, valueBytes: Int = 20, round: Int) throws(ApusError) {
        let moment = Timestamp(milliseconds: Int64(round))
        let value = value(round: round, bytes: valueBytes)
        try transaction { transaction throws(ApusError) in
            let owner = try OwnerID("u1")
            var state = try transaction.ownerState(owner)
            var addresses: [RecordAddress] = []
            for number in 0..<count { addresses.append(try address(of: number)) }
            var batch = CommitBatch()
            for (address, row) in zip(addresses, try transaction.stored(addresses, valueBytesMax: .max)) {
                state.lastSequence = state.lastSequence.next
                let record = Record(
                    address: address, value: value, updatedAt: moment, sequence: state.lastSequence,
                    committedAt: moment)
                batch.records.append(CommitBatch.RecordWrite(record: record, replacing: row?.locator))
            }
            state.lastCommittedAt = moment
            batch.owners = [owner: state]
            try transaction.apply(batch)
        }
    }
}

extension StorageReader {
    func count() throws(ApusError) -> Int {
        try usage(owner: OwnerID("u1"), liveAt: Timestamp(milliseconds: 0)).records
    }
}
