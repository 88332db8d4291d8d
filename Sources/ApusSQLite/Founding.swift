internal import ApusCore
internal import ApusStorageKit

/// Tells whether a file is a database of ours, and makes an empty one into it.
struct Founding {
    let path: String
    let connection: Connection

    /// The database's epoch, minted if it is new.
    func epoch(_ durability: Durability, makeEpoch: () -> String) throws(ApusError) -> Epoch {
        do throws(ApusError) {
            let isNew = try isEmpty()
            let version = isNew ? Schema.version : try schemaVersion()
            try checkAccess()
            try connection.configure(as: .writer(durability))
            if isNew { try found(epoch: makeEpoch()) } else if version < Schema.version { try upgrade(from: version) }
            try checkTables()
            return Epoch(try connection.text("SELECT value FROM meta WHERE name = 'epoch'"))
        } catch {
            throw error.cause == nil ? error : explained(error)
        }
    }

    /// The epoch and the schema version of a database that is only read.
    func found() throws(ApusError) -> (epoch: Epoch, version: Int64) {
        do throws(ApusError) {
            try connection.configure(as: .reader)
            let version = try schemaVersion()
            return (Epoch(try connection.text("SELECT value FROM meta WHERE name = 'epoch'")), version)
        } catch {
            throw error.cause == nil ? error : explained(error)
        }
    }

    private func isEmpty() throws(ApusError) -> Bool {
        let identity = try (connection.number("PRAGMA application_id"), connection.number("PRAGMA user_version"))
        let tables = try connection.number("SELECT count(*) FROM sqlite_schema")
        return identity == (0, 0) && tables == 0
    }

    private func schemaVersion() throws(ApusError) -> Int64 {
        guard try connection.number("PRAGMA application_id") == Schema.applicationID else {
            throw .refusal(path, "it is a SQLite database of another program")
        }
        let version = try connection.number("PRAGMA user_version")
        guard version <= Schema.version else {
            throw .refusal(
                path,
                "it was written by a newer Apus (schema version \(version); this one knows \(Schema.version))")
        }
        guard version >= Schema.versionWithoutDevices else {
            throw .refusal(path, "its schema version \(version) is unknown")
        }
        return version
    }

    /// A statement that cannot be prepared is a table that is not as it should be.
    private func checkTables() throws(ApusError) {
        for query in Query.allCases { _ = try connection.prepared(query) }
    }

    private func checkAccess() throws(ApusError) {
        if connection.isReadOnly { throw .refusal(path, "it cannot be written to") }
    }

    private func found(epoch: String) throws(ApusError) {
        try transaction { () throws(ApusError) in
            try connection.execute(Schema.tables)
            try connection.execute("PRAGMA application_id = \(Schema.applicationID)")
            let statement = try Statement("INSERT INTO meta (name, value) VALUES ('epoch', ?1)", on: connection)
            statement.bind(epoch, at: 1)
            try statement.run()
            statement.finish()
        }
    }

    /// Makes a database of a version before into one of this.
    private func upgrade(from version: Int64) throws(ApusError) {
        try transaction { () throws(ApusError) in
            if version == Schema.versionWithoutDevices {
                try connection.execute(Schema.deviceTable(isTemporary: false))
            }
            try connection.execute(Schema.auditUpgrade)
            try checkTables()
        }
    }

    /// Commits what `body` does together with the version.
    private func transaction(_ body: () throws(ApusError) -> Void) throws(ApusError) {
        do throws(ApusError) {
            try connection.run(.beginWriting)
            try body()
            try connection.execute("PRAGMA user_version = \(Schema.version)")
            try connection.run(.commit)
        } catch {
            connection.rollBack()
            throw error
        }
    }

    /// The same failure with a message for the operator, who is the only one to read it: no client is there yet.
    private func explained(_ error: ApusError) -> ApusError {
        guard error.code == .storageUnavailable else {
            return ApusError(error.code, "the database \(path) cannot be opened: no space left", cause: error.cause)
        }
        return .refusal(path, connection.complaint, cause: error.cause)
    }
}
