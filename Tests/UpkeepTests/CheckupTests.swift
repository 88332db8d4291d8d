import ApusCore
import Foundation
import NIOCore
import Testing

@testable import ApusUpkeep

@Suite struct CheckupTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func findings(_ kind: String = "sqlite") throws -> [String] {
        try Checkup(of: folder.storage(kind, "data")).run().findings.texts
    }

    @Test(arguments: keptKinds)
    func `nothing is wrong with what a server wrote, also while it writes`(_ kind: String) throws {
        let writer = try folder.open(kind, "data").openWriter()
        try writer.fill(owners: 6)
        let report = try Checkup(of: folder.storage(kind, "data")).run()
        #expect(report.findings.texts == [])
        #expect(report.counts[.records] == 54 && report.counts[.audit] == 7)
        writer.close()
    }

    @Test(arguments: [
        ("UPDATE records SET value = x'7B' WHERE key = 'k1'", "not valid JSON"),
        ("UPDATE records SET seq = 12 WHERE key = 'k9'", "beyond the owner's last"),
        ("UPDATE records SET seq = 10 WHERE key = 'k9'", "purged tombstone"),
        ("UPDATE records SET committed_at = 0 WHERE key = 'k9'", "before the change before it"),
        ("UPDATE records SET committed_at = 9 WHERE key = 'k9'", "after the owner's last commit"),
        ("UPDATE records SET value = NULL WHERE key = 'k1'", "neither a value nor been deleted"),
        ("UPDATE records SET deleted_at = 7, value = x'7B' WHERE key = 'k1'", "the value it keeps is not valid JSON"),
        ("UPDATE records SET updated_at = 9e18 WHERE key = 'k1'", "no time"),
        ("UPDATE records SET key = '' WHERE key = 'k1'", "key must be 1 to 256 bytes"),
        ("UPDATE records SET key = char(10) WHERE key = 'k1'", "control characters"),
        ("UPDATE records SET key = CAST(x'FF' AS TEXT) WHERE key = 'k1'", "not found by its key"),
        ("UPDATE owners SET last_seq = 8", "beyond the owner's last"),
        ("UPDATE owners SET purged_through = 12", "beyond its last change"),
        ("UPDATE owners SET name = char(7)", "user_id must not hold control characters"),
        ("UPDATE devices SET id = ''", "device_id must be 1 to 128 bytes"),
        ("UPDATE devices SET id = CAST(x'FF' AS TEXT)", "by its id another one is found"),
        ("UPDATE tokens SET expires_at = 0", "ends before it begins"),
        ("UPDATE tokens SET claims = x'7B'", "its claims are not valid JSON"),
        ("UPDATE cutoffs SET generation = -1", "below 0"),
        ("DELETE FROM scopes", "belongs to no collection"),
        ("DELETE FROM owners", "belongs to no owner"),
    ])
    func `a row that was tampered with is found`(statement: String, told: String) throws {
        try folder.fill("sqlite", "data", owners: 1)
        try folder.tamper("data", statement)
        let found = try findings()
        #expect(found.contains { $0.contains(told) }, "\(found)")
        #expect(found.allSatisfy { !$0.contains("\n") })
    }

    @Test func `a record that the changes do not have is found`() throws {
        try folder.fill("sqlite", "data", owners: 1)
        try folder.tamper("data", "UPDATE records SET seq = -1 WHERE key = 'k1'")
        #expect(try findings().contains { $0.contains("are counted") })
    }

    @Test func `flipped bytes are found, and the first hundred findings are told`() throws {
        let writer = try folder.open("sqlite", "data").openWriter()
        try writer.fill(owners: 60)
        writer.close()
        try folder.tamper(
            "data",
            "PRAGMA wal_checkpoint(TRUNCATE); UPDATE records SET value = x'7B' WHERE seq % 2 = 1 AND value IS NOT NULL")
        let report = try Checkup(of: folder.storage("sqlite", "data")).run()
        #expect(report.findings.texts.count == 100 && report.findings.countBeyond == 60 * 5 - 100)
        try folder.tamper("data", "PRAGMA journal_mode = DELETE")
        let path = URL(filePath: folder.file("data"))
        var bytes = try Data(contentsOf: path)
        for page in 3..<bytes.count / 4096 { bytes[page * 4096 + 1] ^= 0xFF }
        try bytes.write(to: path)
        #expect(try !findings().isEmpty)
    }

    @Test func `a damaged database is neither migrated nor backed up, lest rows are lost unnoticed`() throws {
        try folder.fill("sqlite", "data", owners: 1)
        try folder.tamper("data", "DELETE FROM scopes")
        let migration = Migration(
            from: try folder.storage("sqlite", "data"), to: try folder.storage("sqlite", "to"), resumes: false)
        #expect(try complaint { _ = try migration.run { _ in } }.contains("damaged"))
        let backup = Backup(at: folder.file("backup"))
        let told = try complaint {
            _ = try backup.make(of: folder.storage("sqlite", "data"), apusVersion: "1", createdAt: moment(0))
        }
        #expect(told.contains("damaged") && told.contains(folder.file("data")))
        #expect(try folder.contents().keys.allSatisfy { $0.hasPrefix("data") })
    }

    @Test(arguments: keptKinds)
    func `what cannot be opened is told in one line that names it`(_ kind: String) throws {
        #expect(try complaint { _ = try findings(kind) }.contains(folder.file("data")))
        try Data(repeating: 7, count: 10_000).write(to: URL(filePath: folder.file("data")))
        #expect(try complaint { _ = try findings(kind) }.contains(folder.file("data")))
        #expect(try folder.contents()["data"] == Data(repeating: 7, count: 10_000))
    }

    @Test func `progress is shown at most five times a second, and always once it is complete`() {
        var meter = ProgressMeter(style: .json)
        func text(_ rows: Int, _ milliseconds: Int64, _ phase: MigrationProgress.Phase = .copying) -> String? {
            meter.text(
                for: MigrationProgress(phase: phase, rows: rows, total: 1000), at: .milliseconds(milliseconds))
        }
        #expect(text(0, 0) == #"{"phase":"copying","rows":0,"total":1000,"rows_per_second":0}"# + "\n")
        #expect(text(100, 199) == nil)
        #expect(
            text(500, 1000)
                == #"{"phase":"copying","rows":500,"total":1000,"rows_per_second":500,"seconds_left":1}"# + "\n")
        #expect(text(1000, 1001)?.contains(#""rows":1000,"#) == true)
        #expect(text(1, 1002, .comparing)?.contains("comparing") == true)
        #expect(meter.ending.isEmpty)
    }

    @Test func `a bar shows percent, rows, rate and the time left, and is wiped away`() {
        var meter = ProgressMeter(style: .bar)
        #expect(meter.ending.isEmpty)
        let first = meter.text(for: MigrationProgress(phase: .reading, rows: 10), at: .zero)
        #expect(first == "\r\u{1B}[Kreading  10 rows  0/s")
        _ = meter.text(for: MigrationProgress(phase: .copying, rows: 0, total: 36_000), at: .seconds(1))
        let half = meter.text(for: MigrationProgress(phase: .copying, rows: 18_000, total: 36_000), at: .seconds(181))
        #expect(half == "\r\u{1B}[Kcopying  [############............]  50 %  18000 of 36000 rows  100/s  3:00 left")
        #expect(meter.ending == "\r\u{1B}[K")
        var silent = ProgressMeter(style: .none)
        #expect(silent.text(for: MigrationProgress(phase: .reading, rows: 10), at: .zero) == nil)
        #expect(silent.ending.isEmpty)
    }
}
