/// The shape of the file, and the numbers that were chosen for it.
enum Schema {
    /// Raised whenever a program of before could not read the file any more.
    static let version: Int64 = 3

    /// The oldest that can be opened.
    static let versionWithoutDevices: Int64 = 1

    /// The first whose audit entries have numbers and hashes.
    static let versionWithAuditNumbers: Int64 = 3

    /// "Apus" in ASCII: tells our files from those of other programs (sqlite.org/pragma.html#pragma_application_id).
    static let applicationID: Int64 = 0x4170_7573

    static let pageBytes = 4096

    /// How many pages may be written to the log before they are copied into the database.
    static let pagesPerCheckpoint: Int32 = 4000

    /// A longer log is started anew, waiting for readers if need be, and its file is cut back to this length.
    static let logPagesMax: Int32 = 16_000

    static let logBytesMax = Int(logPagesMax) * pageBytes

    /// The writer's page cache. With SQLite's 2 MB, pages of a transaction over many owners are written to the log
    /// before it ends, and again when it does.
    static let writerCacheBytes = 32 << 20

    /// How long the writer waits for readers that keep a long log from being started anew.
    static let writerBusyMilliseconds: Int32 = 100

    /// How long a reader waits for the log to be recovered after a crash.
    static let readerBusyMilliseconds: Int32 = 5000

    /// Text is compared as bytes (BINARY, the default), which is the order of names. Values are blobs, so that their
    /// length is known without reading them, and stand last, so that long ones are not read for what stands after.
    ///
    /// `records_by_seq` ends with the scope, so that the changes of one collection are picked without touching rows.
    /// There is no index on `committed_at` of records: it never falls as `seq` rises, so the one on `seq` serves.
    static let tables = """
        CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

        CREATE TABLE owners (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            last_seq INTEGER NOT NULL DEFAULT 0,
            last_committed_at INTEGER NOT NULL DEFAULT 0,
            purged_through INTEGER NOT NULL DEFAULT 0
        ) STRICT;

        CREATE TABLE scopes (
            id INTEGER PRIMARY KEY,
            owner INTEGER NOT NULL,
            collection TEXT NOT NULL,
            UNIQUE (owner, collection)
        ) STRICT;

        CREATE TABLE records (
            id INTEGER PRIMARY KEY,
            owner INTEGER NOT NULL,
            scope INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            committed_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            deleted_at INTEGER,
            expires_at INTEGER,
            key TEXT NOT NULL,
            value BLOB
        ) STRICT;
        CREATE UNIQUE INDEX records_by_key ON records (scope, key);
        CREATE UNIQUE INDEX records_by_seq ON records (owner, seq, scope);
        CREATE INDEX records_by_end ON records (expires_at) WHERE expires_at IS NOT NULL AND deleted_at IS NULL;
        CREATE INDEX tombstones_by_commit ON records (committed_at) WHERE deleted_at IS NOT NULL;

        CREATE TABLE users (
            id TEXT PRIMARY KEY,
            display_name TEXT,
            created_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE tokens (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            user TEXT NOT NULL,
            issued_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            claims BLOB
        ) STRICT;
        CREATE INDEX tokens_by_user ON tokens (user, issued_at);
        CREATE INDEX tokens_by_end ON tokens (expires_at);

        CREATE TABLE revocations (
            token TEXT PRIMARY KEY,
            keep_until INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX revocations_by_end ON revocations (keep_until);

        CREATE TABLE cutoffs (
            user TEXT PRIMARY KEY,
            generation INTEGER NOT NULL,
            issued_through INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE answers (
            id INTEGER PRIMARY KEY,
            owner INTEGER NOT NULL,
            key TEXT NOT NULL,
            stored_at INTEGER NOT NULL,
            fingerprint BLOB NOT NULL,
            body BLOB NOT NULL,
            UNIQUE (owner, key)
        ) STRICT;
        CREATE INDEX answers_by_age ON answers (stored_at);

        """ + auditTable + deviceTable(isTemporary: false)

    private static let auditTable = """
        CREATE TABLE audit (
            number INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            actor TEXT NOT NULL,
            ip TEXT NOT NULL,
            request_id TEXT NOT NULL,
            action TEXT NOT NULL,
            target TEXT NOT NULL,
            outcome TEXT NOT NULL,
            detail TEXT NOT NULL,
            previous BLOB
        ) STRICT;

        """

    /// Numbers the entries of a version before in the order they had: by time, and by arrival at the same time.
    static let auditUpgrade = """
        ALTER TABLE audit RENAME TO earlier_audit;
        \(auditTable)
        INSERT INTO audit (at, actor, ip, request_id, action, target, outcome, detail)
        SELECT at, actor, ip, request_id, action, target, outcome, detail FROM earlier_audit ORDER BY at, number;
        DROP TABLE earlier_audit;
        """

    /// The one table that version 1 had not.
    static func deviceTable(isTemporary: Bool) -> String {
        """
        CREATE \(isTemporary ? "TEMP " : "")TABLE devices (
            owner TEXT NOT NULL,
            id TEXT NOT NULL,
            name TEXT,
            platform TEXT,
            registered_at INTEGER NOT NULL,
            last_seen_at INTEGER,
            PRIMARY KEY (owner, id)
        ) STRICT, WITHOUT ROWID;
        """
    }
}
