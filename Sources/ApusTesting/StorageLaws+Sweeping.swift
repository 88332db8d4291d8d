import ApusCore

extension StorageLaws {
    static let sweeping = [
        StorageLaw("expired records are found from their `expiresAt` on, the earliest first", expiredRecords),
        StorageLaw("a record that was written again without an expiry does not expire", clearedExpiry),
        StorageLaw("tombstones committed before a moment are found, the earliest first", oldTombstones),
        StorageLaw("a purged tombstone is forgotten, and its address may be written again", purging),
        StorageLaw("a purge takes what it names and nothing else", purgeIsExact),
        StorageLaw("maintenance between transactions loses nothing", maintenance),
    ]

    private static func expired(_ stage: StorageStage, at moment: Int64, limit: Int = 100) throws -> [String] {
        try stage.writer.transaction { transaction throws(ApusError) in
            try transaction.expired(at: Timestamp(milliseconds: moment), limit: limit).map(\.key.text)
        }
    }

    private static func expiredRecords(_ stage: StorageStage) throws {
        try stage.write(
            Draft("late", expiresAt: 30), Draft("early", owner: "u2", expiresAt: 10), Draft("never"),
            Draft("deleted", nil, expiresAt: 5), Draft("middle", collection: "d", expiresAt: 20))
        try expectEqual(expired(stage, at: 9), [], "too early")
        try expectEqual(expired(stage, at: 10), ["early"], "at the first end")
        try expectEqual(expired(stage, at: 29), ["early", "middle"], "between two ends")
        try expectEqual(expired(stage, at: .max), ["early", "middle", "late"], "at last")
        try expectEqual(expired(stage, at: .max, limit: 2), ["early", "middle"], "with a limit")
        try stage.write(Draft("early", nil, owner: "u2"))
        try expectEqual(expired(stage, at: .max), ["middle", "late"], "after one was swept")
    }

    private static func clearedExpiry(_ stage: StorageStage) throws {
        try stage.write(Draft("k", expiresAt: 10))
        try stage.write(Draft("k"))
        try expectEqual(expired(stage, at: .max), [], "expired")
        try expectEqual(stage.keys(at: 1_000_000), ["k"], "the keys")
        try stage.write(Draft("k", expiresAt: 20))
        try expectEqual(expired(stage, at: 19), [], "expired before the new end")
        try expectEqual(expired(stage, at: 20), ["k"], "expired at the new end")
    }

    private static func oldTombstones(_ stage: StorageStage) throws {
        try stage.write(Draft("c", nil), at: 10)
        try stage.write(Draft("b", nil, owner: "u2"), Draft("live"), at: 20)
        let last = try stage.write(Draft("a", nil, expiresAt: 1), at: 30)
        func found(before moment: Int64, limit: Int = 100) throws -> [StoredRecord] {
            try stage.writer.transaction { transaction throws(ApusError) in
                try transaction.tombstones(committedBefore: Timestamp(milliseconds: moment), limit: limit)
            }
        }
        try expectEqual(found(before: 10).count, 0, "before all the number")
        try expectEqual(found(before: 21).map(\.record.address.key.text), ["c", "b"], "before 21")
        try expectEqual(found(before: 99).map(\.record.address.key.text), ["c", "b", "a"], "before 99")
        try expectEqual(found(before: 99, limit: 1).map(\.record.address.key.text), ["c"], "with a limit")
        try expectEqual(found(before: 99).last?.record, last.first, "the whole tombstone")
    }

    private static func purging(_ stage: StorageStage) throws {
        try stage.write(Draft("a", nil), at: 1000)
        try stage.write(Draft("b", nil), at: 1001)
        let purged = try stage.purge(committedBefore: 2000, limit: 1)
        try expectEqual(purged.map(\.address.key.text), ["a"], "what was purged")
        try expect(stage.reader.record(at: Draft("a").address) == nil, "the tombstone was still there")
        try expect(stage.reader.record(at: Draft("b").address) != nil, "the other tombstone was gone")
        try expectEqual(stage.reader.ownerState(OwnerID("u1")).purgedThrough, SequenceNumber(1), "the horizon")
        try stage.purge(committedBefore: 2000)
        try stage.write(Draft("a", "2"))
        try expectEqual(stage.changes().records.map(\.sequence.rawValue), [3], "the change numbers")
        try expectEqual(stage.keys(), ["a"], "the keys")
    }

    private static func purgeIsExact(_ stage: StorageStage) throws {
        for round in 0..<3 { try stage.write((0..<20).map { try Draft("\($0)", $0 % 3 == round ? nil : "1") }) }
        try expectEqual(stage.purge(committedBefore: 1001).count, 6, "the number of purged tombstones")
        try expectEqual(stage.purge(committedBefore: 1001).count, 0, "the number of tombstones purged once more")
        try expectEqual(stage.keys().count, 14, "the number of records left")
        try expectEqual(stage.changes().records.count, 14, "the number of changes left")
    }

    private static func maintenance(_ stage: StorageStage) throws {
        let value = "\"" + String(repeating: "v", count: 2000) + "\""
        for round in 0..<200 {
            try stage.write((0..<10).map { try Draft("\($0 + round)", value) })
            try stage.writer.maintain()
        }
        try expectEqual(stage.keys().count, 209, "the number of records")
        try expectEqual(stage.changes().reached.after, SequenceNumber(2000), "the last number")
    }
}
