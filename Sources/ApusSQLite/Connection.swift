internal import ApusCore
internal import ApusStorageKit
internal import CSQLite

/// An open SQLite connection with its statements and the names it knows, used by one thread at a time.
final class Connection {
    enum Role {
        /// Writes and checkpoints; there is at most one.
        case writer(Durability)
        /// Reads only, and never checkpoints, also not on close: its descriptor cannot take the lock for it.
        case reader
    }

    let handle: OpaquePointer
    var names = NameCache()
    /// Set by the first failure of the disk: SQLite would go on after a failed fsync as if nothing had been lost.
    private(set) var fault: ApusError?
    /// Whether the audit log is one of a version before, which is read as it is.
    private(set) var hasEarlierAudit = false
    /// Pages in the log after the latest commit.
    private(set) var pagesInLog: Int32 = 0
    private var statements: [Statement?] = Array(repeating: nil, count: Query.allCases.count)
    private var isClosed = false
    private var latestFailure = SQLITE_OK

    /// Opens the file, and creates it for the writer. Nothing of it is read yet.
    init(path: String, role: Role) throws(ApusError) {
        let access =
            switch role {
            case .writer: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            case .reader: SQLITE_OPEN_READONLY
            }
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        guard code == SQLITE_OK, let opened else {
            let reason = opened.map { FileStatus.description(ofErrno: sqlite3_system_errno($0)) } ?? "no memory"
            sqlite3_close(opened)
            throw ApusError.refusal(path, reason)
        }
        handle = opened
        sqlite3_busy_timeout(handle, role.busyMilliseconds)
    }

    deinit {
        close()
    }

    /// Sets the connection up for `role`; reads and, for the writer, may write the file's header.
    func configure(as role: Role) throws(ApusError) {
        // Before there is anything temporary, which this would drop.
        try execute("PRAGMA temp_store = MEMORY")
        switch role {
        case .writer(let durability):
            try execute("PRAGMA page_size = \(Schema.pageBytes)")
            guard try text("PRAGMA journal_mode = WAL") == "wal" else {
                throw ApusError(.storageUnavailable, "the file system of the database allows no write-ahead log")
            }
            try execute("PRAGMA synchronous = \(durability.synchronous)")
            try execute("PRAGMA wal_autocheckpoint = 0")
            try execute("PRAGMA cache_size = -\(Schema.writerCacheBytes >> 10)")
            try execute("PRAGMA journal_size_limit = \(Schema.logBytesMax)")
            watchLog()
        case .reader:
            // A database that is only read is not changed to the newest version: this connection alone sees the table.
            let version = try number("PRAGMA user_version")
            if version == Schema.versionWithoutDevices { try execute(Schema.deviceTable(isTemporary: true)) }
            hasEarlierAudit = version < Schema.versionWithAuditNumbers
            try execute("PRAGMA query_only = ON")
        }
        try execute("PRAGMA trusted_schema = OFF")
    }

    /// The statement for `query`, ready to be bound; ``Statement/finish()`` it after use.
    func prepared(_ query: Query) throws(ApusError) -> Statement {
        precondition(!isClosed, "the connection was closed")
        if let statement = statements[query.rawValue] { return statement }
        let statement = try Statement(query.text, on: self)
        statements[query.rawValue] = statement
        return statement
    }

    /// Runs a query without parameters and rows.
    func run(_ query: Query) throws(ApusError) {
        let statement = try prepared(query)
        defer { statement.finish() }
        try statement.run()
    }

