import ApusCore
import Foundation
import NIOCore
import Testing

@testable import ApusSQLite

/// What an operator meets when a file is not as it should be.
@Suite struct SQLiteFileTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("data.db")
    }

    private func open() throws -> SQLiteBackend {
        try SQLiteBackend(path: path, durability: .full, makeEpoch: { "epoch" })
    }

    /// The message of the refusal to open the file.
    private func refusal() throws -> String {
        let error = try #require(throws: ApusError.self) { _ = try open() }
        #expect(error.code == .storageUnavailable)
        #expect(error.message.hasPrefix("the database \(path) cannot be opened: "))
        return error.message
    }

    /// Changes the file with SQLite itself.
    private func change(_ text: String) throws {
        let connection = try Connection(path: path, role: .writer(.full))
        try connection.execute(text)
        connection.close()
    }

    @Test func `a database of a newer Apus is refused, with both versions named`() throws {
        _ = try open()
        try change("PRAGMA user_version = 7")
        #expect(try refusal().contains("newer Apus (schema version 7; this one knows 3)"))
    }

    @Test func `a file that is no database is refused, and left as it was`() throws {
        let text = Data(String(repeating: "Dear diary, ", count: 1000).utf8)
        try text.write(to: URL(filePath: path))
        #expect(try refusal().contains("it is not a SQLite database"))
        #expect(try Data(contentsOf: URL(filePath: path)) == text)
    }

    @Test func `a database of another program is refused, and left as it was`() throws {
        try change("CREATE TABLE notes (text)")
        let bytes = try Data(contentsOf: URL(filePath: path))
        #expect(try refusal().contains("another program"))
        #expect(try Data(contentsOf: URL(filePath: path)) == bytes)
    }

    @Test func `a database with tables of another shape is refused`() throws {
        _ = try open()
        try change("ALTER TABLE records RENAME COLUMN value TO worth")
        #expect(try refusal().contains("its tables are not those of Apus"))
    }

    @Test func `a database that was cut short is refused as damaged`() throws {
        _ = try open()
        let bytes = try Data(contentsOf: URL(filePath: path))
        try bytes.prefix(bytes.count / 2).write(to: URL(filePath: path))
        #expect(try refusal().contains("it is damaged"))
    }

    @Test func `a directory is refused`() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(try refusal().contains("it is a directory"))
    }

    @Test func `a path into a folder that does not exist is refused`() throws {
        let error = try #require(throws: ApusError.self) {
            try SQLiteBackend(path: folder.file("no/data.db"), durability: .full, makeEpoch: { "epoch" })
        }
        #expect(error.message.hasSuffix("its folder does not exist"))
    }

    @Test(arguments: ["", ":memory:"])
    func `a path that names no file is refused`(path: String) throws {
        let error = try #require(throws: ApusError.self) {
            try SQLiteBackend(path: path, durability: .full, makeEpoch: { "epoch" })
        }
        #expect(error.message.contains("`memory:`"))
    }

    @Test(.enabled(if: getuid() != 0, "nothing is forbidden to root"))
    func `a file without permission is refused`() throws {
        _ = try open()
        for mode in [0o000, 0o444] {
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            _ = try refusal()
        }
    }

    @Test func `a second server on the same file is refused, until the first is done`() throws {
        let first = try open()
        #expect(try refusal().contains("it is in use by another server"))
        let writer = try first.openWriter()
        #expect(try refusal().contains("it is in use by another server"))
        writer.close()
        let second = try open()
        #expect(second.description.epoch == first.description.epoch)
    }

    @Test func `a writer keeps the file locked, also when the backend is let go of`() throws {
        let writer = try open().openWriter()
        #expect(try refusal().contains("it is in use by another server"))
        writer.close()
        _ = try open()
    }

    @Test func `a closed writer leaves everything in the file and the log empty`() throws {
        let backend = try open()
        let writer = try backend.openWriter()
        let reader = try backend.openReader()
        try writer.put(100, round: 1)
        #expect(try reader.count() == 100)
        writer.close()
        let log = try? FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int
        #expect(log ?? 0 == 0)
    }
}
