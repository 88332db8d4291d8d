internal import ApusCore
internal import ApusStorageKit
internal import CLMDB
internal import Glibc

/// The one writer.
final class LMDBWriter: LMDBReader, StorageWriter {
    /// Keeps the file locked as long as it is written to.
    private let backend: LMDBBackend
    private let draft: LMDBTransaction
    private var isClosed = false
    private var maintenances = 0
    /// Set by the first failure of the disk: after a failed fsync nothing that is written can be trusted to be there.
    private var fault: ApusError?

    private static let maintenancesPerLook = 1000

    init(_ environment: Environment, of backend: LMDBBackend) {
        self.backend = backend
        draft = LMDBTransaction(environment)
        super.init(environment)
    }

    deinit {
        close()
    }

    /// LMDB wants a transaction that writes to end on the thread it began on, and so it does.
    func transaction<Answer>(
        _ body: (any StorageTransaction) throws(ApusError) -> Answer
    ) throws(ApusError) -> Answer {
        precondition(!isClosed && draft.current == nil, "transactions do not nest, nor follow the end")
        if let fault { throw fault }
        do throws(ApusError) {
            return try commit(body)
        } catch {
            if error.code == .storageUnavailable { fault = error }
            throw error
        }
    }

    private func commit<Answer>(
        _ body: (any StorageTransaction) throws(ApusError) -> Answer
    ) throws(ApusError) -> Answer {
        let transaction = try environment.begin(isReadOnly: false)
        draft.begin(View(transaction: transaction, environment: environment))
        var isCommitted = false
        defer { draft.end(isCommitted: isCommitted) }
        let answer: Answer
        do throws(ApusError) {
            answer = try body(draft)
        } catch {
            mdb_txn_abort(transaction)
            throw error
        }
        let code = mdb_txn_commit(transaction)
        guard code == MDB_SUCCESS else { throw failureOfCommit(code) }
        isCommitted = true
        return answer
    }

    /// LMDB tells a write that was cut short by a full disk as EIO. Taken for a full disk, a fault of the disk would do
    /// no harm: what was to be committed is on no page that the file's valid state leads to.
    private func failureOfCommit(_ code: Int32) -> ApusError {
        let isFull = code == EIO && FileStatus.isFull(environment.path, byteCount: Schema.roomForCommits)
        return Environment.failure(isFull ? ENOSPC : code)
    }

    func maintain() {
        maintenances += 1
        if maintenances % Self.maintenancesPerLook == 0 { environment.forgetDeadReaders() }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        mdb_env_sync(environment.handle, 1)
        backend.release()
    }
}