    /// Runs any number of statements that are not kept.
    func execute(_ text: String) throws(ApusError) {
        let code = sqlite3_exec(handle, text, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code) }
    }

    /// The first column of the first row.
    func text(_ text: String) throws(ApusError) -> String {
        let statement = try Statement(text, on: self)
        return try statement.step() ? statement.text(0) : ""
    }

    /// The first column of the first row.
    func number(_ text: String) throws(ApusError) -> Int64 {
        let statement = try Statement(text, on: self)
        return try statement.step() ? statement.number(0) : 0
    }

    var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    var isOpen: Bool { !isClosed }

    var lastRowNumber: Int64 { sqlite3_last_insert_rowid(handle) }

    /// Rows the latest INSERT, UPDATE or DELETE wrote.
    var rowsChanged: Int32 { sqlite3_changes(handle) }

    var isReadOnly: Bool { sqlite3_db_readonly(handle, "main") == 1 }

    /// Runs `body` with every read in it seeing the same commit.
    func snapshot<Answer>(_ body: () throws(ApusError) -> Answer) throws(ApusError) -> Answer {
        guard !isInTransaction else { return try body() }
        try run(.begin)
        do throws(ApusError) {
            let answer = try body()
            try run(.commit)
            return answer
        } catch {
            rollBack()
            throw error
        }
    }

    /// Leaves the transaction, if SQLite has not left it by itself, and forgets the names it made.
    func rollBack() {
        names.forgetAll()
        guard isInTransaction else { return }
        do throws(ApusError) {
            try run(.rollBack)
        } catch {
            fault = fault ?? error
        }
    }

    /// Copies the log into the database.
    ///
    /// - Returns: whether all of it was copied; not if a reader still needs a part of it as it was.
    @discardableResult
    func checkpoint(_ mode: CheckpointPace.Mode) throws(ApusError) -> Bool {
        let code = sqlite3_wal_checkpoint_v2(handle, nil, mode.sqliteMode, nil, nil)
        if code & 0xFF == SQLITE_BUSY { return false }
        guard code == SQLITE_OK else { throw failure(code) }
        return true
    }

    /// Lets go of the file; a writer that is the last connection copies the log into the database first.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        statements.removeAll()
        sqlite3_close_v2(handle)
    }

    private func watchLog() {
        sqlite3_wal_hook(
            handle,
            { connection, _, _, pages in
                if let connection {
                    Unmanaged<Connection>.fromOpaque(connection).takeUnretainedValue().pagesInLog = pages
                }
                return SQLITE_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }
}

// MARK: - Errors

extension Connection {
    /// What became of a call that gave `code`, an extended result code (sqlite.org/rescode.html).
    func failure(_ code: Int32) -> ApusError {
        latestFailure = code
        let cause = "SQLite \(code): \(String(cString: sqlite3_errmsg(handle)))"
        if isNoSpace(code) { return .storageFull(cause: cause) }
        if isPassing(code) { return .storageBusy(cause: cause) }
        let error = ApusError.storageUnavailable(cause: cause)
        if isFaultOfDisk(code) { fault = fault ?? error }
        return error
    }

    /// What is wrong with the file, after a failure.
    var complaint: String {
        switch latestFailure & 0xFF {
        case SQLITE_NOTADB: "it is not a SQLite database"
        case SQLITE_CORRUPT: "it is damaged"
        case SQLITE_ERROR: "its tables are not those of Apus"
        case SQLITE_READONLY: "it cannot be written to"
        case SQLITE_BUSY: "another program holds a lock on it"
        default: "the disk failed"
        }
    }

    private func isNoSpace(_ code: Int32) -> Bool {
        switch code & 0xFF {
        case SQLITE_FULL: true
        // SQLITE_IOERR_SHMSIZE: the index of the log could not grow.
        case SQLITE_IOERR: code == SQLITE_IOERR | (19 << 8) || FileStatus.isNoSpace(sqlite3_system_errno(handle))
        default: false
        }
    }

    /// Whether the same may go well the next time, or with other values, the file being whole.
    private func isPassing(_ code: Int32) -> Bool {
        switch code & 0xFF {
        case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_NOMEM, SQLITE_INTERRUPT, SQLITE_TOOBIG, SQLITE_CONSTRAINT: true
        default: false
        }
    }

    private func isFaultOfDisk(_ code: Int32) -> Bool {
        switch code & 0xFF {
        case SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_CANTOPEN, SQLITE_READONLY: true
        default: false
        }
    }
}

extension Connection.Role {
    fileprivate var busyMilliseconds: Int32 {
        switch self {
        case .writer: Schema.writerBusyMilliseconds
        case .reader: Schema.readerBusyMilliseconds
        }
    }
}

extension Durability {
    /// The pragma's value: FULL syncs the log at each commit, NORMAL only at checkpoints.
    fileprivate var synchronous: String {
        switch self {
        case .full: "FULL"
        case .normal: "NORMAL"
        case .none: "OFF"
        }
    }
}

extension CheckpointPace.Mode {
    fileprivate var sqliteMode: Int32 {
        switch self {
        case .passive: SQLITE_CHECKPOINT_PASSIVE
        case .restart: SQLITE_CHECKPOINT_RESTART
        case .truncate: SQLITE_CHECKPOINT_TRUNCATE
        }
    }
}
