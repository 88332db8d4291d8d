import ApusCore
import NIOCore

extension StorageLaws {
    static let names = [
        StorageLaw("an address that was never written holds nothing", neverWritten),
        StorageLaw("values come back byte for byte", exactValues),
        StorageLaw("a value of 1 MiB comes back whole", greatValue),
        StorageLaw("everything about a record comes back as it was written", wholeRecord),
        StorageLaw("the composed and the decomposed form of a letter are two names", unicodeForms),
        StorageLaw("names may be as long as the contract allows", longNames),
        StorageLaw("names may hold slashes, quotes and whatever means something elsewhere", oddNames),
        StorageLaw("owners and collections keep their records apart", apartness),
        StorageLaw("a write to the same address replaces the record", replacing),
        StorageLaw("tombstones and expired records are shown at their own address", hiddenOnesAtTheirAddress),
    ]

    private static func neverWritten(_ stage: StorageStage) throws {
        try stage.write(Draft("k"))
        for draft in try [Draft("other"), Draft("k", owner: "u2"), Draft("k", collection: "d")] {
            try expect(stage.reader.record(at: draft.address) == nil, "\(draft.address) held something")
        }
        try expect(stage.list("u2").records.isEmpty, "another owner had records")
        try expect(stage.list("u1", "d").records.isEmpty, "another collection had records")
    }

    private static let oddValues = [
        "null", "9223372036854775807", "-9223372036854775808", "18446744073709551615", "1.0", "-0", "1e400",
        "0.1000000000000000055511151231257827", "\"\"", "\"\\u0000\\ud83d\\ude00 e\u{301} é 😀\"",
        "{ \"b\" : 1 , \"a\" : [ ] }", "{\"a\":1,\"a\":2}", "[[[[]]]]",
    ]

    private static func exactValues(_ stage: StorageStage) throws {
        for (index, value) in oddValues.enumerated() { try stage.write(Draft("\(index)", value)) }
        for (index, value) in oddValues.enumerated() {
            let record = try stage.reader.record(at: Draft("\(index)").address)
            try expectEqual(record?.value.map { String(buffer: $0.bytes) }?.utf8.map { $0 }, Array(value.utf8), value)
        }
        let listed = try stage.list().records.map { record in
            (Int(record.address.key.text) ?? 0, record.value.map { Array($0.bytes.readableBytesView) })
        }
        for (index, bytes) in listed { try expectEqual(bytes, Array(oddValues[index].utf8), "listed \(index)") }
    }

    private static func greatValue(_ stage: StorageStage) throws {
        var generator = SplitMix64(seed: 1)
        var bytes = ByteBuffer(string: "\"")
        while bytes.readableBytes < Limits().valueBytesMax - 1 {
            bytes.writeInteger(UInt8.random(in: 0x61...0x7A, using: &generator))
        }
        bytes.writeString("\"")
        var draft = try Draft("k")
        draft.value = JSONText(validated: bytes)
        try stage.write(draft)
        try expect(stage.reader.record(at: draft.address)?.value == draft.value, "the value was another")
        // As part of something longer, as values are in request bodies.
        bytes.writeString("and more")
        bytes.moveReaderIndex(forwardBy: 1)
        draft.value = JSONText(validated: bytes.slice(0..<1000))
        try stage.write(draft)
        try expect(stage.reader.record(at: draft.address)?.value == draft.value, "a slice was written wrongly")
    }

    private static func wholeRecord(_ stage: StorageStage) throws {
        let address = try Draft("k").address
        let record = Record(
            address: address, value: JSONText(validated: ByteBuffer(string: "true")),
            updatedAt: Timestamp(milliseconds: -62_167_219_200_000),
            expiresAt: Timestamp(milliseconds: 253_402_300_799_999),
            sequence: SequenceNumber(.max - 1), committedAt: Timestamp(milliseconds: 3))
        try stage.commit { $0.records = [CommitBatch.RecordWrite(record: record, replacing: nil)] }
        try expectEqual(stage.reader.record(at: address), record, "the record")
        try expectEqual(stage.list().records, [record], "the list")
        try expectEqual(stage.changes(after: .max - 2).records, [record], "the changes")
    }

