import ApusCore
import NIOCore

extension StorageLaws {
    static let changes = [
        StorageLaw("changes come by change number, each record once, at its latest", changeOrder),
        StorageLaw("changes show tombstones and leave out expired records", changesHidden),
        StorageLaw("changes of one collection leave out the others and reach the owner's last", changesOfOne),
        StorageLaw("changes start after the number they are given", changesAfter),
        StorageLaw("a page of changes that is cut reaches its last record, the last one the owner's last", changesCut),
        StorageLaw("a page of changes ends before its values pass `bytesMax`, with at least one record", changesBytes),
        StorageLaw("the baseline of changes is the owner's `purgedThrough`", changesBaseline),
        StorageLaw("the first change at or after a moment is the lowest of them", firstChange),
        StorageLaw("an owner that was never written has the initial state and no changes", initialState),
        StorageLaw("an owner's state is what was last written of it", ownerStates),
    ]

    private static func sequences(_ page: ChangesPage) -> [Int64] {
        page.records.map(\.sequence.rawValue)
    }

    private static func changeOrder(_ stage: StorageStage) throws {
        try stage.write(Draft("c"), Draft("b"), Draft("a", collection: "d"))
        try stage.write(Draft("c"))
        try stage.write(Draft("b", owner: "u2"))
        let page = try stage.changes()
        try expectEqual(sequences(page), [2, 3, 4], "the change numbers")
        try expectEqual(page.records.map(\.address.key.text), ["b", "a", "c"], "the keys")
        try expectEqual(page.records.map(\.address.collection.text), ["c", "d", "c"], "the collections")
        for record in page.records {
            try expectEqual(stage.reader.record(at: record.address), record, "the record itself")
        }
    }

    private static func changesHidden(_ stage: StorageStage) throws {
        try stage.write(Draft("a", nil), Draft("b", expiresAt: 2000), Draft("c", nil, expiresAt: 2000))
        try expectEqual(sequences(stage.changes(at: 1999)), [1, 2, 3], "before the expiry")
        try expectEqual(sequences(stage.changes(at: 2000)), [1, 3], "at the expiry")
        try expectEqual(sequences(stage.changes("u1", "c", at: 2000)), [1, 3], "at the expiry, of the collection")
        try stage.write(Draft("d", expiresAt: 2000))
        let page = try stage.changes(after: 3, at: 2000)
        try expectEqual(page.reached.after, SequenceNumber(4), "with the last one expired what was reached")
    }

    private static func changesOfOne(_ stage: StorageStage) throws {
        for index in 0..<10 { try stage.write(Draft("\(index)", collection: index % 2 == 0 ? "even" : "odd")) }
        let page = try stage.changes("u1", "even")
        try expectEqual(sequences(page), [1, 3, 5, 7, 9], "the change numbers")
        try expectEqual(page.reached.after, SequenceNumber(10), "what was reached")
        try expectEqual(stage.changes("u1", "none").reached.after, SequenceNumber(10), "reached with no record")
        let cut = try stage.changes("u1", "odd", after: 2, limit: 2)
        try expectEqual(sequences(cut), [4, 6], "a cut page")
        try expectEqual(cut.reached.after, SequenceNumber(6), "what the cut page reached")
    }

    private static func changesAfter(_ stage: StorageStage) throws {
        try stage.write(Draft("a"), Draft("b"), Draft("c"))
        try expectEqual(sequences(stage.changes(after: 1)), [2, 3], "after 1")
        try expectEqual(sequences(stage.changes(after: 3)), [], "after the last")
        let beyond = try stage.changes(after: 99)
        try expectEqual(sequences(beyond), [], "after one that is not yet")
        try expectEqual(beyond.reached.after, SequenceNumber(3), "what was reached after one that is not yet")
    }

