public import ApusCore
internal import Synchronization

/// Keeps everything in memory and nothing after the process: for trying things out, and the model other backends are
/// compared with.
///
/// The writer works on a copy of its own and repeats each commit on the published one, so that readers never see, nor
/// wait for, a transaction under way.
public final class MemoryBackend: StorageBackend {
    public let description: StorageDescription
    private let published = Mutex(MemoryState())
    private let writerIsOpen = Mutex(false)

    /// - Parameter makeEpoch: called once.
    public init(makeEpoch: () -> String) {
        description = StorageDescription(
            name: "memory", path: "", durability: .none, schemaVersion: 1, epoch: Epoch(makeEpoch()))
    }

    public func openWriter() -> any StorageWriter {
        writerIsOpen.withLock { isOpen in
            precondition(!isOpen, "a second writer was opened")
            isOpen = true
        }
        return MemoryWriter(self)
    }

    public func openReader() -> any StorageReader {
        MemoryReader(self)
    }

    public func bytesStored() -> Int { 0 }

    public func copy(to path: String) throws(ApusError) {
        throw ApusError(.badParameter, "a database in memory cannot be copied to \(path): nothing of it is kept")
    }

    public func faults(limit: Int) -> [String] { [] }

    func read<Answer>(_ body: (borrowing MemoryState) -> Answer) -> Answer {
        published.withLock { body($0) }
    }

    func snapshot() -> MemoryState {
        published.withLock { $0 }
    }

    func publish(_ batches: [CommitBatch]) {
        published.withLock { state in
            for batch in batches { state.apply(batch) }
        }
    }

    func releaseWriter() {
        writerIsOpen.withLock { $0 = false }
    }
}

/// Reads what was published, or a snapshot of it.
class MemoryReader: ReadsMemory {
    fileprivate let backend: MemoryBackend
    private var held: MemoryState?

    init(_ backend: MemoryBackend) {
        self.backend = backend
    }

    func read<Answer>(_ body: (borrowing MemoryState) -> Answer) -> Answer {
        guard let held else { return backend.read(body) }
        return body(held)
    }

    func snapshot<Answer>(_ body: () throws(ApusError) -> Answer) throws(ApusError) -> Answer {
        guard held == nil else { return try body() }
        held = backend.snapshot()
        defer { held = nil }
        return try body()
    }
}

/// The one writer: its draft is the published state outside of transactions.
final class MemoryWriter: MemoryReader, StorageWriter {
    private let transaction = MemoryTransaction()
    private var isInTransaction = false
    private var isClosed = false

    override init(_ backend: MemoryBackend) {
        super.init(backend)
        transaction.reset(to: backend.snapshot())
    }

    deinit {
        close()
    }

    func transaction<Answer>(
        _ body: (any StorageTransaction) throws(ApusError) -> Answer
    ) throws(ApusError) -> Answer {
        precondition(!isInTransaction, "transactions do not nest")
        isInTransaction = true
        defer { isInTransaction = false }
        do throws(ApusError) {
            let answer = try body(transaction)
            backend.publish(transaction.takeApplied())
            return answer
        } catch {
            transaction.reset(to: backend.snapshot())
            throw error
        }
    }

    func maintain() {}

    func close() {
        guard !isClosed else { return }
        isClosed = true
        backend.releaseWriter()
    }
}

/// A draft of the next state and what made it.
final class MemoryTransaction: ReadsMemory, StorageTransaction {
    private var draft = MemoryState()
    private var applied: [CommitBatch] = []

    func reset(to state: MemoryState) {
        draft = state
        applied = []
    }

    func takeApplied() -> [CommitBatch] {
        defer { applied = [] }
        return applied
    }

    func read<Answer>(_ body: (borrowing MemoryState) -> Answer) -> Answer {
        body(draft)
    }

    func snapshot<Answer>(_ body: () throws(ApusError) -> Answer) throws(ApusError) -> Answer {
        try body()
    }

    func stored(_ addresses: [RecordAddress], valueBytesMax: Int) -> [StoredRecord?] {
        var bytesLeft = valueBytesMax
        return addresses.map { address in
            guard var row = draft.stored(at: address) else { return nil }
            if row.record.valueBytes > bytesLeft { row.record.value = nil }
            bytesLeft -= row.record.valueBytes
            return row
        }
    }

    func expired(at moment: Timestamp, limit: Int) -> [RecordAddress] {
        draft.expired(at: moment, limit: limit)
    }

    func tombstones(committedBefore moment: Timestamp, limit: Int) -> [StoredRecord] {
        draft.tombstones(committedBefore: moment, limit: limit)
    }

    func apply(_ batch: CommitBatch) {
        let owned = batch.copyingBytes()
        draft.apply(owned)
        applied.append(owned)
    }
}
