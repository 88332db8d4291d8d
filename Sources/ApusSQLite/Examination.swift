internal import ApusCore

/// Looks for damage, without changing anything.
struct Examination {
    private let connection: Connection
    private let limit: Int

    init(of connection: Connection, limit: Int) {
        self.connection = connection
        self.limit = limit
    }

    func faults() throws(ApusError) -> [String] {
        do throws(ApusError) {
            return try connection.snapshot { () throws(ApusError) in
                var faults = try integrity()
                // What the tables say of each other means something only if each can be read.
                if faults.isEmpty { faults = try strays() }
                return Array(faults.prefix(limit))
            }
        } catch  where connection.fault != nil {
            return ["the file cannot be read to its end: \(connection.complaint)"]
        }
    }

    /// SQLite's own check: pages, rows, each index against its rows (sqlite.org/pragma.html#pragma_integrity_check).
    private func integrity() throws(ApusError) -> [String] {
        let found = try texts("PRAGMA integrity_check(\(limit))")
        return found == ["ok"] ? [] : found
    }

    /// Rows that name an owner or a collection that is not there.
    private func strays() throws(ApusError) -> [String] {
        try texts(
            """
            SELECT 'the record ' || quote(r.key) || ' belongs to no collection of its owner' FROM records r
            WHERE NOT EXISTS (SELECT 1 FROM scopes s WHERE s.id = r.scope AND s.owner = r.owner) LIMIT \(limit)
            """)
            + texts(
                """
                SELECT 'the collection ' || quote(s.collection) || ' belongs to no owner' FROM scopes s
                WHERE NOT EXISTS (SELECT 1 FROM owners o WHERE o.id = s.owner) LIMIT \(limit)
                """)
            + texts(
                """
                SELECT 'the answer ' || quote(a.key) || ' belongs to no owner' FROM answers a
                WHERE NOT EXISTS (SELECT 1 FROM owners o WHERE o.id = a.owner) LIMIT \(limit)
                """)
    }

    private func texts(_ query: String) throws(ApusError) -> [String] {
        let statement = try Statement(query, on: connection)
        var texts: [String] = []
        while try statement.step() { texts.append(statement.text(0)) }
        return texts
    }
}
