import ApusCore
import NIOCore

/// What a tombstone keeps of the record it is of.
extension StorageLaws {
    static let keeping = [
        StorageLaw("a tombstone keeps the value of the row it replaces, byte by byte", keptOfReplaced),
        StorageLaw("a tombstone keeps a value that is given with it, whatever it replaces", keptGiven),
        StorageLaw("a tombstone that is to keep nothing keeps nothing", nothingKept),
        StorageLaw("no read but `deletedValue` shows what is kept, and it counts for nothing", keptIsHidden),
        StorageLaw("what is kept ends when another record is written in its place", keptUntilWritten),
        StorageLaw("what is kept ends when the tombstone is purged", keptUntilPurged),
        StorageLaw("a forgotten value is gone, and nothing else of the tombstone changes", forgotten),
        StorageLaw("tombstones that keep a value come by change number, no more than asked for", tombstonesInOrder),
        StorageLaw("inside a transaction what was kept before is seen, and goes if it throws", keptInside),
        StorageLaw("what is kept is there when the place is opened again", reopening: true, keptForGood),
    ]

    private static func text(_ text: String) -> JSONText { JSONText(validated: ByteBuffer(string: text)) }

    private static func long(_ bytes: Int) -> String { "\"" + String(repeating: "v", count: bytes) + "\"" }

    /// What the tombstone of that key keeps.
    private static func kept(_ stage: StorageStage, _ key: String, owner: String = "u1") throws -> JSONText? {
        let address = try Draft(key, owner: owner).address
        let values = [try stage.reader.deletedValue(at: address), try stage.writer.deletedValue(at: address)]
        try expectEqual(values[1], values[0], "what the writer sees kept")
        return values[0]
    }

    private static func bury(
        _ stage: StorageStage, _ key: String, owner: String = "u1", _ kept: CommitBatch.KeptValue? = .ofReplaced,
        at moment: Int64 = 1000
    ) throws {
        try stage.write(Draft(deleting: Draft(key, owner: owner).address, keeping: kept), at: moment)
    }

    private static func keptOfReplaced(_ stage: StorageStage) throws {
        // Bytes that no JSON writer would choose, the least, and more than any page has.
        let values = ["{ \"a\" : 1.0e0, \"\u{E9}\":\"e\u{301}\" }", "1", long(3000), long(1_000_000)]
        for (number, value) in values.enumerated() {
            try stage.write(Draft("k\(number)", value, expiresAt: number == 1 ? 5000 : nil))
            try bury(stage, "k\(number)")
            try expectEqual(kept(stage, "k\(number)"), text(value), "what is kept of value \(number)")
        }
        try bury(stage, "k0", at: 2000)
        try expectEqual(kept(stage, "k0"), text(values[0]), "what a tombstone keeps of another")
        try expectEqual(kept(stage, "none"), nil, "what is kept where nothing was")
        try expectEqual(kept(stage, "k0", owner: "u2"), nil, "what is kept of another owner")
        try expectEqual(stage.changes().records.map(\.address.key.text), ["k1", "k2", "k3", "k0"], "the changes")
        try expectEqual(stage.backend.faults(limit: 9), [], "the faults")
    }

    private static func keptGiven(_ stage: StorageStage) throws {
        try stage.write(Draft("live", "1"), Draft("dead", "2"))
        try bury(stage, "dead")
        for (number, key) in ["live", "dead", "new"].enumerated() {
            try bury(stage, key, .given(text(long(number * 2000))))
            try expectEqual(kept(stage, key), text(long(number * 2000)), "what \(key) keeps")
            try expectEqual(stage.reader.record(at: Draft(key).address)?.value, nil, "the value of \(key)")
        }
    }

    private static func nothingKept(_ stage: StorageStage) throws {
        try stage.write(Draft("live", "1"), Draft("dead", "2"))
        try bury(stage, "dead")
        for key in ["live", "dead"] {
            try bury(stage, key, nil)
            try expectEqual(kept(stage, key), nil, "what \(key) keeps")
            // Nothing comes back either.
            try bury(stage, key)
            try expectEqual(kept(stage, key), nil, "what \(key) keeps of nothing")
        }
        try bury(stage, "new")
        try expectEqual(kept(stage, "new"), nil, "what is kept where nothing was")
        try stage.write(Draft("live", "3"))
        try expectEqual(kept(stage, "live"), nil, "what a live record keeps")
    }

    private static func keptIsHidden(_ stage: StorageStage) throws {
        let value = long(500)
        try stage.write((0..<4).map { try Draft("k\($0)", value) } + [Draft("live", "7")])
        for number in 0..<4 { try bury(stage, "k\(number)") }
        let owner = try OwnerID("u1")
        let tombstone = try stage.reader.record(at: Draft("k0").address)
        try expectEqual(tombstone?.value, nil, "the value of the tombstone")
        try expectEqual(tombstone?.deletedAt, Timestamp(milliseconds: 1000), "the end of the record")
        try expectEqual(stage.keys(), ["live"], "the keys")
        let usage = try stage.reader.usage(owner: owner, liveAt: Timestamp(milliseconds: 0))
        try expectEqual(usage, OwnerUsage(records: 1, valueBytes: 1), "the usage")
        for collection in [nil, "c"] {
            // One byte is all there is to show.
            let page = try stage.changes("u1", collection, bytesMax: 1)
            try expectEqual(page.records.count, 5, "the number of changes in a page of one byte")
            try expect(!page.hasMore, "there was more than the page")
            try expectEqual(page.records.dropFirst().map(\.value), [nil, nil, nil, nil], "the values")
        }
        try stage.writer.transaction { transaction throws(ApusError) in
            let address = try Draft("k0").address
            let stored = try transaction.stored([address], valueBytesMax: .max)
            let old = try transaction.tombstones(committedBefore: Timestamp(milliseconds: 9999), limit: 9)
            guard stored.map({ $0?.record }) == [tombstone], old.allSatisfy({ $0.record.value == nil }) else {
                throw ApusError(.storageUnavailable, "a tombstone's value was shown in a transaction")
            }
        }
    }

