public import ApusCore

/// Looks for anything wrong with a storage, which may be served meanwhile; changes nothing.
public struct Checkup: Sendable {
    private let storage: NamedStorage

    public struct Report: Sendable {
        public var findings: Findings
        /// Of what could be read.
        public var counts: RowCounts
        public var description: StorageDescription
    }

    public init(of storage: NamedStorage) {
        self.storage = storage
    }

    /// - Throws: with a message for the operator, if the storage cannot be opened at all.
    public func run() throws(ApusError) -> Report {
        let backend = try storage.open(.reading)
        let reader = try backend.openReader()
        var report = Report(findings: Findings(), counts: RowCounts(), description: backend.description)
        let faults = try telling(of: storage.path, "read") { () throws(ApusError) in
            try backend.faults(limit: Findings.shownMax)
        }
        for line in faults.flatMap(Findings.lines) { report.findings.add(line) }
        do throws(ApusError) {
            try reader.snapshot { () throws(ApusError) in try examine(reader, &report) }
        } catch {
            let told = error.told(of: storage.path, "read to its end")
            report.findings.add(told.message + (told.cause.map { " (\($0))" } ?? ""))
        }
        return report
    }

    private func examine(_ reader: any StorageReader, _ report: inout Report) throws(ApusError) {
        if try reader.note(UnfinishedMigration.noteName) != nil {
            report.findings.add("a migration into this database was not finished: finish it with apus migrate --resume")
        }
        let ledger = try AuditLedger(notedIn: reader, findings: &report.findings)
        var chain = ChainExamination(expiredThrough: ledger?.expiredThrough ?? 0)
        var owner: (examination: OwnerExamination, id: OwnerID)?
        var walk = StorageWalk(over: reader)
        while let rows = try walk.next() {
            for row in rows {
                report.counts[row.kind] += 1
                switch row {
                case .owner(let entry):
                    try finish(owner, reader, &report.findings)
                    owner = (OwnerExamination(of: entry, findings: &report.findings), entry.owner)
                case .record(let record, let kept):
                    let found = try reader.record(at: record.address)
                    owner?.examination.take(record, kept: kept, found: found, findings: &report.findings)
                case .audit(let entry): chain.take(entry, findings: &report.findings)
                case .answer, .user, .device, .token, .revocation, .cutoff:
                    try examine(row, reader, &report.findings)
                }
            }
        }
        try finish(owner, reader, &report.findings)
        chain.finish(ledger, findings: &report.findings)
    }

    private func finish(
        _ owner: (examination: OwnerExamination, id: OwnerID)?, _ reader: any StorageReader, _ findings: inout Findings
    ) throws(ApusError) {
        guard let owner else { return }
        let usage = try reader.usage(owner: owner.id, liveAt: .distantPast)
        owner.examination.finish(usage: usage, findings: &findings)
    }

    /// What must hold for rows that are not an owner's records.
    private func examine(
        _ row: StoredRow, _ reader: any StorageReader, _ findings: inout Findings
    ) throws(ApusError) {
        switch row {
        case .owner, .record, .audit: break
        case .answer(let answer):
            let found = try reader.storedAnswer(owner: answer.owner, key: answer.key)
            findings.expect(
                found == answer, "answer \(Findings.quoted(answer.key)): by its key another one is found, or none")
        case .user(let user):
            let name = Findings.quoted(user.id.text)
            if let complaint = OwnerID.complaint(about: user.id.text) { findings.add("user \(name): \(complaint)") }
            findings.expect(try reader.user(user.id) == user, "user \(name): by the id another one is found, or none")
        case .device(let device): try examine(device, reader, &findings)
        case .token(let token): try examine(token, reader, &findings)
        case .revocation(let revocation):
            findings.expect(!revocation.tokenID.isEmpty, "a revocation names no token")
        case .cutoff(let cutoff):
            let name = Findings.quoted(cutoff.user.text)
            if let complaint = OwnerID.complaint(about: cutoff.user.text) {
                findings.add("revocation of user \(name): \(complaint)")
            }
            findings.expect(cutoff.generation >= 0, "revocation of user \(name): its generation is below 0")
        }
    }

    private func examine(
        _ device: Device, _ reader: any StorageReader, _ findings: inout Findings
    ) throws(ApusError) {
        let name = "device \(Findings.quoted(device.owner.text))/\(Findings.quoted(device.id.text))"
        for complaint in [OwnerID.complaint(about: device.owner.text), DeviceID.complaint(about: device.id.text)] {
            if let complaint { findings.add("\(name): \(complaint)") }
        }
        let found = try reader.device(device.address)
        findings.expect(found == device, "\(name): by its id another one is found, or none")
    }

    private func examine(
        _ token: TokenGrant, _ reader: any StorageReader, _ findings: inout Findings
    ) throws(ApusError) {
        let name = Findings.quoted(token.id)
        if let complaint = OwnerID.complaint(about: token.user.text) { findings.add("token \(name): \(complaint)") }
        let found = try reader.token(id: token.id)
        findings.expect(found == token, "token \(name): by its id another one is found, or none")
        findings.expect(token.issuedAt <= token.expiresAt, "token \(name): it ends before it begins")
        findings.expect(token.generation >= 0, "token \(name): its generation is below 0")
        guard let claims = token.claims else { return }
        do throws(ApusError) {
            _ = try JSONText(parsing: claims.bytes, depthMax: Limits().valueDepthMax)
        } catch {
            findings.add("token \(name): its claims are \(error.message)")
        }
    }
}
