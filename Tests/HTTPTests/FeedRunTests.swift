import ApusCore
import NIOCore
import Testing

@testable import ApusHTTP

@Suite struct FeedRunTests {
    private func change(_ sequence: Int64, bytes: Int = 10) -> Change {
        let text = "\"" + String(repeating: "v", count: bytes - 2) + "\""
        return Change(
            record: Record(
                address: RecordAddress(
                    owner: OwnerID(stored: "u1"), collection: CollectionName(stored: "c"), key: RecordKey(stored: "k")),
                value: JSONText(validated: ByteBuffer(string: text)), updatedAt: .init(milliseconds: 0),
                sequence: SequenceNumber(sequence), committedAt: .init(milliseconds: 0)))
    }

    private func runs(_ changes: [Change]) -> [FeedRun] {
        var writer = FeedRunWriter(wire: .frames)
        for change in changes { writer.append(change) }
        return writer.finish().map(\.run)
    }

    /// The change numbers in a run's frames, each checked to be one whole text frame.
    private func sequences(in run: FeedRun) throws -> [Int64] {
        var bytes = run.bytes
        var found: [Int64] = []
        while bytes.readableBytes > 0 {
            let first = bytes.readInteger(as: UInt8.self)
            #expect(first == 0x81)
            let text = try #require(Self.payload(&bytes))
            let prefix = #"{"type":"data.updated","seq":"#
            #expect(text.hasPrefix(prefix) && text.hasSuffix("}}"))
            found.append(try #require(Int64(text.dropFirst(prefix.count).prefix { $0 != "," })))
        }
        return found
    }

    /// What follows the first byte of a frame: its length, then so much text.
    private static func payload(_ bytes: inout ByteBuffer) -> String? {
        let length: Int? =
            switch bytes.readInteger(as: UInt8.self) {
            case 126: bytes.readInteger(as: UInt16.self).map { Int($0) }
            case 127: bytes.readInteger(as: UInt64.self).map { Int($0) }
            case let short: short.map { Int($0) }
            }
        return length.flatMap { bytes.readString(length: $0) }
    }

    @Test func `events become whole frames in order, in one run while they are small`() throws {
        let runs = runs((1...50).map { change($0) })
        #expect(runs.count == 1)
        #expect(try sequences(in: runs[0]) == Array(1...50))
        #expect(runs[0].last == SequenceNumber(50))
    }

    @Test func `nothing to tell is no run`() {
        #expect(runs([]).isEmpty)
    }

    @Test func `runs stay small, and every event is in exactly one`() throws {
        let runs = runs((1...1000).map { change($0, bytes: 500) })
        #expect(runs.count > 1)
        var expected: Int64 = 1
        for run in runs {
            let sequences = try sequences(in: run)
            #expect(sequences == Array(expected..<expected + Int64(sequences.count)))
            #expect(run.last?.rawValue == sequences.last)
            #expect(run.bytes.readableBytes <= (64 << 10) + 16)
            expected += Int64(sequences.count)
        }
        #expect(expected == 1001)
    }

    @Test func `an event larger than a run has a run of its own`() throws {
        let runs = runs([change(1), change(2, bytes: 1 << 20), change(3)])
        #expect(try runs.map { try sequences(in: $0) } == [[1], [2], [3]])
        #expect(runs.map(\.last?.rawValue) == [1, 2, 3])
    }
}
