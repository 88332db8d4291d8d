import ApusCore
import Testing

@testable import ApusEngine

@Suite struct LastWriteWinsTests {
    private var shelf = Shelf()

    @Test mutating func `a write without a time happens now`() {
        #expect(shelf.write(.set("k", "1")).stories == ["applied k=1 #1"])
        #expect(shelf["k"]?.updatedAt == start)
        #expect(shelf["k"]?.committedAt == start)
    }

    @Test mutating func `a write without a time comes after everything stored, whatever the clocks say`() {
        shelf.write(.set("k", "1", at: start.advanced(bySeconds: 60)))
        #expect(shelf.write(.set("k", "2")).stories == ["applied k=2 #2"])
        #expect(shelf["k"]?.updatedAt == start.advanced(byMilliseconds: 60_001))
        #expect(shelf.write(.set("k", "3"), at: start.advanced(bySeconds: 90)).stories == ["applied k=3 #3"])
        #expect(shelf["k"]?.updatedAt == start.advanced(bySeconds: 90))
        shelf.write(.delete("k"), at: start)
        #expect(shelf["k"]?.updatedAt == start.advanced(byMilliseconds: 90_001))
        #expect(shelf.write(.set("k", "3"), at: start).stories == ["applied k=3 #5"])
        #expect(shelf["k"]?.updatedAt == start.advanced(byMilliseconds: 90_002))
    }

    @Test mutating func `the newer time wins, whichever write comes first`() {
        shelf.write(.set("k", "old", at: start.advanced(bySeconds: -10)))
        #expect(
            shelf.write(.set("k", "older", at: start.advanced(byMilliseconds: -10_001))).stories == [
                "lost older to k=old #1"
            ])
        #expect(
            shelf.write(.set("k", "newer", at: start.advanced(byMilliseconds: -9999))).stories == ["applied k=newer #2"]
        )
        #expect(shelf["k"]?.updatedAt == start.advanced(byMilliseconds: -9999))
    }

    @Test mutating func `at the same time another value wins, and the same one changes nothing`() {
        let time = start.advanced(bySeconds: -5)
        shelf.write(.set("k", "1", at: time))
        #expect(shelf.write(.set("k", "1", at: time)).stories == ["lost unchanged to k=1 #1"])
        #expect(
            shelf.write(.set("k", "1.0", at: time)).stories == ["applied k=1.0 #2"], "other bytes are another value")
        #expect(shelf.write(.set("k", "1.0", at: time, expiry: .afterSeconds(9))).stories == ["applied k=1.0 #3"])
        #expect(
            shelf.write(.set("k", "1.0", at: time, expiry: .at(start.advanced(bySeconds: 9)))).stories
                == ["lost unchanged to k=1.0 #3"])
        #expect(shelf.write(.set("k", "1.0", at: time)).stories == ["applied k=1.0 #4"], "the expiry is cleared")
        #expect(shelf["k"]?.expiresAt == nil)
    }

    @Test mutating func `the same value again without a time is a change`() {
        shelf.write(.set("k", "1"))
        #expect(shelf.write(.set("k", "1")).stories == ["applied k=1 #2"])
    }

    @Test mutating func `a tombstone counts as stored`() {
        let time = start.advanced(bySeconds: -5)
        shelf.write(.set("k", "1", at: time.advanced(bySeconds: -5)))
        shelf.write(.delete("k", at: time))
        #expect(shelf["k"]?.updatedAt == time)
        #expect(shelf["k"]?.deletedAt == time)
        #expect(
            shelf.write(.set("k", "2", at: time.advanced(byMilliseconds: -1))).stories == ["lost older to k deleted #2"]
        )
        #expect(shelf.write(.set("k", "2", at: time)).stories == ["applied k=2 #3"])
        #expect(shelf["k"]?.deletedAt == nil)
    }

    @Test mutating func `a record whose time has run out counts with its time, not with its value`() {
        let time = start.advanced(bySeconds: -5)
        shelf.write(.set("k", "1", at: time, expiry: .afterSeconds(10)))
        let later = start.advanced(bySeconds: 10)
        #expect(
            shelf.write(.set("k", "2", at: time.advanced(byMilliseconds: -1)), at: later).stories == [
                "lost older to k deleted #1"
            ])
        #expect(shelf.write(.set("k", "1", at: time), at: later).stories == ["applied k=1 #2"])
    }

    @Test mutating func `a clock may run 60 seconds ahead and not a millisecond more`() {
        #expect(shelf.write(.set("k", "1", at: start.advanced(byMilliseconds: 60_000))).stories == ["applied k=1 #1"])
        let answer = shelf.write(.set("j", "1", at: start.advanced(byMilliseconds: 60_001)))
        #expect(answer.stories == ["refused clock-skew", "/updated_at"])
        #expect(answer.error?.serverTime == start)
        #expect(shelf["j"] == nil)
        let delete = shelf.write(.delete("k", at: start.advanced(byMilliseconds: 60_001)))
        #expect(delete.stories == ["refused clock-skew", "/updated_at"])
    }

    @Test mutating func `a losing write changes nothing, takes no number and sends no event`() {
        shelf.write(.set("k", "1", at: start))
        var planner = shelf.planner(at: start.advanced(bySeconds: 1))
        #expect(planner.decide(.single(.set("k", "0", at: start.advanced(bySeconds: -1)))).records.isEmpty)
        #expect(planner.batch.records.isEmpty && planner.batch.owners.isEmpty && planner.changes.isEmpty)
        #expect(planner.decide(.single(.set("k", "2"))).stories == ["applied k=2 #2"])
    }

    @Test mutating func `a delete leaves a tombstone with no value and no expiry`() throws {
        shelf.write(.set("k", "1", expiry: .afterSeconds(50)))
        let later = start.advanced(bySeconds: 3)
        #expect(shelf.write(.delete("k"), at: later).stories == ["applied k deleted #2"])
        let tombstone = try #require(shelf["k"])
        #expect(tombstone.value == nil && tombstone.expiresAt == nil)
        #expect(tombstone.deletedAt == later && tombstone.updatedAt == later && tombstone.committedAt == later)
    }

    @Test mutating func `a delete that is older than what is stored loses`() {
        shelf.write(.set("k", "1", at: start))
        #expect(shelf.write(.delete("k", at: start.advanced(byMilliseconds: -1))).stories == ["lost older to k=1 #1"])
        #expect(shelf.write(.delete("k", at: start)).stories == ["applied k deleted #2"])
    }

    @Test mutating func `there is nothing to delete where nothing live is`() {
        #expect(shelf.write(.delete("k")).stories == ["refused not-found"])
        shelf.write(.set("k", "1", expiry: .afterSeconds(1)))
        #expect(shelf.write(.delete("k"), at: start.advanced(bySeconds: 1)).stories == ["refused not-found"])
        shelf.write(.set("j", "1"))
        shelf.write(.delete("j"))
        #expect(shelf.write(.delete("j")).stories == ["refused not-found"])
    }

    @Test mutating func `an owner's commit times never go back, though the clock does`() {
        shelf.write(.set("a"), at: start.advanced(bySeconds: 100))
        shelf.write(.set("b"), at: start)
        #expect(shelf["b"]?.committedAt == start.advanced(bySeconds: 100))
        #expect(shelf["b"]?.updatedAt == start, "the record's own time is the clock's")
        shelf.write(.single(.set("a"), owner: "u2"), at: start)
        #expect(
            shelf.rows[RecordAddress("a", owner: "u2")]?.record.committedAt == start, "other owners are not held back")
    }
}
