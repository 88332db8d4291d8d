import ApusCore
import ApusServer
import Foundation
import NIOCore
import Testing

@testable import ApusUpkeep

/// The audit log as a chain: what is told of one that someone changed behind the server's back.
@Suite struct AuditTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func verify(_ kind: String = "sqlite", _ name: String = "data") throws -> AuditVerification.Report {
        var verification = AuditVerification(of: try folder.storage(kind, name))
        verification.pageEntriesMax = 4
        return try verification.run()
    }

    @Test(arguments: keptKinds, [1, 3, 4, 5, 8, 30])
    func `a log that nobody touched is whole, whatever its length`(_ kind: String, count: Int) throws {
        let ledger = try folder.fillAudit(kind, "data", count: count)
        let report = try verify(kind)
        #expect(report.findings.texts == [] && report.entries == count && report.chainedFrom == 1)
        #expect(report.first?.number == 1 && report.last?.number == Int64(count) && report.ledger == ledger)
        #expect(try Checkup(of: folder.storage(kind, "data")).run().findings.texts == [])
    }

    @Test(arguments: keptKinds) func `an empty log is whole`(_ kind: String) throws {
        _ = try folder.open(kind, "data")
        let report = try verify(kind)
        #expect(report.findings.texts == [] && report.entries == 0 && report.ledger == nil)
    }

    @Test(arguments: [
        ("UPDATE audit SET detail = 'é' WHERE number = 5", ["audit entry 5 was changed"]),
        ("UPDATE audit SET at = at + 1 WHERE number = 4", ["audit entry 4 was changed"]),
        ("UPDATE audit SET actor = 'user:x' WHERE number = 1", ["audit entry 1 was changed"]),
        ("UPDATE audit SET outcome = '' WHERE number = 12", ["audit entry 12 was changed: its hash is not the one"]),
        ("UPDATE audit SET ip = request_id, request_id = ip WHERE number = 7", ["audit entry 7 was changed"]),
        (
            "UPDATE audit SET previous = zeroblob(32) WHERE number = 6",
            ["what entry 6 holds of it", "entry 6 was changed"]
        ),
        (
            "UPDATE audit SET previous = NULL WHERE number = 6",
            ["audit entry 6 was changed: it lacks", "6 was changed, or"]
        ),
        (
            "UPDATE audit SET previous = randomblob(32) WHERE number = 1",
            ["audit entry 1 was changed: it holds", "1 was"]
        ),
        ("DELETE FROM audit WHERE number = 6", ["audit entry 6 is missing"]),
        ("DELETE FROM audit WHERE number IN (3, 4, 5, 9)", ["entries 3 to 5 are missing", "entry 9 is missing"]),
        ("DELETE FROM audit WHERE number > 9", ["audit entries 10 to 12 are missing"]),
        ("DELETE FROM audit WHERE number = 12", ["audit entry 12 is missing"]),
        ("DELETE FROM audit WHERE number < 4", ["audit entries 1 to 3 are missing"]),
        ("DELETE FROM audit", ["audit entries 1 to 12 are missing"]),
        (
            "UPDATE audit SET number = CASE number WHEN 5 THEN -6 ELSE -5 END WHERE number IN (5, 6);"
                + "UPDATE audit SET number = -number WHERE number < 0",
            ["audit entry 4 was changed, or what entry 5 holds", "entry 5 was changed", "entry 6 was changed"]
        ),
        (
            "INSERT INTO audit SELECT number + 1, at, actor, ip, request_id, action, target, outcome, detail, previous"
                + " FROM audit WHERE number = 12",
            ["audit entry 13 is there, although only 12 were written"]
        ),
        ("DELETE FROM meta WHERE name = 'note:audit'", ["the note of how far the audit log goes is missing"]),
        ("UPDATE meta SET value = '12' WHERE name = 'note:audit'", ["cannot be read", "is missing"]),
    ])
    func `what was done to an entry is told with its number`(statement: String, told: [String]) throws {
        try folder.fillAudit("sqlite", "data", count: 12)
        try folder.tamper("data", statement)
        let found = try verify().findings.texts
        #expect(found.count == told.count, "\(found)")
        for (finding, part) in zip(found, told) { #expect(finding.contains(part), "\(found)") }
        let doctor = try Checkup(of: folder.storage("sqlite", "data")).run().findings.texts
        #expect(Set(found).isSubset(of: doctor), "\(doctor)")
    }

    @Test(arguments: keptKinds)
    func `a byte that was changed in the file is found`(_ kind: String) throws {
        try folder.fillAudit(kind, "data", count: 12)
        if kind == "sqlite" { try folder.tamper("data", "PRAGMA journal_mode = DELETE") }
        let path = URL(filePath: folder.file("data"))
        var bytes = try Data(contentsOf: path)
        let place = try #require(bytes.firstRange(of: Data("target 7".utf8)))
        bytes[place.upperBound - 1] = UInt8(ascii: "8")
        try bytes.write(to: path)
        #expect(try verify(kind).findings.texts.first?.contains("audit entry 7 was changed") == true)
    }

    @Test(arguments: keptKinds)
    func `entries that were dropped for their age are no fault, and more than those are one`(_ kind: String) throws {
        var ledger = try folder.fillAudit(kind, "data", count: 12)
        func forget(through number: Int64, noted: Int64) throws {
            let writer = try folder.open(kind, "data").openWriter()
            defer { writer.close() }
            ledger.expiredThrough = noted
            try writer.commit {
                $0.forgetting = Retention(
                    answersStoredBefore: moment(0), auditThrough: number, tokensEndedBefore: moment(0))
                $0.notes[AuditLedger.noteName] = ledger.text
            }
        }
        try forget(through: 5, noted: 5)
        let report = try verify(kind)
        #expect(report.findings.texts == [] && report.entries == 7 && report.first?.number == 6)
        #expect(try Checkup(of: folder.storage(kind, "data")).run().findings.texts == [])
        try forget(through: 7, noted: 5)
        #expect(try verify(kind).findings.texts == ["audit entries 6 to 7 are missing"])
        try forget(through: 7, noted: 8)
        #expect(try verify(kind).findings.texts.first?.contains("audit entry 8 is there, although") == true)
        try forget(through: 12, noted: 12)
        #expect(try verify(kind).findings.texts == [])
    }

    @Test(arguments: keptPairs)
    func `a migrated log is the same chain`(from: String, to: String) throws {
        let ledger = try folder.fillAudit(from, "data", count: 9)
        let migration = Migration(
            from: try folder.storage(from, "data"), to: try folder.storage(to, "to"), resumes: false)
        _ = try migration.run { _ in }
        let report = try verify(to, "to")
        #expect(report.findings.texts == [] && report.entries == 9 && report.ledger == ledger)
    }

    @Test(arguments: keptKinds)
    func `a restored log is the same chain`(_ kind: String) throws {
        let ledger = try folder.fillAudit(kind, "data", count: 9)
        let backup = Backup(at: folder.file("backup"))
        _ = try backup.make(of: folder.storage(kind, "data"), apusVersion: "1", createdAt: moment(0))
        _ = try backup.restore(to: folder.storage(kind, "again"), makeEpoch: { "fresh" })
        let report = try verify(kind, "again")
        #expect(report.findings.texts == [] && report.entries == 9 && report.ledger == ledger)
    }

    @Test func `entries of an earlier version are numbered, and the chain begins behind them`() throws {
        try folder.fill("sqlite", "data", owners: 1)
        try folder.makeEarlier("data", version: 2)
        var report = try verify()
        #expect(report.findings.texts == [] && report.entries == 7 && report.chainedFrom == nil)
        let writer = try folder.open("sqlite", "data").openWriter()
        try writer.chainAudit(count: 3)
        writer.close()
        report = try verify()
        #expect(report.findings.texts == [] && report.entries == 10 && report.chainedFrom == 8)
        try folder.tamper("data", "UPDATE audit SET detail = 'x' WHERE number = 7")
        #expect(try verify().findings.texts.map { $0.contains("audit entry 7 was changed") } == [true])
    }
}

