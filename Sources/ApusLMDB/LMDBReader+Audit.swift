internal import ApusCore
internal import CLMDB

extension LMDBReader {
    private var hasEarlierAudit: Bool { environment.schemaVersion < Schema.versionWithAuditNumbers }

    func auditEntries(after number: Int64, limit: Int) throws(ApusError) -> [AuditEntry] {
        try view { view throws(ApusError) in
            guard !hasEarlierAudit else {
                return try EarlierAudit(view).entries(after: max(number, 0), limit: limit)
            }
            var entries: [AuditEntry] = []
            try view.scan(.audit, from: keys.begin().add(number).add(byte: 0)) { key, value throws(ApusError) in
                guard entries.count < limit else { return false }
                entries.append(try AuditEntry(number: key.keyNumber64(at: 0), RowReader(value)))
                return true
            }
            return entries
        }
    }

    func auditEntries(before number: Int64?, limit: Int) throws(ApusError) -> [AuditEntry] {
        try view { view throws(ApusError) in
            guard !hasEarlierAudit else { return try EarlierAudit(view).entries(before: number, limit: limit) }
            var entries: [AuditEntry] = []
            let end = number.map { keys.begin().add($0) }
            try view.scanBack(.audit, before: end) { key, value throws(ApusError) in
                guard entries.count < limit else { return false }
                entries.append(try AuditEntry(number: key.keyNumber64(at: 0), RowReader(value)))
                return true
            }
            return entries
        }
    }
}

/// The audit log of a version before, whose entries have no numbers: they count from the oldest.
struct EarlierAudit {
    private let view: View

    init(_ view: View) {
        self.view = view
    }

    /// A page costs as much as all that are before it; only files that are looked at without being served are read so.
    func entries(after number: Int64, limit: Int) throws(ApusError) -> [AuditEntry] {
        var entries: [AuditEntry] = []
        var count: Int64 = 0
        try view.scan(.audit, from: nil) { key, value throws(ApusError) in
            guard entries.count < limit else { return false }
            count += 1
            guard count > number else { return true }
            var row = RowReader(value)
            entries.append(
                try AuditEntry(number: count, at: Timestamp(milliseconds: key.keyNumber64(at: 0)), texts: &row))
            return true
        }
        return entries
    }

    func entries(before number: Int64?, limit: Int) throws(ApusError) -> [AuditEntry] {
        let end = min(max(number ?? .max, 1) - 1, Int64(try view.count(.audit)))
        let start = max(end - Int64(limit), 0)
        return try entries(after: start, limit: Int(end - start)).reversed()
    }

    /// Puts all entries under numbers in the order they had, into the table of this version.
    ///
    /// - Returns: what LMDB says of it.
    static func number(in transaction: OpaquePointer) -> Int32 {
        var (former, table, cursor) = (MDB_dbi(0), MDB_dbi(0), OpaquePointer?.none)
        var code = mdb_dbi_open(transaction, Table.earlierAudit, 0, &former)
        if code == MDB_SUCCESS { code = mdb_dbi_open(transaction, Table.audit.name, UInt32(MDB_CREATE), &table) }
        if code == MDB_SUCCESS { code = mdb_cursor_open(transaction, former, &cursor) }
        guard code == MDB_SUCCESS else { return code }
        let keys = KeyBuffer()
        var (key, value, number) = (MDB_val(), MDB_val(), Int64(0))
        code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST)
        while code == MDB_SUCCESS {
            number += 1
            var row = RowWriter()
            row.add(AuditHash?.none)
            row.add(Timestamp(milliseconds: UnsafeRawBufferPointer(key).keyNumber64(at: 0)))
            var name = keys.begin().add(number).value
            code = row.append(rest: UnsafeRawBufferPointer(value)) { bytes in
                var new = bytes
                return mdb_put(transaction, table, &name, &new, UInt32(MDB_APPEND))
            }
            if code == MDB_SUCCESS { code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT) }
        }
        mdb_cursor_close(cursor)
        return code == MDB_NOTFOUND ? mdb_drop(transaction, former, 1) : code
    }
}

extension AuditEntry {
    fileprivate init(number: Int64, _ row: consuming RowReader) throws(ApusError) {
        let previous = try row.optionalHash()
        try self.init(number: number, at: try row.moment(), texts: &row)
        self.previous = previous
    }

    fileprivate init(number: Int64, at moment: Timestamp, texts row: inout RowReader) throws(ApusError) {
        let origin = RequestOrigin(actor: try row.text(), ip: try row.text(), requestID: try row.text())
        self.init(
            at: moment, origin: origin, action: try row.text(), target: try row.text(), outcome: try row.text(),
            detail: try row.text())
        self.number = number
    }

    var row: RowWriter {
        var row = RowWriter()
        row.add(previous)
        row.add(at)
        for text in [origin.actor, origin.ip, origin.requestID, action, target, outcome, detail] { row.add(text) }
        return row
    }
}

extension RowWriter {
    /// Hands the row, with `rest` behind it, to `put`.
    fileprivate func append(rest: UnsafeRawBufferPointer, _ put: (MDB_val) -> Int32) -> Int32 {
        var whole = bytes + rest
        return whole.withUnsafeMutableBytes { put(MDB_val(mv_size: $0.count, mv_data: $0.baseAddress)) }
    }
}
