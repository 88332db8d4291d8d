import ApusCore
import NIOCore

extension StorageLaws {
    static let lists = [
        StorageLaw("records come in byte order of their keys", byteOrder),
        StorageLaw("a page holds up to `limit` records and says whether there are more", listLimit),
        StorageLaw("a page starts after the key it is given, be there a record or not", listAfter),
        StorageLaw("a page ends before its values pass `bytesMax`, with at least one record", listBytes),
        StorageLaw("lists show what is live: no tombstone, and nothing from its `expiresAt` on", listLive),
        StorageLaw("pages follow one another without gap and repetition", listWhole),
        StorageLaw("collections are those with a live record, in byte order, with their counts", collectionCounts),
        StorageLaw("usage counts the live records and the bytes of their values", usage),
        StorageLaw("tombstones may be listed among the live records, in key order, page by page", listTombstones),
        StorageLaw("totals are what everything of all owners adds up to", totals),
    ]

    private static func byteOrder(_ stage: StorageStage) throws {
        // U+FFFD comes after U+1F600 in UTF-16 and before it in UTF-8.
        let keys = ["b", "a", "A", "aa", "a b", "a\u{FFFD}", "a😀", "é", "e\u{301}", "z", "~", "10", "9", "a/"]
        try stage.write(keys.map { try Draft($0) })
        let inOrder = keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        try expectEqual(stage.keys(), inOrder, "the keys")
    }

    private static func listLimit(_ stage: StorageStage) throws {
        try stage.write(Draft("a"), Draft("b"), Draft("c"))
        for (limit, count, hasMore) in [(1, 1, true), (2, 2, true), (3, 3, false), (4, 3, false)] {
            let page = try stage.list(limit: limit)
            try expectEqual(page.records.count, count, "with limit \(limit) the number of records")
            try expectEqual(page.hasMore, hasMore, "with limit \(limit) having more")
        }
        try stage.write(Draft("b", nil), Draft("c", expiresAt: 1))
        try expect(!stage.list(limit: 1, at: 1).hasMore, "there were more although what follows is not live")
    }

    private static func listAfter(_ stage: StorageStage) throws {
        try stage.write(Draft("a"), Draft("c"), Draft("e"))
        for (after, keys) in [("a", ["c", "e"]), ("b", ["c", "e"]), ("e", []), ("Z", ["a", "c", "e"])] {
            let page = try stage.list(after: after)
            try expectEqual(page.records.map(\.address.key.text), keys, "after \(after) the keys")
        }
    }

    private static func listBytes(_ stage: StorageStage) throws {
        try stage.write(Draft("a", "11111"), Draft("b", "22222"), Draft("c", "33333"))
        for (bytesMax, count) in [(0, 1), (5, 1), (9, 1), (10, 2), (14, 2), (15, 3)] {
            let page = try stage.list(bytesMax: bytesMax)
            try expectEqual(page.records.count, count, "with \(bytesMax) bytes the number of records")
            try expectEqual(page.hasMore, count < 3, "with \(bytesMax) bytes having more")
        }
    }

    private static func listLive(_ stage: StorageStage) throws {
        try stage.write(Draft("a"), Draft("b", nil), Draft("c", expiresAt: 2000), Draft("d", nil, expiresAt: 2000))
        for (moment, keys) in [(Int64(1999), ["a", "c"]), (2000, ["a"]), (2001, ["a"])] {
            try expectEqual(stage.keys(at: moment), keys, "at \(moment) the keys")
        }
    }

    private static func listWhole(_ stage: StorageStage) throws {
        var generator = SplitMix64(seed: 7)
        let keys = (0..<300).map { "\($0)" }.shuffled(using: &generator)
        try stage.write(keys.map { try Draft($0) })
        var found: [String] = []
        var page: RecordPage
        repeat {
            page = try stage.list(after: found.last, limit: 7)
            found += page.records.map(\.address.key.text)
        } while page.hasMore && found.count <= keys.count
        try expectEqual(found, keys.sorted(), "all pages together")
    }