extension TemporaryFolder {
    /// Makes a storage in the folder with a log of so many entries, chained as an engine does.
    @discardableResult
    fileprivate func fillAudit(_ kind: String, _ name: String, count: Int) throws -> AuditLedger {
        let writer = try open(kind, name).openWriter()
        defer { writer.close() }
        return try writer.chainAudit(count: count)
    }
}

extension StorageWriter {
    @discardableResult
    fileprivate func chainAudit(count: Int) throws -> AuditLedger {
        var (ledger, buffer) = (AuditLedger(), ByteBuffer())
        if let last = try auditEntries(limit: 1).first {
            ledger = AuditLedger(number: last.number, hash: AuditHash(of: last, encodedIn: &buffer))
        }
        try commit { batch in
            for _ in 0..<count {
                let origin = RequestOrigin(actor: "user:u", ip: "::1", requestID: "r")
                var entry = AuditEntry(
                    at: moment(ledger.number / 3), origin: origin, action: "a", target: "target \(ledger.number + 1)")
                entry.number = ledger.number + 1
                entry.previous = ledger.hash
                ledger = AuditLedger(number: entry.number, hash: AuditHash(of: entry, encodedIn: &buffer))
                batch.audit.append(entry)
            }
            batch.notes[AuditLedger.noteName] = ledger.text
        }
        return ledger
    }
}
