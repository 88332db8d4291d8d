import ApusCore
import ApusServer
import Foundation
import Testing

@testable import ApusUpkeep

@Suite struct BackupTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private var backup: Backup { Backup(at: folder.file("backup")) }

    private let find: Backup.Finding = { kind, path throws(ApusError) in
        try PluginRegistry.standard.storage(StorageURL(name: kind, path: path))
    }

    @discardableResult
    private func make(_ kind: String, _ name: String = "backup") throws -> Manifest {
        try Backup(at: folder.file(name)).make(
            of: folder.storage(kind, "data"), apusVersion: "9.9", createdAt: moment(0))
    }

    private func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(filePath: folder.file(name)))
    }

    @Test(arguments: keptKinds)
    func `a backup is the database of the moment, told by a manifest, and nothing else`(_ kind: String) throws {
        let backend = try folder.open(kind, "data")
        let writer = try backend.openWriter()
        try writer.fill(owners: 3)
        let manifest = try make(kind)
        try writer.commit { $0.users = [User(id: try OwnerID("later"), displayName: nil, createdAt: moment(0))] }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.file("backup")).sorted() == [
                "data", "manifest.json",
            ])
        #expect(!FileManager.default.fileExists(atPath: folder.file("backup.partial")))
        #expect(manifest.backend == kind && manifest.epoch == backend.description.epoch.text)
        #expect(manifest.createdAt == "1970-01-01T00:00:00.000Z" && manifest.apusVersion == "9.9")
        #expect(manifest.counts[.records] == 27 && manifest.counts[.users] == 2)
        #expect(manifest.bytes == folder.byteCount("backup/data"))
        #expect(try backup.verify(finding: find) == manifest)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("backup")).count == 2)
        writer.close()
    }

    @Test(arguments: keptKinds)
    func `a restored database holds everything under a new epoch`(_ kind: String) throws {
        try folder.fill(kind, "data")
        let manifest = try make(kind)
        let restored = try backup.restore(to: folder.storage(kind, "again"), makeEpoch: { "fresh" })
        #expect(restored == manifest)
        let again = try folder.open(kind, "again", .existing)
        #expect(again.description.epoch == Epoch("fresh"))
        let before = try RowTally(of: folder.open(kind, "data", .reading).openReader())
        #expect(try RowTally(of: again.openReader()) == before)
        #expect(try again.faults(limit: 9) == [])
        #expect(try backup.verify(finding: find) == manifest)
        #expect(!FileManager.default.fileExists(atPath: folder.file("again.restoring")))
    }

    @Test(arguments: keptKinds)
    func `a backup never takes the place of something`(_ kind: String) throws {
        try folder.fill(kind, "data", owners: 1)
        try write("backup", "mine")
        #expect(try complaint { try make(kind) }.contains("something at \(folder.file("backup"))"))
        try FileManager.default.createSymbolicLink(atPath: folder.file("link"), withDestinationPath: "nowhere")
        #expect(try complaint { try make(kind, "link") }.contains(folder.file("link")))
        try FileManager.default.createDirectory(atPath: folder.file("empty"), withIntermediateDirectories: false)
        #expect(try complaint { try make(kind, "empty") }.contains(folder.file("empty")))
        #expect(try folder.contents()["backup"] == Data("mine".utf8))
    }

    @Test(arguments: keptKinds)
    func `what an interrupted backup left is replaced, anything else is not`(_ kind: String) throws {
        try folder.fill(kind, "data", owners: 1)
        let leftovers: [[String]] = [
            [], ["unfinished"], ["unfinished", "data", "data-wal"], ["unfinished", "manifest.json"],
        ]
        for (number, names) in leftovers.enumerated() {
            try FileManager.default.createDirectory(
                atPath: folder.file("b\(number).partial"), withIntermediateDirectories: false)
            for name in names { try write("b\(number).partial/\(name)", "half") }
            try make(kind, "b\(number)")
        }
        let foreign: [[String]] = [["data"], ["unfinished", "letters"], ["manifest.json"], ["unfinished", "data/x"]]
        for (number, names) in foreign.enumerated() {
            let path = "f\(number).partial"
            try FileManager.default.createDirectory(
                atPath: folder.file(path) + "/data", withIntermediateDirectories: true)
            if names.last != "data/x" { try FileManager.default.removeItem(atPath: folder.file(path) + "/data") }
            for name in names { try write("\(path)/\(name)", "mine") }
            let before = try folder.contents()
            #expect(try complaint { try make(kind, "f\(number)") }.contains(folder.file(path)))
            #expect(try folder.contents() == before)
        }
        try write("g.partial", "mine")
        #expect(try complaint { try make(kind, "g") }.contains(folder.file("g.partial")))
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("h.partial"), withDestinationPath: folder.file("b1"))
        #expect(try complaint { try make(kind, "h") }.contains(folder.file("h.partial")))
        #expect(try Backup(at: folder.file("b1")).verify(finding: find).counts[.records] == 9)
    }

    @Test(arguments: keptKinds)
    func `one backup at a time is written to a place`(_ kind: String) throws {
        try folder.fill(kind, "data", owners: 1)
        let other = try UnfinishedFolder(at: folder.file("backup.partial"))
        #expect(try complaint { try make(kind) }.contains("another apus"))
        other.remove()
        try make(kind)
    }

    @Test(arguments: keptKinds)
    func `a damaged backup is neither trusted nor restored`(_ kind: String) throws {
        try folder.fill(kind, "data")
        try make(kind)
        let (data, manifest) = (folder.file("backup/data"), folder.file("backup/manifest.json"))
        let (whole, text) = (
            try Data(contentsOf: URL(filePath: data)), try String(contentsOfFile: manifest, encoding: .utf8)
        )
        func refused(_ reason: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
            let target = try folder.storage(kind, "again")
            for told in [
                try complaint { _ = try backup.verify(finding: find) },
                try complaint { _ = try backup.restore(to: target, makeEpoch: { "e" }) },
            ] {
                #expect(
                    told.contains(folder.file("backup")) && told.contains(reason), "\(told)",
                    sourceLocation: sourceLocation)
            }
            #expect(try folder.contents().keys.allSatisfy { !$0.hasPrefix("again") }, sourceLocation: sourceLocation)
        }
        var flipped = whole
        flipped[whole.count / 2] ^= 1
        try flipped.write(to: URL(filePath: data))
        try refused("SHA-256")
        try whole.dropLast().write(to: URL(filePath: data))
        try refused("bytes")
        try FileManager.default.removeItem(atPath: data)
        try refused("No such file")
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: false)
        try refused("it is no file")
        try FileManager.default.removeItem(atPath: data)
        try whole.write(to: URL(filePath: data))
        for (old, new, reason) in [
            ("\"records\": 54", "\"records\": 55", "not what its manifest says"),
            ("\"epoch\": \"", "\"epoch\": \"0", "its epoch is"), ("\"format\": 1", "\"format\": 2", "format"),
            ("\"bytes\"", "\"bites\"", "bytes is missing"),
            ("{", "[", "no manifest"), ("}", "", "no manifest"),
        ] {
            try write("backup/manifest.json", text.replacing(old, with: new))
            try refused(reason)
        }
        try FileManager.default.removeItem(atPath: manifest)
        try refused("No such file")
        try write("backup/manifest.json", text)
        #expect(try backup.verify(finding: find).counts.total > 0)
    }

    @Test(arguments: keptKinds)
    func `restoring never takes the place of something, nor of what lies beside it`(_ kind: String) throws {
        try folder.fill(kind, "data", owners: 1)
        try make(kind)
        let target = try folder.storage(kind, "again")
        for name in ["again", "again-wal", "again-shm", "again-lock", "again-journal", "again.restoring"] {
            try write(name, "mine")
            let before = try folder.contents()
            #expect(
                try complaint { _ = try backup.restore(to: target, makeEpoch: { "e" }) }.contains(folder.file(name)))
            #expect(try folder.contents() == before)
            try FileManager.default.removeItem(atPath: folder.file(name))
        }
        try FileManager.default.createSymbolicLink(atPath: target.path, withDestinationPath: folder.file("nowhere"))
        #expect(try complaint { _ = try backup.restore(to: target, makeEpoch: { "e" }) }.contains(target.path))
        try FileManager.default.removeItem(atPath: target.path)
        try write("again-lock", "")
        _ = try backup.restore(to: target, makeEpoch: { "e" })
    }

    @Test func `a backup of another kind of storage is told to be migrated afterwards`() throws {
        try folder.fill("sqlite", "data", owners: 1)
        try make("sqlite")
        let target = NamedStorage(kind: "other", path: folder.file("again")) { _, _ throws(ApusError) in
            throw ApusError(.overloaded, "it must not be opened")
        }
        let told = try complaint(.badParameter) { _ = try backup.restore(to: target, makeEpoch: { "e" }) }
        #expect(told.contains("apus migrate --from sqlite:PATH --to other:"))
    }

    @Test(arguments: keptKinds)
    func `an unfinished migration is not backed up`(_ kind: String) throws {
        try folder.fill(kind, "data", owners: 1)
        let writer = try folder.open(kind, "data").openWriter()
        let state = UnfinishedMigration(sourceEpoch: Epoch("e"), sourceDigest: "").text
        try writer.commit { $0.notes = [UnfinishedMigration.noteName: state] }
        writer.close()
        #expect(try complaint { try make(kind) }.contains("not finished"))
        #expect(try folder.contents().keys.allSatisfy { !$0.hasPrefix("backup") })
    }
}

extension TemporaryFolder {
    func byteCount(_ name: String) -> Int { Files.byteCount(file(name)) }
}
