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
            if !isNew { try checkSchema() }
            try checkAccess()
            try connection.configure(as: .writer(durability))
            if isNew { try found(epoch: makeEpoch()) }
            // A statement that cannot be prepared is a table that is not as it should be.
            for query in Query.allCases { _ = try connection.prepared(query) }
            return Epoch(try connection.text("SELECT value FROM meta WHERE name = 'epoch'"))
        } catch {
            throw error.cause == nil ? error : explained(error)
        }
    }

    /// The epoch of a database that is only read.
    func epochFound() throws(ApusError) -> Epoch {
        do throws(ApusError) {
            try connection.configure(as: .reader)
            try checkSchema()
            return Epoch(try connection.text("SELECT value FROM meta WHERE name = 'epoch'"))
        } catch {
            throw error.cause == nil ? error : explained(error)
        }
    }

    private func isEmpty() throws(ApusError) -> Bool {
        let identity = try (connection.number("PRAGMA application_id"), connection.number("PRAGMA user_version"))
        let tables = try connection.number("SELECT count(*) FROM sqlite_schema")
        return identity == (0, 0) && tables == 0
    }

    private func checkSchema() throws(ApusError) {
        guard try connection.number("PRAGMA application_id") == Schema.applicationID else {
            throw .refusal(path, "it is a SQLite database of another program")
        }
        let version = try connection.number("PRAGMA user_version")
        guard version <= Schema.version else {
            throw .refusal(
                path,
                "it was written by a newer Apus (schema version \(version); this one knows \(Schema.version))")
        }
        guard version == Schema.version else {
            throw .refusal(path, "its schema version \(version) is unknown")
        }
    }

    private func checkAccess() throws(ApusError) {
        if connection.isReadOnly { throw .refusal(path, "it cannot be written to") }
    }

    private func found(epoch: String) throws(ApusError) {
        do throws(ApusError) {
            try connection.run(.beginWriting)
            try connection.execute(Schema.tables)
            try connection.execute("PRAGMA application_id = \(Schema.applicationID)")
            try connection.execute("PRAGMA user_version = \(Schema.version)")
            let statement = try Statement("INSERT INTO meta (name, value) VALUES ('epoch', ?1)", on: connection)
            statement.bind(epoch, at: 1)
            try statement.run()
            statement.finish()
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
