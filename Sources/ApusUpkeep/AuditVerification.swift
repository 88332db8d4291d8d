public import ApusCore

/// Reads the whole audit log of a storage, which may be served meanwhile, and tells whether any entry was changed,
/// taken out or moved since it was written; changes nothing.
///
/// It holds a page, and no snapshot for longer than that.
public struct AuditVerification: Sendable {
    private let storage: NamedStorage
    /// Entries of one page.
    var pageEntriesMax = 1000

    /// What was found, as far as it was written when the reading began.
    public struct Report: Sendable {
        public var findings: Findings
        public var entries: Int
        public var first: AuditEntry?
        public var last: AuditEntry?
        /// The first entry that holds the hash of the one before.
        public var chainedFrom: Int64?
        /// As it was noted when the reading began.
        public var ledger: AuditLedger?
    }

    public init(of storage: NamedStorage) {
        self.storage = storage
    }

    /// - Throws: with a message for the operator, if the storage cannot be opened or read.
    public func run() throws(ApusError) -> Report {
        let reader = try storage.open(.reading).openReader()
        return try telling(of: storage.path, "read") { () throws(ApusError) in try verify(reader) }
    }

    private func verify(_ reader: any StorageReader) throws(ApusError) -> Report {
        var findings = Findings()
        let ledger = try AuditLedger(notedIn: reader, findings: &findings)
        let newest = try reader.auditEntries(limit: 1).first?.number
        let goal = ledger?.number ?? newest ?? 0
        var chain = ChainExamination(expiredThrough: ledger?.expiredThrough ?? 0)
        var hasMore = true
        while hasMore {
            let (page, noted) = try nextPage(after: chain.last?.number ?? 0, reader)
            if let noted { chain.drop(through: noted.expiredThrough) }
            for entry in page where entry.number <= goal { chain.take(entry, findings: &findings) }
            hasMore = page.count == pageEntriesMax && page.last.map { $0.number < goal } ?? false
        }
        chain.finish(ledger, findings: &findings)
        try checkEnd(reader, &findings)
        return Report(
            findings: findings, entries: chain.entries, first: chain.first, last: chain.last,
            chainedFrom: chain.chainedFrom, ledger: ledger)
    }

    /// Nothing stands behind the newest entry that was noted.
    private func checkEnd(_ reader: any StorageReader, _ findings: inout Findings) throws(ApusError) {
        let (newest, note) = try reader.snapshot { () throws(ApusError) in
            (try reader.auditEntries(limit: 1).first, try reader.note(AuditLedger.noteName))
        }
        if let newest, let noted = note.flatMap(AuditLedger.init), newest.number > noted.number {
            findings.add("audit entry \(newest.number) is there, although only \(noted.number) were written")
        }
    }

    /// A page and what is noted in the same commit: entries may be dropped for their age between two pages.
    private func nextPage(
        after number: Int64, _ reader: any StorageReader
    ) throws(ApusError) -> (entries: [AuditEntry], ledger: AuditLedger?) {
        try reader.snapshot { () throws(ApusError) in
            let entries = try reader.auditEntries(after: number, limit: pageEntriesMax)
            let note = try reader.note(AuditLedger.noteName)
            return (entries, note.flatMap(AuditLedger.init))
        }
    }
}
