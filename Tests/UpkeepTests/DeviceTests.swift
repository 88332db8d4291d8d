import ApusCore
import ApusServer
import Foundation
import Testing

@testable import ApusUpkeep

/// Devices, which may be anybody's, and databases of before there were any.
@Suite struct DeviceTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private let find: Backup.Finding = { kind, path throws(ApusError) in
        try PluginRegistry.standard.storage(StorageURL(name: kind, path: path))
    }

    private var backup: Backup { Backup(at: folder.file("backup")) }

    private func register(_ owners: String..., in kind: String, _ name: String = "data") throws {
        let writer = try folder.open(kind, name).openWriter()
        defer { writer.close() }
        try writer.commit { batch in
            batch.devices = try owners.map { owner in
                Device(owner: try OwnerID(owner), id: try DeviceID("tv"), name: "TV", registeredAt: moment(1))
            }
        }
    }

    private func devices(_ kind: String, _ name: String) throws -> [Device] {
        try folder.open(kind, name, .reading).openReader().devices(after: nil, limit: 9)
    }

    @Test(arguments: keptPairs)
    func `devices of users who were never made and never wrote are migrated`(from: String, to: String) throws {
        try register("a", "b", in: from, "from")
        let migration = Migration(
            from: try folder.storage(from, "from"), to: try folder.storage(to, "to"), resumes: false)
        guard case .done(let tally, _) = try migration.run(onProgress: { _ in }) else {
            Issue.record("it was not done")
            return
        }
        #expect(tally.counts[.devices] == 2 && tally.counts.total == 2)
        #expect(try devices(to, "to") == devices(from, "from"))
    }

    @Test(arguments: keptKinds)
    func `they are backed up, verified and restored`(_ kind: String) throws {
        try register("a", "b", in: kind)
        let manifest = try backup.make(of: folder.storage(kind, "data"), apusVersion: "1", createdAt: moment(0))
        #expect(manifest.counts[.devices] == 2 && manifest.counts.total == 2)
        #expect(try backup.verify(finding: find) == manifest)
        _ = try backup.restore(to: folder.storage(kind, "again"), makeEpoch: { "fresh" })
        #expect(try devices(kind, "again") == devices(kind, "data"))
        #expect(try Checkup(of: folder.storage(kind, "again")).run().counts[.devices] == 2)
    }

    @Test(arguments: keptKinds)
    func `a copy that lacks a device is not the same`(_ kind: String) throws {
        try register("a", "b", in: kind, "from")
        let migration = Migration(
            from: try folder.storage(kind, "from"), to: try folder.storage(kind, "to"), resumes: false)
        _ = try migration.run { _ in }
        let writer = try folder.open(kind, "to").openWriter()
        try writer.commit { $0.forgottenDevices = [DeviceAddress(owner: try OwnerID("b"), id: try DeviceID("tv"))] }
        writer.close()
        let told = try complaint { _ = try migration.run { _ in } }
        #expect(told.contains("not the same") && told.contains("devices 1") && told.contains("devices 2"))
    }

    @Test(arguments: keptKinds)
    func `a target that holds nothing but a device is not empty`(_ kind: String) throws {
        try folder.fill(kind, "from", owners: 1)
        try register("a", in: kind, "to")
        let migration = Migration(
            from: try folder.storage(kind, "from"), to: try folder.storage(kind, "to"), resumes: false)
        #expect(try complaint { _ = try migration.run { _ in } }.contains("holds something"))
    }

    @Test func `a backup of before there were devices is verified, left as it was, and restored`() throws {
        try folder.fill("sqlite", "data", owners: 2)
        try folder.makeEarlier("data", version: 1)
        let made = try backup.make(of: folder.storage("sqlite", "data"), apusVersion: "0", createdAt: moment(0))
        #expect(made.schemaVersion == 1 && made.counts[.devices] == 0 && made.counts[.records] == 18)
        // What an Apus of before wrote counts no devices.
        let path = folder.file("backup/manifest.json")
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try Data(text.replacing("\"devices\": 0, ", with: "").utf8).write(to: URL(filePath: path))
        let bytes = try Data(contentsOf: URL(filePath: folder.file("backup/data")))
        #expect(try backup.verify(finding: find) == made)
        #expect(try Data(contentsOf: URL(filePath: folder.file("backup/data"))) == bytes)
        _ = try backup.restore(to: folder.storage("sqlite", "again"), makeEpoch: { "fresh" })
        let again = try folder.open("sqlite", "again", .existing)
        #expect(again.description.schemaVersion == 3)
        #expect(try RowCounts(of: again.openReader()) == made.counts)
    }

    @Test func `a database of before there were devices is migrated and looked at`() throws {
        try folder.fill("sqlite", "data", owners: 2)
        try folder.makeEarlier("data", version: 1)
        let report = try Checkup(of: folder.storage("sqlite", "data")).run()
        #expect(report.findings.texts == [] && report.counts[.records] == 18 && report.description.schemaVersion == 1)
        let migration = Migration(
            from: try folder.storage("sqlite", "data"), to: try folder.storage("lmdb", "to"), resumes: false)
        guard case .done(let tally, _) = try migration.run(onProgress: { _ in }) else {
            Issue.record("it was not done")
            return
        }
        #expect(tally.counts == report.counts)
    }
}
