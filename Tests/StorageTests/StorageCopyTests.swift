import ApusCore
import ApusTesting
import Foundation
import Testing

/// Copies made while a writer goes on.
@Suite struct StorageCopyTests {
    @Test(arguments: KeptStorage.all)
    func `a copy made between commits is the database of that moment`(_ kind: KeptStorage) throws {
        let folder = try TemporaryFolder()
        let backend = try kind.open(folder.file("data"))
        let writer = try backend.openWriter()
        defer { writer.close() }
        try writer.put(500, valueBytes: 300, round: 1)
        try backend.copy(to: folder.file("copy"))
        try writer.put(700, valueBytes: 300, round: 2)
        let copy = try kind.open(folder.file("copy"), access: .existing)
        #expect(copy.description.epoch == backend.description.epoch)
        let reader = try copy.openReader()
        #expect(try reader.count() == 500)
        #expect(try reader.record(at: address(of: 7))?.value == value(round: 1, bytes: 300))
        #expect(try copy.faults(limit: 9) == [])
        #expect(try writer.count() == 700)
    }

    @Test(arguments: KeptStorage.all)
    func `a copy never takes the place of something`(_ kind: KeptStorage) throws {
        let folder = try TemporaryFolder()
        let backend = try kind.open(folder.file("data"))
        try Data("mine".utf8).write(to: URL(filePath: folder.file("copy")))
        #expect(throws: ApusError.self) { try backend.copy(to: folder.file("copy")) }
        #expect(try Data(contentsOf: URL(filePath: folder.file("copy"))) == Data("mine".utf8))
    }

    @Test(arguments: KeptStorage.all)
    func `what is opened to be read is read while it is written to`(_ kind: KeptStorage) throws {
        let folder = try TemporaryFolder()
        let backend = try kind.open(folder.file("data"))
        let writer = try backend.openWriter()
        defer { writer.close() }
        try writer.put(50, round: 1)
        let beside = try kind.open(folder.file("data"), access: .reading)
        #expect(beside.description.epoch == backend.description.epoch)
        let reader = try beside.openReader()
        #expect(try reader.count() == 50)
        try writer.put(60, round: 2)
        #expect(try reader.count() == 60)
        #expect(try beside.faults(limit: 9) == [])
    }

    @Test(arguments: KeptStorage.all, [StorageAccess.existing, .reading])
    func `what must be there is not made`(_ kind: KeptStorage, access: StorageAccess) throws {
        let folder = try TemporaryFolder()
        let error = try #require(throws: ApusError.self) { try kind.open(folder.file("data"), access: access) }
        #expect(error.message.hasSuffix("there is no such file"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
    }
}