    private static func unicodeForms(_ stage: StorageStage) throws {
        let composed = "\u{E9}"
        let decomposed = "e\u{301}"
        try stage.write(Draft(composed, "1"), Draft(decomposed, "2"))
        try stage.write(Draft("k", "3", owner: composed), Draft("k", "4", owner: decomposed))
        try stage.write(Draft("k", "5", collection: composed), Draft("k", "6", collection: decomposed))
        let keys = try stage.keys()
        try expect(keys.map { Array($0.utf8) } == [decomposed, composed].map { Array($0.utf8) }, "keys were \(keys)")
        try expectEqual(stage.list(composed).records.compactMap(\.value).map(\.byteCount), [1], "owners")
        try expectEqual(stage.list("u1", decomposed).records.count, 1, "the collection's records")
        try expectEqual(
            stage.reader.collections(owner: OwnerID("u1"), liveAt: Timestamp(milliseconds: 0)).count, 3, "collections")
    }

    private static func longNames(_ stage: StorageStage) throws {
        let owner = String(repeating: "o", count: 128)
        let collection = String(repeating: "é", count: 64)
        let key = String(repeating: "😀", count: 64)
        let draft = try Draft(key, owner: owner, collection: collection)
        let sibling = try Draft(String(key.dropLast()) + "😁", owner: owner, collection: collection)
        try stage.write(draft, sibling)
        try expectEqual(stage.reader.record(at: draft.address)?.address, draft.address, "the address")
        try expectEqual(stage.list(owner, collection).records.map(\.address), [draft, sibling].map(\.address), "list")
        try expectEqual(stage.changes(owner).records.map(\.address), [draft, sibling].map(\.address), "the changes")
    }

    private static func oddNames(_ stage: StorageStage) throws {
        let names = [
            "a/b", "/", "//", "'; DROP TABLE records; --", "\"", "\\", "%", "_", " ", "\u{FFFF}", "\u{10FFFF}",
        ]
        for name in names { try stage.write(Draft(name, owner: name, collection: name)) }
        for name in names {
            try expectEqual(stage.keys(name, name), [name], "the keys of \(name)")
            try expectEqual(
                stage.changes(name, name).records.map(\.address.collection.text), [name], "the changes of \(name)")
        }
    }

    private static func apartness(_ stage: StorageStage) throws {
        try stage.write(
            Draft("c", "1", owner: "a", collection: "b"), Draft("c", "2", owner: "ab", collection: "b"),
            Draft("bc", "3", owner: "a", collection: "b"), Draft("c", "4", owner: "a", collection: "bb"))
        try expectEqual(stage.keys("a", "b"), ["bc", "c"], "the keys of a/b")
        try expectEqual(stage.keys("ab", "b"), ["c"], "the keys of ab/b")
        try expectEqual(stage.keys("a", "bb"), ["c"], "the keys of a/bb")
        try expectEqual(stage.changes("a").records.count, 3, "the number of changes of a")
        try expectEqual(stage.changes("ab").reached.after, SequenceNumber(1), "the last change of ab")
    }

    private static func replacing(_ stage: StorageStage) throws {
        try stage.write(Draft("k", "1", expiresAt: 5000))
        try stage.write(Draft("k", "[22]"))
        let page = try stage.list(at: 9000)
        try expectEqual(page.records.map(\.sequence), [SequenceNumber(2)], "the change numbers")
        try expectEqual(page.records.first?.value?.byteCount, 4, "the value's length")
        try stage.write(Draft("k", nil))
        try expect(stage.list().records.isEmpty, "the deleted record was listed")
        try stage.write(Draft("k", "3"))
        try expectEqual(stage.reader.record(at: Draft("k").address)?.isTombstone, false, "being a tombstone")
    }

    private static func hiddenOnesAtTheirAddress(_ stage: StorageStage) throws {
        let written = try stage.write(Draft("gone", nil), Draft("over", expiresAt: 1))
        for record in written {
            try expectEqual(stage.reader.record(at: record.address), record, "\(record.address.key)")
        }
        let rows = try stage.writer.transaction { transaction throws(ApusError) in
            try transaction.stored(written.map(\.address), valueBytesMax: .max)
        }
        try expectEqual(rows.map { $0?.record }, written, "the stored rows")
    }
}