    private static func changesCut(_ stage: StorageStage) throws {
        try stage.write(Draft("a"), Draft("b"), Draft("c"))
        try stage.write(Draft("c"))
        for (limit, reached, hasMore) in [(1, Int64(1), true), (2, 2, true), (3, 4, false), (4, 4, false)] {
            let page = try stage.changes(limit: limit)
            try expectEqual(page.records.count, min(limit, 3), "with limit \(limit) the number of records")
            try expectEqual(page.hasMore, hasMore, "with limit \(limit) having more")
            try expectEqual(page.reached.after.rawValue, reached, "with limit \(limit) what was reached")
        }
        // The newest record is gone, but its number was taken.
        try stage.write(Draft("c", nil), at: 2000)
        try stage.purge(committedBefore: 2001)
        try expectEqual(stage.changes(limit: 2).hasMore, false, "having more after a purge")
        try expectEqual(stage.changes(limit: 2).reached.after, SequenceNumber(5), "what was reached after a purge")
    }

    private static func changesBytes(_ stage: StorageStage) throws {
        try stage.write(Draft("a", "11111"), Draft("b", nil), Draft("c", "33333"))
        for (bytesMax, count) in [(0, 1), (5, 2), (9, 2), (10, 3)] {
            let page = try stage.changes(bytesMax: bytesMax)
            try expectEqual(page.records.count, count, "with \(bytesMax) bytes the number of records")
            try expectEqual(page.hasMore, count < 3, "with \(bytesMax) bytes having more")
        }
    }

    private static func changesBaseline(_ stage: StorageStage) throws {
        try stage.write(Draft("a", nil), Draft("b", nil), Draft("c"))
        try expectEqual(stage.changes().reached.baseline, .zero, "before a purge")
        try stage.purge(committedBefore: 1001)
        let page = try stage.changes()
        try expectEqual(page.reached, ChangesPosition(after: SequenceNumber(3), baseline: SequenceNumber(2)), "after")
        try expectEqual(sequences(page), [3], "the change numbers after a purge")
    }

    private static func firstChange(_ stage: StorageStage) throws {
        let owner = try OwnerID("u1")
        func first(_ moment: Int64) throws -> Int64? {
            let moment = Timestamp(milliseconds: moment)
            return try stage.reader.firstChange(owner: owner, committedAtOrAfter: moment)?.rawValue
        }
        try expectEqual(first(0), nil, "of no changes")
        // Two changes a moment, and holes where records changed again.
        var generator = SplitMix64(seed: 3)
        for moment in Int64(1)...40 {
            let keys = (0..<2).map { _ in Int.random(in: 0..<30, using: &generator) }
            for key in keys { try stage.write(Draft("\(key)", key == 5 ? nil : "1", expiresAt: 1), at: moment * 10) }
            try stage.write(Draft("\(moment)", owner: "u2"), at: moment)
        }
        let records = try (0..<30).compactMap { try stage.reader.record(at: Draft("\($0)").address) }
        for moment in Int64(0)...402 {
            let promised = records.filter { $0.committedAt.milliseconds >= moment }.map(\.sequence.rawValue).min()
            try expectEqual(first(moment), promised, "at \(moment) the first")
        }
        try expectEqual(first(.min), records.map(\.sequence.rawValue).min(), "from the beginning of time the first")
        try expectEqual(first(.max), nil, "at the end of time the first")
    }

    private static func initialState(_ stage: StorageStage) throws {
        try expectEqual(stage.reader.ownerState(OwnerID("nobody")), OwnerState(), "the state")
        let page = try stage.changes("nobody")
        try expect(page.records.isEmpty && !page.hasMore, "there were changes")
        try expectEqual(page.reached, ChangesPosition(after: .zero, baseline: .zero), "the position")
    }

    private static func ownerStates(_ stage: StorageStage) throws {
        var state = OwnerState()
        state.lastSequence = SequenceNumber(.max)
        state.lastCommittedAt = Timestamp(milliseconds: 77)
        state.purgedThrough = SequenceNumber(5)
        let (owner, other) = (try OwnerID("u1"), try OwnerID("u2"))
        try stage.commit { $0.owners = [owner: state] }
        try expectEqual(stage.reader.ownerState(owner), state, "the state")
        try stage.write(Draft("k", owner: "u2"))
        try expectEqual(stage.reader.ownerState(owner), state, "the state after another owner's commit")
        try expectEqual(stage.reader.ownerState(other).lastSequence, SequenceNumber(1), "the other's last number")
    }
}