    private static func keptUntilWritten(_ stage: StorageStage) throws {
        try stage.write(Draft("k", long(3000)))
        try bury(stage, "k")
        try stage.write(Draft("k", "2"))
        try expectEqual(kept(stage, "k"), nil, "what the live record keeps")
        try expectEqual(stage.reader.record(at: Draft("k").address)?.value, text("2"), "the value")
        try bury(stage, "k")
        try expectEqual(kept(stage, "k"), text("2"), "what is kept after the second deletion")
    }

    private static func keptUntilPurged(_ stage: StorageStage) throws {
        try stage.write(Draft("old", "1"), Draft("young", "2"))
        try bury(stage, "old", at: 1000)
        try bury(stage, "young", at: 3000)
        try stage.purge(committedBefore: 2000)
        try expectEqual(kept(stage, "old"), nil, "what is kept after the purge")
        try expectEqual(kept(stage, "young"), text("2"), "what another tombstone keeps")
        try bury(stage, "old", at: 4000)
        try expectEqual(kept(stage, "old"), nil, "what a later tombstone keeps")
    }

    private static func forgotten(_ stage: StorageStage) throws {
        try stage.write(Draft("a", long(3000)), Draft("b", "2"), Draft("live", "3"))
        for key in ["a", "b"] { try bury(stage, key) }
        let before = try stage.changes().records
        let addresses = try ["a", "live", "none"].map { try Draft($0).address } + [Draft("a", owner: "none").address]
        for _ in 0..<2 { try stage.commit { $0.forgottenValues = addresses } }
        try expectEqual(kept(stage, "a"), nil, "what is kept of the forgotten one")
        try expectEqual(kept(stage, "b"), text("2"), "what another tombstone keeps")
        try expectEqual(stage.changes().records, before, "the changes")
        try expectEqual(stage.reader.record(at: Draft("live").address)?.value, text("3"), "the live record")
        try stage.purge(committedBefore: 2000)
        try expectEqual(stage.changes().records.map(\.address.key.text), ["live"], "the changes after the purge")
        try expectEqual(stage.backend.faults(limit: 9), [], "the faults")
    }

    private static func tombstonesInOrder(_ stage: StorageStage) throws {
        func found(_ owner: String = "u1", limit: Int = 99) throws -> [String] {
            try stage.reader.tombstonesWithValue(owner: OwnerID(owner), limit: limit).map(\.key.text)
        }
        try expectEqual(found(), [], "the tombstones of an unknown owner")
        for key in ["d", "c", "b", "a", "live"] { try stage.write(Draft(key), Draft(key, owner: "u2")) }
        for key in ["b", "d", "a"] { try bury(stage, key) }
        try bury(stage, "c", nil)
        try bury(stage, "c", owner: "u2")
        try expectEqual(found(), ["b", "d", "a"], "the tombstones")
        try expectEqual(found(limit: 2), ["b", "d"], "the first two")
        try expectEqual(found("u2"), ["c"], "the other owner's")
        try stage.write(Draft("b"))
        try stage.commit { $0.forgottenValues = [try Draft("a").address] }
        try expectEqual(found(), ["d"], "the tombstones that are left")
    }

    private static func keptInside(_ stage: StorageStage) throws {
        try stage.write(Draft("k", "1"))
        let address = try Draft("k").address
        for throwsAtLast in [true, false] {
            var seen: [JSONText?] = []
            do {
                try stage.writer.transaction { transaction throws(ApusError) in
                    seen.append(try transaction.deletedValue(at: address))
                    let draft = Draft(deleting: address, keeping: .ofReplaced)
                    for _ in 0..<2 {
                        try transaction.apply(transaction.plan([draft], at: 1000))
                        seen.append(try transaction.deletedValue(at: address))
                    }
                    if throwsAtLast { throw ApusError(.overloaded, "enough") }
                }
            } catch {
                try expectEqual(error.message, "enough", "the error")
                try expectEqual(kept(stage, "k"), nil, "what is kept of the live record")
                try expectEqual(stage.reader.record(at: address)?.value, text("1"), "the value")
            }
            try expectEqual(seen, [nil, text("1"), text("1")], "what was seen inside")
        }
        try expectEqual(kept(stage, "k"), text("1"), "what is kept")
    }

    private static func keptForGood(_ place: StoragePlace) async throws {
        do {
            let stage = try StorageStage(try place.open())
            try stage.write(Draft("a", long(3000)), Draft("b", "2"), Draft("c", "3"))
            for key in ["a", "b"] { try bury(stage, key) }
            try bury(stage, "c", .given(text("4")))
            try stage.commit { $0.forgottenValues = [try Draft("b").address] }
        }
        for _ in 0..<2 {
            let stage = try StorageStage(try place.open())
            try expectEqual(kept(stage, "a"), text(long(3000)), "what was kept")
            try expectEqual(kept(stage, "b"), nil, "what was forgotten")
            try expectEqual(kept(stage, "c"), text("4"), "what was given")
        }
    }
}
