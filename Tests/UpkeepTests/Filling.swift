import ApusCore
import ApusServer
import ApusUpkeep
import CSQLite
import NIOCore
import Testing

/// The kinds of storages that keep what is written.
let keptKinds = ["sqlite", "lmdb"]

/// From and to each of them.
let keptPairs = keptKinds.flatMap { from in keptKinds.map { (from, $0) } }

extension TemporaryFolder {
    /// A storage in the folder, there or not.
    func storage(_ kind: String, _ name: String) throws -> NamedStorage {
        try PluginRegistry.standard.storage(StorageURL(name: kind, path: file(name)))
    }

    /// Opens a storage in the folder.
    func open(_ kind: String, _ name: String, _ access: StorageAccess = .serving) throws -> any StorageBackend {
        try PluginRegistry.standard.openStorage(
            StorageURL(name: kind, path: file(name)), durability: .full, access: access)
    }

    /// Makes a storage in the folder and fills it.
    @discardableResult
    func fill(_ kind: String, _ name: String, owners: Int = 6) throws -> Epoch {
        let backend = try open(kind, name)
        let writer = try backend.openWriter()
        defer { writer.close() }
        try writer.fill(owners: owners)
        return backend.description.epoch
    }

    /// Runs SQL on a database as no server would.
    func tamper(_ name: String, _ statements: String) throws {
        var connection: OpaquePointer?
        defer { sqlite3_close(connection) }
        try #require(sqlite3_open(file(name), &connection) == SQLITE_OK)
        let code = sqlite3_exec(connection, statements, nil, nil, nil)
        try #require(code == SQLITE_OK, "\(String(cString: sqlite3_errmsg(connection)))")
    }
}

extension TemporaryFolder {
    /// Makes a SQLite database into one of version 1 or 2 with the same in it, but for what that version did not know.
    func makeEarlier(_ name: String, version: Int) throws {
        try tamper(
            name,
            """
            ALTER TABLE audit RENAME TO later;
            CREATE TABLE audit (
                at INTEGER NOT NULL, number INTEGER NOT NULL, actor TEXT NOT NULL, ip TEXT NOT NULL,
                request_id TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, outcome TEXT NOT NULL,
                detail TEXT NOT NULL, PRIMARY KEY (at, number)
            ) STRICT, WITHOUT ROWID;
            INSERT INTO audit SELECT
                at, number, actor, ip, request_id, action, target, outcome, detail FROM later;
            DROP TABLE later;
            \(version == 1 ? "DROP TABLE devices;" : "")
            PRAGMA user_version = \(version);
            """)
    }
}

extension StorageWriter {
    func commit(_ fill: (inout CommitBatch) throws -> Void) throws {
        var batch = CommitBatch()
        try fill(&batch)
        let filled = batch
        try transaction { transaction throws(ApusError) in try transaction.apply(filled) }
    }

    /// Something of every kind: live records, tombstones that keep a value, purged and expired ones, odd names, devices
    /// of users who never wrote, a token written twice.
    func fill(owners: Int) throws {
        for number in 0..<owners {
            try fillOwner(try OwnerID(["a b", "é", "e\u{301}", "a/b", "😀"][number % 5] + "\(number)"))
        }
        let user = try OwnerID("a b0")
        try commit { batch in
            batch.users = [
                User(id: user, displayName: "A\u{301}", createdAt: moment(1)),
                User(id: try OwnerID("nobody"), displayName: nil, createdAt: moment(-5)),
            ]
            batch.devices = try ["a b0", "only devices", "only devices\u{301}", "z"].map { owner in
                Device(
                    owner: try OwnerID(owner), id: try DeviceID("tv 1"), name: "T\u{301}", platform: nil,
                    registeredAt: moment(3), lastSeenAt: owner == "z" ? moment(4) : nil)
            }
            batch.tokens = try ["t2", "t1", "t3"].map { try grant($0, of: user) }
            batch.revocations = [TokenRevocation(tokenID: "t1", keepUntil: moment(99))]
            batch.cutoffs = [TokenCutoff(user: user, generation: 3, issuedThrough: moment(7))]
            batch.audit = (0..<7).map { number in
                var entry = AuditEntry(
                    at: moment(Int64(number / 3)), origin: .system, action: "data.write", target: "\(number)",
                    detail: "\u{E9}")
                entry.number = Int64(number) + 1
                return entry
            }
        }
        try commit { $0.tokens = [try grant("t2", of: user, claims: #"{"a":[1]}"#)] }
    }

    private func fillOwner(_ owner: OwnerID) throws {
        try commit { batch in
            for number in 1...9 {
                var record = Record(
                    address: RecordAddress(
                        owner: owner, collection: try CollectionName(number % 2 == 0 ? "c" : "d e"),
                        key: try RecordKey("k\(number)")),
                    value: JSONText(validated: ByteBuffer(string: #"{"n":\#(number),"s":"\u00e9"}"#)),
                    updatedAt: moment(Int64(-number)), sequence: SequenceNumber(Int64(number)),
                    committedAt: moment(Int64(number / 3)))
                if number % 4 == 0 { record.expiresAt = moment(1) }
                var kept: CommitBatch.KeptValue?
                if number % 5 == 0 {
                    kept = record.value.map { .given($0) }
                    record.value = nil
                    record.deletedAt = moment(6)
                }
                batch.records.append(CommitBatch.RecordWrite(record: record, replacing: nil, kept: kept))
            }
            var state = OwnerState()
            state.lastSequence = SequenceNumber(11)
            state.lastCommittedAt = moment(8)
            state.purgedThrough = SequenceNumber(10)
            batch.owners = [owner: state]
            batch.answers = ["b", "a", "\u{E9}"].map { key in
                StoredAnswer(
                    owner: owner, key: key, fingerprint: Array(key.utf8), body: ByteBuffer(string: "[\(key)]"),
                    storedAt: moment(4))
            }
        }
    }

    private func grant(_ id: String, of user: OwnerID, claims: String? = nil) throws -> TokenGrant {
        TokenGrant(
            user: user, id: id, issuedAt: moment(1), expiresAt: moment(50), generation: 2,
            claims: claims.map { JSONText(validated: ByteBuffer(string: $0)) })
    }
}

func moment(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

/// The message of the error that `body` must throw.
func complaint(
    _ code: ApusError.Code = .storageUnavailable, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) throws -> String {
    let error = try #require(throws: ApusError.self, sourceLocation: sourceLocation) { try body() }
    #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    return error.message
}