    private static func collectionCounts(_ stage: StorageStage) throws {
        try stage.write(
            Draft("k", collection: "b"), Draft("l", collection: "b"), Draft("k", collection: "a"),
            Draft("k", nil, collection: "deleted"), Draft("k", collection: "short", expiresAt: 2000),
            Draft("k", owner: "u2", collection: "theirs"))
        func counts(at moment: Int64) throws -> [CollectionCount] {
            try stage.reader.collections(owner: OwnerID("u1"), liveAt: Timestamp(milliseconds: moment))
        }
        let lasting = try [("a", 1), ("b", 2)].map { name, count in
            CollectionCount(collection: try CollectionName(name), count: count)
        }
        let short = CollectionCount(collection: try CollectionName("short"), count: 1)
        try expectEqual(counts(at: 1999), lasting + [short], "before the expiry")
        try expectEqual(counts(at: 2000), lasting, "at the expiry")
    }

    private static func usage(_ stage: StorageStage) throws {
        try stage.write(
            Draft("a", "\"é\""), Draft("b", "22", collection: "d"), Draft("c", "[4,4]", expiresAt: 2000),
            Draft("d", nil), Draft("a", "1", owner: "u2"))
        func usage(_ owner: String, at moment: Int64) throws -> OwnerUsage {
            try stage.reader.usage(owner: OwnerID(owner), liveAt: Timestamp(milliseconds: moment))
        }
        try expectEqual(usage("u1", at: 1999), OwnerUsage(records: 3, valueBytes: 11), "before the expiry")
        try expectEqual(usage("u1", at: 2000), OwnerUsage(records: 2, valueBytes: 6), "at the expiry")
        try expectEqual(usage("nobody", at: 0), OwnerUsage(records: 0, valueBytes: 0), "of an unknown owner")
    }

    private static func listTombstones(_ stage: StorageStage) throws {
        try stage.write(
            Draft("a", "11"), Draft("b", nil), Draft("c", expiresAt: 2000), Draft("d", nil, expiresAt: 2000),
            Draft("e", "22"), Draft("f", "33"))
        func page(after: String? = nil, limit: Int = 9, bytesMax: Int = 99, at moment: Int64) throws -> RecordPage {
            try stage.reader.recordsAndTombstones(
                owner: OwnerID("u1"), collection: CollectionName("c"), after: after.map { RecordKey(stored: $0) },
                limit: limit, bytesMax: bytesMax, liveAt: Timestamp(milliseconds: moment))
        }
        for (moment, keys) in [(Int64(1999), "abcdef"), (2000, "abdef")] {
            let found = try page(at: moment).records
            try expectEqual(found.map(\.address.key.text).joined(), keys, "at \(moment) the keys")
            try expectEqual(found.filter(\.isTombstone).map(\.address.key.text), ["b", "d"], "the tombstones")
        }
        for (after, limit, bytesMax, keys, hasMore) in [
            (nil, 2, 99, "ab", true), ("b", 2, 99, "de", true), ("e", 1, 99, "f", false), (nil, 9, 3, "abd", true),
        ] as [(String?, Int, Int, String, Bool)] {
            let found = try page(after: after, limit: limit, bytesMax: bytesMax, at: 2000)
            try expectEqual(found.records.map(\.address.key.text).joined(), keys, "a page's keys")
            try expectEqual(found.hasMore, hasMore, "having more after \(keys)")
        }
    }

    private static func totals(_ stage: StorageStage) throws {
        try expectEqual(
            stage.reader.totals(liveAt: Timestamp(milliseconds: 0)),
            StorageTotals(users: 0, records: 0, tombstones: 0, devices: 0, revocations: 0), "of nothing")
        try stage.write(
            Draft("a"), Draft("b", nil), Draft("c", expiresAt: 2000), Draft("d", nil, expiresAt: 2000),
            Draft("a", owner: "u2"), Draft("a", nil, owner: "u2", collection: "d"))
        let (user, moment) = (try OwnerID("u1"), Timestamp(milliseconds: 1))
        try stage.commit { batch in
            batch.users = [User(id: user, displayName: nil, createdAt: moment)]
            batch.devices = ["x", "y"].map {
                Device(owner: user, id: DeviceID(stored: $0), registeredAt: moment)
            }
            batch.revocations = [TokenRevocation(tokenID: "t", keepUntil: moment)]
        }
        for (moment, records) in [(Int64(1999), 3), (2000, 2)] {
            try expectEqual(
                stage.reader.totals(liveAt: Timestamp(milliseconds: moment)),
                StorageTotals(users: 1, records: records, tombstones: 3, devices: 2, revocations: 1), "at \(moment)")
        }
    }
}
