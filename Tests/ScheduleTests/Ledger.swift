import ApusCore
import ApusProtocol
import ApusTesting
import Dispatch
import NIOCore
import Synchronization

/// What was committed, whoever was told of it.
final class Ledger: Sendable {
    /// A committed change, and the texts in which it may be told.
    struct Entry {
        let record: Record
        let texts: [ByteBuffer]
    }

    private struct State {
        var entries: [OwnerID: [Entry]] = [:]
        var purgedThrough: [OwnerID: SequenceNumber] = [:]
        var revocations: [Revocation] = []
        var violations: [String] = []
    }

    private let state = Mutex(State())

    /// The owner's changes: that with number N stands at N - 1.
    func entries(of owner: OwnerID) -> [Entry] { state.withLock { $0.entries[owner] ?? [] } }

    func last(of owner: OwnerID) -> Int64 { Int64(entries(of: owner).count) }

    /// Tombstones up to here may be forgotten.
    func purgedThrough(of owner: OwnerID) -> Int64 { state.withLock { $0.purgedThrough[owner]?.rawValue ?? 0 } }

    func revokes(_ principal: Principal) -> Bool {
        state.withLock { $0.revocations.contains { $0.revokes(principal) } }
    }

    /// How often all of the user's tokens were revoked.
    func generation(of user: OwnerID) -> Int64 {
        state.withLock { state in
            state.revocations.reduce(0) { last, revocation in
                if case .user(let cutoff) = revocation, cutoff.user == user {
                    max(last, cutoff.generation)
                } else {
                    last
                }
            }
        }
    }

    /// What is wrong with what the committer told.
    var violations: [String] { state.withLock { $0.violations } }

    fileprivate func add(_ batch: CommitBatch) {
        state.withLock { state in
            for (owner, ownerState) in batch.owners {
                state.purgedThrough[owner] = ownerState.purgedThrough
                let records = batch.records.map(\.record).filter { $0.address.owner == owner }
                guard let first = records.first else { continue }
                var entries = state.entries.removeValue(forKey: owner) ?? []
                if let open = entries.last(where: { $0.texts.isEmpty }) {
                    state.violations.append("a change of \(open.record.address) was committed and never told")
                }
                // A change that another one of the same commit replaced is nowhere but in what is told.
                let count = max(0, Int(ownerState.lastSequence.rawValue) - entries.count)
                let start = entries.count
                entries += [Entry](repeating: Entry(record: first, texts: []), count: count)
                for record in records {
                    let index = Int(record.sequence.rawValue) - 1
                    guard entries.indices.contains(index), index >= start else {
                        state.violations.append("\(record.sequence.rawValue) was given twice")
                        continue
                    }
                    entries[index] = Entry(record: record, texts: Self.texts(of: record))
                }
                state.entries[owner] = entries
            }
            state.revocations += batch.revocations.map { .token($0) } + batch.cutoffs.map { .user($0) }
        }
    }

    /// The committer tells of changes.
    func hear(_ changes: [Change]) {
        state.withLock { state in
            for change in changes {
                let (owner, index) = (change.record.address.owner, Int(change.record.sequence.rawValue) - 1)
                guard let count = state.entries[owner]?.count, index < count, let entry = state.entries[owner]?[index]
                else {
                    state.violations.append("\(index + 1) of \(owner.text) was told and not committed")
                    continue
                }
                if entry.texts.isEmpty {
                    state.entries[owner]?[index] = Entry(record: change.record, texts: Self.texts(of: change.record))
                } else if entry.record != change.record {
                    state.violations.append("\(index + 1) of \(owner.text) was not committed as it was told")
                }
            }
        }
    }

    private static func texts(of record: Record) -> [ByteBuffer] {
        [false, true].prefix(record.isTombstone ? 2 : 1).map { isExpiry in
            var text = ByteBuffer()
            text.writeMessage(.event(Change(record: record, isExpiry: isExpiry)))
            return text
        }
    }
}

/// A storage that keeps a ledger of its commits, and whose committer waits after each round until it is let go on.
final class LedgerBackend: StorageBackend {
    let ledger = Ledger()
    private let base: any StorageBackend
    private let gate = Mutex(Gate())

    init(_ base: any StorageBackend) {
        self.base = base
    }

    /// Has the committer take everything that waits for it, once.
    func letCommit() { gate.withLock { $0 }.open() }

    /// Has it never wait again.
    func letFinish() { gate.withLock { $0 }.remove() }

    var description: StorageDescription { base.description }

    func openWriter() throws(ApusError) -> any StorageWriter {
        let fresh = Gate()
        gate.withLock { $0 = fresh }
        return LedgerWriter(try base.openWriter(), ledger: ledger, gate: fresh)
    }

    func openReader() throws(ApusError) -> any StorageReader { try base.openReader() }
    func bytesStored() -> Int { base.bytesStored() }
    func copy(to path: String) throws(ApusError) { try base.copy(to: path) }
    func faults(limit: Int) throws(ApusError) -> [String] { try base.faults(limit: limit) }
}

/// Lets a thread through, once for each time it was opened.
private final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    private let isRemoved = Atomic(false)

    func pass() { if !isRemoved.load(ordering: .acquiring) { semaphore.wait() } }
    func open() { semaphore.signal() }

    func remove() {
        isRemoved.store(true, ordering: .releasing)
        semaphore.signal()
    }
}

private final class LedgerWriter: ForwardingWriter {
    private let ledger: Ledger
    private let gate: Gate

    init(_ base: any StorageWriter, ledger: Ledger, gate: Gate) {
        self.ledger = ledger
        self.gate = gate
        super.init(base)
    }

    override func transaction<Answer>(
        _ body: (any StorageTransaction) throws(ApusError) -> Answer
    ) throws(ApusError) -> Answer {
        var applied: [CommitBatch] = []
        let answer = try super.transaction { transaction throws(ApusError) in
            let witness = WitnessedTransaction(transaction)
            let answer = try body(witness)
            applied = witness.applied
            return answer
        }
        for batch in applied { ledger.add(batch) }
        return answer
    }

    override func maintain() throws(ApusError) {
        try super.maintain()
        gate.pass()
    }
}

private final class WitnessedTransaction: ForwardingTransaction {
    private(set) var applied: [CommitBatch] = []

    override func apply(_ batch: CommitBatch) throws(ApusError) {
        try super.apply(batch)
        applied.append(batch)
    }
}
