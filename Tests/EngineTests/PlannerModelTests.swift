import ApusCore
import ApusTesting
import Testing

@testable import ApusEngine

@Suite struct PlannerModelTests {
    /// Random batches of random requests, by the planner and by the model: every answer, every event, every row.
    @Test(arguments: Seeds.all)
    func `the planner decides like the rules told simply`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var shelf = Shelf()
        var model = PlannerModel()
        var now = start
        var answersSeen: [String: Int] = [:]
        for round in 0..<1500 {
            now = now.advanced(byMilliseconds: Int64.random(in: -300...1200, using: &random))
            if Int.random(in: 0..<400, using: &random) == 0 { now = now.advanced(bySeconds: 86_400) }
            var planner = shelf.planner(at: now)
            let eventsBefore = model.state.events.count
            if Int.random(in: 0..<6, using: &random) == 0 {
                let story = try Self.undelete(&random, at: now, &planner, shelf, &model, "seed \(seed), round \(round)")
                answersSeen["undelete " + Self.kind(of: story), default: 0] += 1
            }
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let request = Self.request(&random, at: now, shelf)
                let before = Decisions(planner)
                let answer = planner.decide(request)
                let expected = model.decide(request, at: now.milliseconds)
                let found = answer.error.map { ["refused \($0.code.rawValue)"] } ?? answer.stories
                try #require(found == expected, "seed \(seed), round \(round): \(request)")
                if answer.error != nil { try #require(Decisions(planner) == before, "seed \(seed), round \(round)") }
                for story in found { answersSeen[Self.kind(of: story), default: 0] += 1 }
            }
            let events = planner.changes.map { change in
                let record = change.record
                return "\(record.address.owner): \(record.story) at \(record.updatedAt.milliseconds)"
                    + " until \(record.expiresAt?.milliseconds ?? -1)"
            }
            try #require(events == Array(model.state.events.dropFirst(eventsBefore)), "seed \(seed), round \(round)")
            shelf.keep(planner)
            try Self.compare(shelf, model, "seed \(seed), round \(round)")
        }
        for kind in [
            "lost older", "lost unchanged", "lost not-greater", "refused invalid-field", "refused clock-skew",
            "refused precondition-failed", "refused conflict", "replayed: applied", "failed not-found",
            "undelete refused precondition-failed",
        ] {
            #expect(answersSeen[kind] ?? 0 > 0, "seed \(seed): no request was answered '\(kind)'")
        }
    }

    /// Undeletes a record that may be there or not; what became of it.
    private static func undelete(
        _ random: inout SplitMix64, at now: Timestamp, _ planner: inout CommitPlanner, _ shelf: Shelf,
        _ model: inout PlannerModel, _ place: String
    ) throws -> String {
        let owner = Bool.random(using: &random) ? "u1" : "u2"
        let key = ["a", "b", "c"][Int.random(in: 0..<3, using: &random)]
        let address = RecordAddress(key, owner: owner)
        let before = Decisions(planner)
        let found: String
        do throws(ApusError) {
            let record = try planner.undelete(address, value: shelf.kept[address], origin: .system)
            found = "applied \(record.story)"
        } catch {
            found = "refused \(error.code.rawValue)"
            try #require(Decisions(planner) == before, "\(place)")
        }
        let expected = model.undelete(key, of: owner, at: now.milliseconds)
        try #require(found == expected, "\(place)")
        return found
    }

    /// A story's first two words.
    private static func kind(of story: String) -> String {
        story.split(separator: " ").prefix(2).joined(separator: " ")
    }

    private static func compare(_ shelf: Shelf, _ model: PlannerModel, _ place: String) throws {
        try #require(shelf.rows.count == model.state.rows.count, "\(place)")
        for stored in shelf.rows.values {
            let record = stored.record
            let row = try #require(model.state.rows["\(record.address.owner)/\(record.address.key)"], "\(place)")
            try #require(record.value?.text == row.value, "\(place)")
            try #require(shelf.kept[record.address]?.text == row.kept, "\(place)")
            try #require(record.updatedAt.milliseconds == row.updatedAt, "\(place)")
            try #require(record.deletedAt == (row.value == nil ? record.updatedAt : nil), "\(place)")
            try #require(record.expiresAt?.milliseconds == row.expiresAt, "\(place)")
            try #require(record.sequence.rawValue == row.sequence, "\(place)")
            try #require(record.committedAt.milliseconds == row.committedAt, "\(place)")
        }
        try #require(
            Dictionary(uniqueKeysWithValues: shelf.owners.map { ($0.key.text, $0.value.lastSequence.rawValue) })
                == model.state.last, "\(place)")
    }

    private static func request(_ random: inout SplitMix64, at now: Timestamp, _ shelf: Shelf) -> WriteRequest {
        let owner = Bool.random(using: &random) ? "u1" : "u2"
        let isBulk = Bool.random(using: &random)
        let count = isBulk ? Int.random(in: 0...5, using: &random) : 1
        var items: [Result<WriteItem, ApusError>] = []
        for _ in 0..<count {
            let isUnreadable = isBulk && Int.random(in: 0..<20, using: &random) == 0
            items.append(
                isUnreadable
                    ? .failure(ApusError(.invalidField, "unreadable", at: "/key"))
                    : .success(item(&random, at: now, of: owner, shelf)))
        }
        var claim: IdempotencyClaim?
        if Int.random(in: 0..<5, using: &random) == 0 {
            claim = IdempotencyClaim(
                ["x", "y", "z"][Int.random(in: 0..<3, using: &random)],
                fingerprint: UInt8.random(in: 1...2, using: &random))
        }
        return WriteRequest(
            owner: OwnerID(stored: owner), items: items,
            isAtomic: !isBulk || Bool.random(using: &random), isBulk: isBulk, idempotency: claim, origin: .system)
    }

    private static func item(
        _ random: inout SplitMix64, at now: Timestamp, of owner: String, _ shelf: Shelf
    ) -> WriteItem {
        func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
        let key = ["a", "b", "c"][Int.random(in: 0..<3, using: &random)]
        if chance(5), let stored = shelf.rows[RecordAddress(key, owner: owner)]?.record, let value = stored.value {
            return .set(key, value.text, at: stored.updatedAt, expiry: stored.expiresAt.map { .at($0) } ?? .never)
        }
        let last = shelf.owners[OwnerID(stored: owner)]?.lastSequence.rawValue ?? 1
        let value = PlannerModel.values[Int.random(in: 0..<PlannerModel.values.count, using: &random)].text
        var time: Timestamp?
        if chance(60) { time = now.advanced(byMilliseconds: 500 * Int64.random(in: -4...3, using: &random)) }
        if chance(4) { time = now.advanced(byMilliseconds: 60_000 + Int64.random(in: 0...1, using: &random)) }
        // Coarse times meet each other, so that writes of the same moment are tried.
        if let given = time, chance(50) { time = Timestamp(milliseconds: given.milliseconds / 1000 * 1000) }
        let policy: ConflictPolicy =
            switch Int.random(in: 0..<6, using: &random) {
            case 0: .serverTime
            case 1: .maxNumeric(.whole)
            case 2: .maxNumeric(JSONPointer("/n") ?? .whole)
            default: .lastWriteWins
            }
        let expiry: Expiry =
            switch Int.random(in: 0..<12, using: &random) {
            case 0: .afterSeconds(Int64.random(in: 1...3, using: &random))
            case 1: .at(now.advanced(byMilliseconds: Int64.random(in: -1...1500, using: &random)))
            default: .never
            }
        let tags = (0..<2).map { _ in SequenceNumber(Int64.random(in: max(1, last - 4)...last + 1, using: &random)) }
        let precondition: Precondition =
            switch Int.random(in: 0..<25, using: &random) {
            case 0: .absent
            case 1: .present
            case 2: .sequenceIn(tags)
            case 3: .sequenceNotIn(tags)
            default: .none
            }
        return chance(20)
            ? .delete(key, at: time, policy, if: precondition)
            : .set(key, value, at: time, policy, expiry: expiry, if: precondition)
    }
}
