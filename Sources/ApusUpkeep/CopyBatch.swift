import ApusCore

/// Rows on their way into another storage, up to what one commit takes.
struct CopyBatch {
    static let rowsMax = 4000
    static let bytesMax = 4 << 20

    private(set) var batch = CommitBatch()
    private(set) var rows = 0
    private var bytes = 0

    /// Whether it is time to commit.
    func isFull(rowsMax: Int) -> Bool { rows >= rowsMax || bytes >= Self.bytesMax }

    mutating func add(_ row: StoredRow) {
        rows += 1
        bytes += row.bulkBytes
        switch row {
        case .owner(let entry): batch.owners[entry.owner] = entry.state
        case .record(let record, let kept):
            batch.records.append(
                CommitBatch.RecordWrite(record: record, replacing: nil, kept: kept.map { .given($0) }))
        case .answer(let answer): batch.answers.append(answer)
        case .user(let user): batch.users.append(user)
        case .device(let device): batch.devices.append(device)
        case .token(let token): batch.tokens.append(token)
        case .revocation(let revocation): batch.revocations.append(revocation)
        case .cutoff(let cutoff): batch.cutoffs.append(cutoff)
        case .audit(let entry): batch.audit.append(entry)
        }
    }
}
