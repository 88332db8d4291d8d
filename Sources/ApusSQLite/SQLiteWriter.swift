internal import ApusCore

/// The one connection that writes and checkpoints.
final class SQLiteWriter: SQLiteReader, StorageWriter {
    /// Keeps the file locked as long as it is written to.
    private let backend: SQLiteBackend
    private var pace = CheckpointPace()

    init(_ connection: Connection, of backend: SQLiteBackend) {
        self.backend = backend
        super.init(connection)
    }

    deinit {
        close()
    }

    func transaction<Answer>(
        _ body: (any StorageTransaction) throws(ApusError) -> Answer
    ) throws(ApusError) -> Answer {
        precondition(!connection.isInTransaction, "transactions do not nest")
        if let fault = connection.fault { throw fault }
        do throws(ApusError) {
            try connection.run(.beginWriting)
            let answer = try body(SQLiteTransaction(connection))
            try connection.run(.commit)
            return answer
        } catch {
            connection.rollBack()
            throw error
        }
    }

    func maintain() throws(ApusError) {
        if let fault = connection.fault { throw fault }
        guard let mode = pace.due(pagesInLog: connection.pagesInLog) else { return }
        try connection.checkpoint(mode)
    }

    func close() {
        // The log keeps what could not be copied; the next start copies it.
        guard connection.isOpen else { return }
        _ = try? connection.checkpoint(.truncate)
        connection.close()
        backend.release()
    }
}
