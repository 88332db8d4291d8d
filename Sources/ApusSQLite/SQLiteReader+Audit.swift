internal import ApusCore
internal import NIOCore

extension SQLiteReader {
    func auditEntries(after number: Int64, limit: Int) throws(ApusError) -> [AuditEntry] {
        if connection.hasEarlierAudit { return try EarlierAudit(connection).entries(after: number, limit: limit) }
        return try auditEntries(.auditAfter, number, limit: limit)
    }

    func auditEntries(before number: Int64?, limit: Int) throws(ApusError) -> [AuditEntry] {
        if connection.hasEarlierAudit { return try EarlierAudit(connection).entries(before: number, limit: limit) }
        return try auditEntries(.auditBefore, number ?? .max, limit: limit)
    }

    private func auditEntries(_ query: Query, _ number: Int64, limit: Int) throws(ApusError) -> [AuditEntry] {
        let statement = try connection.prepared(query)
        defer { statement.finish() }
        statement.bind(number, at: 1)
        statement.bind(Int64(limit), at: 2)
        var entries: [AuditEntry] = []
        while try statement.step() {
            var entry = AuditEntry(statement)
            entry.number = statement.number(8)
            if !statement.isNull(9) { entry.previous = AuditHash(stored: Array(statement.bytes(9).readableBytesView)) }
            entries.append(entry)
        }
        return entries
    }
}

/// The audit log of a version before, whose entries have no numbers: they count from the oldest, as they will when the
/// file is made into one of this version.
///
/// A page costs as much as all that are before it; only files that are looked at without being served are read so.
private struct EarlierAudit {
    private let connection: Connection

    init(_ connection: Connection) {
        self.connection = connection
    }

    func entries(after number: Int64, limit: Int) throws(ApusError) -> [AuditEntry] {
        try entries(skipping: max(number, 0), limit: limit)
    }

    func entries(before number: Int64?, limit: Int) throws(ApusError) -> [AuditEntry] {
        let count = try connection.number("SELECT count(*) FROM audit")
        let end = min(max(number ?? .max, 1) - 1, count)
        let start = max(end - Int64(limit), 0)
        return try entries(skipping: start, limit: Int(end - start)).reversed()
    }

    private func entries(skipping count: Int64, limit: Int) throws(ApusError) -> [AuditEntry] {
        let statement = try Statement(
            """
            SELECT at, actor, ip, request_id, action, target, outcome, detail FROM audit
            ORDER BY at, number LIMIT ?1 OFFSET ?2
            """, on: connection)
        statement.bind(Int64(limit), at: 1)
        statement.bind(count, at: 2)
        var entries: [AuditEntry] = []
        while try statement.step() {
            var entry = AuditEntry(statement)
            entry.number = count + Int64(entries.count) + 1
            entries.append(entry)
        }
        return entries
    }
}

extension AuditEntry {
    /// The part of a row that every version has.
    fileprivate init(_ row: Statement) {
        let origin = RequestOrigin(actor: row.text(1), ip: row.text(2), requestID: row.text(3))
        self.init(
            at: row.moment(0), origin: origin, action: row.text(4), target: row.text(5), outcome: row.text(6),
            detail: row.text(7))
    }
}
