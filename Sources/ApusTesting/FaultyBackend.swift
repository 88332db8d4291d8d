public import ApusCore
import Synchronization

/// A backend that works like the one it wraps until a test asks for a fault.
///
/// A failed commit leaves nothing behind: the body has run, everything was applied, and then the disk says no.
public final class FaultyBackend: StorageBackend {
    private let base: any StorageBackend
    private let faults = Mutex(Faults())

    private struct Faults {
        var commit: ApusError?
        var maintenance: ApusError?
        var commits = 0
    }

    public init(_ base: any StorageBackend) {
        self.base = base
    }

    /// The next transaction's commit throws `error`, and nothing of it is ever seen; the one after it works again.
    public func failNextCommit(with error: ApusError) {
        faults.withLock { $0.commit = error }
    }

    /// The next call of the writer's `maintain` throws `error`.
    public func failNextMaintenance(with error: ApusError) {
        faults.withLock { $0.maintenance = error }
    }

    /// How many transactions have committed.
    public var commitCount: Int { faults.withLock { $0.commits } }

    public var description: StorageDescription { base.description }

    public func openWriter() throws(ApusError) -> any StorageWriter {
        FaultyWriter(try base.openWriter(), of: self)
    }

    public func openReader() throws(ApusError) -> any StorageReader { try base.openReader() }

    public func bytesStored() -> Int { base.bytesStored() }

    public func copy(to path: String) throws(ApusError) { try base.copy(to: path) }

    public func faults(limit: Int) throws(ApusError) -> [String] { try base.faults(limit: limit) }

    fileprivate func takeCommitFault() -> ApusError? {
        faults.withLock { faults in
            defer { faults.commit = nil }
            return faults.commit
        }
    }

    fileprivate func takeMaintenanceFault() -> ApusError? {
        faults.withLock { faults in
            defer { faults.maintenance = nil }
            return faults.maintenance
        }
    }

    fileprivate func countCommit() {
        faults.withLock { $0.commits += 1 }
    }
}

private final class FaultyWriter: ForwardingWriter {
    private let backend: FaultyBackend

    init(_ base: any StorageWriter, of backend: FaultyBackend) {
        self.backend = backend
        super.init(base)
    }

    override func transaction<Answer>(
        _ body: (any StorageTransaction) throws(ApusError) -> Answer
    ) throws(ApusError) -> Answer {
        let answer = try super.transaction { transaction throws(ApusError) in
            let answer = try body(transaction)
            // Thrown in here, so that the wrapped backend takes back what was applied.
            if let fault = backend.takeCommitFault() { throw fault }
            return answer
        }
        backend.countCommit()
        return answer
    }

    override func maintain() throws(ApusError) {
        if let fault = backend.takeMaintenanceFault() { throw fault }
        try super.maintain()
    }
}
