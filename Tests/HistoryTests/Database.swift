import CSQLite

@testable import ServerTests

/// A database of a run, in the run's folder.
struct Database {
    let kind: String
    let name: String
    /// Whether its changes were made older and no server has seen it since.
    var isAged = false

    init(kind: String, name: String) {
        self.kind = kind
        self.name = name
    }

    var url: String { "\(kind):\(name)" }

    /// Makes every change two days older, so that the next server, which keeps tombstones for one, forgets them.
    ///
    /// No setting asks for less than a day, and the clock is the machine's. Only SQLite files.
    mutating func age(in directory: String) throws {
        let days = 2 * 86_400_000
        let statements = """
            BEGIN;
            UPDATE records SET committed_at = committed_at - \(days);
            UPDATE owners SET last_committed_at = last_committed_at - \(days);
            COMMIT;
            """
        var connection: OpaquePointer?
        defer { sqlite3_close(connection) }
        guard sqlite3_open(directory + "/" + name, &connection) == SQLITE_OK,
            sqlite3_exec(connection, statements, nil, nil, nil) == SQLITE_OK
        else { throw SocketFailure.malformed(String(cString: sqlite3_errmsg(connection))) }
        isAged = true
    }
}
