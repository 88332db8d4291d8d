import ApusCore
import Foundation
import NIOCore
import Testing

@testable import ApusSQLite

/// How the write-ahead log grows, shrinks and survives.
@Suite struct SQLiteLogTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("data.db")
    }

    private func open(_ path: String? = nil, _ durability: Durability = .normal) throws -> SQLiteBackend {
        try SQLiteBackend(path: path ?? self.path, durability: durability, makeEpoch: { "epoch" })
    }

    private func logBytes() throws -> Int {
        try FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int ?? 0
    }

    @Test func `the log stays short under many commits`() throws {
        let writer = try open().openWriter()
        defer { writer.close() }
        var (longest, written) = (0, Int32(0))
        for round in 0..<5000 where written < 5 * Schema.pagesPerCheckpoint {
            try writer.put(100, valueBytes: 2000, round: round)
            written += 25
            try writer.maintain()
            longest = max(longest, try logBytes())
        }
        // What one commit adds comes on top: some 100 pages.
        #expect(longest < (Int(Schema.pagesPerCheckpoint) + 200) * (Schema.pageBytes + 24))
    }

    @Test func `a lock held by another program fails what it stands in the way of, and nothing later`() throws {
        let writer = try open().openWriter()
        defer { writer.close() }
        try writer.put(1, round: 1)
        let other = try Connection(path: path, role: .writer(.normal))
        try other.run(.beginWriting)
        #expect {
            try writer.put(1, round: 2)
        } throws: { error in
            (error as? ApusError)?.code == .overloaded
        }
        other.rollBack()
        try writer.put(1, round: 3)
    }

    @Test func `a log that a slow reader made long is cut back afterwards`() throws {
        let backend = try open()
        let writer = try #require(try backend.openWriter() as? SQLiteWriter)
        defer { writer.close() }
        let reader = try #require(try backend.openReader() as? SQLiteReader)
        try writer.put(1, round: 0)
        try reader.connection.snapshot { () throws(ApusError) in
            #expect(try reader.count() == 1)
            for round in 0..<5000 where writer.connection.pagesInLog <= Schema.logPagesMax {
                try writer.put(100, valueBytes: 2000, round: round)
                try writer.maintain()
            }
            #expect(try reader.count() == 1)
        }
        #expect(try logBytes() > Schema.logBytesMax, "\(writer.connection.pagesInLog) pages in the log")
        for round in 0..<5000 where try logBytes() > Schema.logBytesMax {
            try writer.put(100, valueBytes: 2000, round: round)
            try writer.maintain()
        }
        // One frame is a page and its header.
        #expect(try logBytes() <= Schema.logBytesMax + Schema.pageBytes + 24)
        #expect(writer.connection.pagesInLog < Schema.pagesPerCheckpoint)
        #expect(try reader.count() == 100)
    }

    @Test(arguments: [Durability.full, .normal])
    func `after a crash the file and its log hold every commit`(durability: Durability) throws {
        let writer = try open(nil, durability).openWriter()
        defer { writer.close() }
        for round in 0..<50 {
            try writer.put(20, round: round)
            if round == 25 { try (writer as? SQLiteWriter)?.connection.checkpoint(.passive) }
        }
        let other = try TemporaryFolder()
        try folder.copyDatabase("data.db", to: other)
        let copy = try open(other.file("data.db"))
        let reader = try copy.openReader()
        #expect(try reader.count() == 20)
        #expect(try reader.ownerState(OwnerID("u1")).lastSequence == SequenceNumber(1000))
        #expect(try reader.record(at: address(of: 7))?.value == value(round: 49, bytes: 20))
        let next = try copy.openWriter()
        defer { next.close() }
        try next.put(20, round: 50)
        #expect(try reader.ownerState(OwnerID("u1")).lastSequence == SequenceNumber(1020))
    }

    @Test func `a log that was cut in the middle of a commit ends with the commit before`() throws {
        let writer = try open().openWriter()
        defer { writer.close() }
        try writer.put(20, round: 1)
        let whole = try logBytes()
        try writer.put(20, round: 2)
        let other = try TemporaryFolder()
        try folder.copyDatabase("data.db", to: other)
        let log = URL(filePath: other.file("data.db-wal"))
        try Data(contentsOf: log).prefix(whole + Schema.pageBytes).write(to: log)
        let reader = try open(other.file("data.db")).openReader()
        #expect(try reader.ownerState(OwnerID("u1")).lastSequence == SequenceNumber(20))
        #expect(try reader.record(at: address(of: 7))?.value == value(round: 1, bytes: 20))
    }

    @Test func `a reader that closes last copies nothing into the file`() throws {
        let writer = try open().openWriter()
        defer { writer.close() }
        try writer.put(100, round: 1)
        let other = try TemporaryFolder()
        try folder.copyDatabase("data.db", to: other)
        let copied = other.file("data.db")
        let before = try ["", "-wal"].map { try Data(contentsOf: URL(filePath: copied + $0)) }
        let connection = try Connection(path: copied, role: .reader)
        try connection.configure(as: .reader)
        #expect(try SQLiteReader(connection).count() == 100)
        connection.close()
        #expect(try ["", "-wal"].map { try Data(contentsOf: URL(filePath: copied + $0)) } == before)
    }

    @Test func `a reader cannot write`() throws {
        let backend = try open()
        let reader = try #require(try backend.openReader() as? SQLiteReader)
        #expect(throws: ApusError.self) { try reader.connection.execute("DELETE FROM records") }
    }

    @Test func `a full disk is told as such, and writing goes on when there is space`() throws {
        let writer = try #require(try open().openWriter() as? SQLiteWriter)
        defer { writer.close() }
        try writer.put(10, round: 1)
        let pages = try writer.connection.number("PRAGMA page_count")
        try writer.connection.execute("PRAGMA max_page_count = \(pages + 20)")
        let error = try #require(throws: ApusError.self) { try writer.put(1000, valueBytes: 2000, round: 2) }
        #expect(error.code == .storageFull)
        #expect(!error.message.contains(path))
        #expect(try writer.count() == 10)
        try writer.connection.execute("PRAGMA max_page_count = 1000000")
        try writer.put(1000, valueBytes: 2000, round: 3)
        #expect(try writer.count() == 1000)
    }

    @Test func `after a fault of the disk nothing is written any more, and reads go on`() throws {
        let writer = try #require(try open().openWriter() as? SQLiteWriter)
        defer { writer.close() }
        try writer.put(10, round: 1)
        // SQLITE_IOERR_FSYNC
        let error = writer.connection.failure(10 | (4 << 8))
        #expect(error.code == .storageUnavailable)
        let refused = try #require(throws: ApusError.self) { try writer.put(10, round: 2) }
        #expect(refused.code == .storageUnavailable)
        #expect(throws: ApusError.self) { try writer.maintain() }
        #expect(try writer.record(at: address(of: 1))?.value == value(round: 1, bytes: 20))
    }

    @Test(arguments: Query.allCases)
    func `no query sorts or reads a whole table without need`(query: Query) throws {
        let backend = try open()
        let reader = try #require(try backend.openReader() as? SQLiteReader)
        let whole: [Query] = [.revocations, .cutoffs, .totals]
        let plan = try Statement("EXPLAIN QUERY PLAN \(query.text)", on: reader.connection)
        while try plan.step() {
            let line = plan.text(3)
            #expect(!line.contains("TEMP B-TREE"))
            #expect(!line.hasPrefix("SCAN") || whole.contains(query), "\(line)")
        }
    }
}

@Suite struct CheckpointPaceTests {
    @Test func `a checkpoint is due whenever the log has grown by so many pages`() {
        var pace = CheckpointPace(pagesPerCheckpoint: 10, logPagesMax: 40)
        #expect(pace.due(pagesInLog: 9) == nil)
        #expect(pace.due(pagesInLog: 10) == .passive)
        #expect(pace.due(pagesInLog: 10) == nil)
        #expect(pace.due(pagesInLog: 19) == nil)
        #expect(pace.due(pagesInLog: 40) == .passive)
        #expect(pace.due(pagesInLog: 50) == .restart)
        #expect(pace.due(pagesInLog: 59) == nil)
        #expect(pace.due(pagesInLog: 60) == .restart)
        #expect(pace.due(pagesInLog: 5) == nil)
        #expect(pace.due(pagesInLog: 12) == .passive)
    }
}
