import ApusCore
import Testing

@testable import ApusEngine

@Suite struct ServerTimeTests {
    private var shelf = Shelf()

    @Test(arguments: [-1_000_000_000, -1, 0, 60_001, 1_000_000_000] as [Int64])
    mutating func `the client's time is ignored, however far off`(milliseconds: Int64) {
        let given = start.advanced(byMilliseconds: milliseconds)
        #expect(shelf.write(.set("k", "1", at: given, .serverTime)).stories == ["applied k=1 #1"])
        #expect(shelf["k"]?.updatedAt == start)
        #expect(shelf.write(.set("k", "2", at: given, .serverTime)).stories == ["applied k=2 #2"])
        #expect(shelf["k"]?.updatedAt == start.advanced(byMilliseconds: 1))
        #expect(shelf.write(.delete("k", at: given, .serverTime)).stories == ["applied k deleted #3"])
        #expect(shelf["k"]?.deletedAt == start.advanced(byMilliseconds: 2))
    }

    @Test mutating func `the later commit wins over a newer time`() {
        shelf.write(.set("k", "1", at: start.advanced(bySeconds: 50)))
        #expect(shelf.write(.set("k", "1", .serverTime)).stories == ["applied k=1 #2"])
        #expect(shelf["k"]?.updatedAt == start.advanced(byMilliseconds: 50_001))
    }
}

@Suite struct MaxNumericTests {
    private var shelf = Shelf()

    private func max(_ value: String, at time: Timestamp? = nil, _ pointer: String = "") throws -> WriteItem {
        .set("k", value, at: time, .maxNumeric(try #require(JSONPointer(pointer))))
    }

    @Test mutating func `only a strictly greater number replaces, compared exactly`() throws {
        #expect(shelf.write(try max("9007199254740992")).stories == ["applied k=9007199254740992 #1"])
        #expect(shelf.write(try max("9007199254740992.0")).stories == ["lost not-greater to k=9007199254740992 #1"])
        #expect(shelf.write(try max("-1")).stories == ["lost not-greater to k=9007199254740992 #1"])
        #expect(shelf.write(try max("9007199254740993")).stories == ["applied k=9007199254740993 #2"])
        #expect(shelf.write(try max("1e16")).stories == ["applied k=1e16 #3"])
    }

    @Test mutating func `the number at the pointer is compared`() throws {
        shelf.write(try max(#"{"n":[0,5]}"#, "/n/1"))
        #expect(shelf.write(try max(#"{"n":[9,5]}"#, "/n/1")).stories == [#"lost not-greater to k={"n":[0,5]} #1"#])
        #expect(shelf.write(try max(#"{"n":[0,6]}"#, "/n/1")).stories == [#"applied k={"n":[0,6]} #2"#])
    }

    @Test(arguments: ["\"7\"", "null", "true", "[]", "{}", "1e400", #"{"n":1}"#])
    mutating func `a value that is no finite number is refused`(value: String) throws {
        #expect(shelf.write(try max(value)).stories == ["refused not-numeric", "/value"])
        #expect(shelf["k"] == nil)
    }

    @Test mutating func `nothing stored, a tombstone, a record run out and a stored non-number lose`() throws {
        #expect(shelf.write(try max("-5")).stories == ["applied k=-5 #1"])
        shelf.write(.delete("k"))
        #expect(shelf.write(try max("-6")).stories == ["applied k=-6 #3"])
        shelf.write(.set("k", "\"much\""))
        #expect(shelf.write(try max("-7")).stories == ["applied k=-7 #5"])
        shelf.write(.set("k", "100", expiry: .afterSeconds(1)))
        #expect(shelf.write(try max("-8"), at: start.advanced(bySeconds: 1)).stories == ["applied k=-8 #7"])
        shelf.write(.set("k", "1e400"))
        #expect(shelf.write(try max("-9")).stories == ["applied k=-9 #9"])
        #expect(shelf.write(try max(#"{"n":-1}"#, "/n")).stories == [#"applied k={"n":-1} #10"#])
    }

    @Test mutating func `time decides nothing, but is kept when it is newer`() throws {
        shelf.write(try max("1", at: start.advanced(bySeconds: -10)))
        #expect(shelf["k"]?.updatedAt == start.advanced(bySeconds: -10))
        #expect(shelf.write(try max("2", at: start.advanced(bySeconds: -20))).stories == ["applied k=2 #2"])
        #expect(shelf["k"]?.updatedAt == start, "an older time would go back, so it happens now")
        #expect(shelf.write(try max("3", at: start.advanced(bySeconds: 60))).stories == ["applied k=3 #3"])
        #expect(shelf["k"]?.updatedAt == start.advanced(bySeconds: 60))
        #expect(
            shelf.write(try max("4", at: start.advanced(byMilliseconds: 60_001))).stories
                == ["refused clock-skew", "/updated_at"])
    }
}

@Suite struct PreconditionTests {
    private var shelf = Shelf()

    private func sequences(_ numbers: Int64...) -> [SequenceNumber] { numbers.map { SequenceNumber($0) } }

    @Test mutating func `a write for what is absent fails where something live is`() {
        #expect(shelf.write(.set("k", "1", if: .absent)).stories == ["applied k=1 #1"])
        #expect(shelf.write(.set("k", "2", if: .absent)).stories == ["refused precondition-failed"])
        shelf.write(.delete("k"))
        #expect(shelf.write(.set("k", "3", if: .absent)).stories == ["applied k=3 #3"])
        shelf.write(.set("k", "4", expiry: .afterSeconds(1)))
        #expect(
            shelf.write(.set("k", "5", if: .absent), at: start.advanced(bySeconds: 1)).stories == ["applied k=5 #5"])
    }

    @Test mutating func `a write for what is present fails where nothing live is`() {
        #expect(shelf.write(.set("k", "1", if: .present)).stories == ["refused precondition-failed"])
        shelf.write(.set("k", "1"))
        #expect(shelf.write(.set("k", "2", if: .present)).stories == ["applied k=2 #2"])
        #expect(shelf.write(.delete("k", if: .present)).stories == ["applied k deleted #3"])
        #expect(shelf.write(.set("k", "3", if: .present)).stories == ["refused precondition-failed"])
    }

    @Test mutating func `a write for one of some changes fails on another`() {
        shelf.write(.set("k", "1"))
        #expect(shelf.write(.set("k", "2", if: .sequenceIn(sequences(2)))).stories == ["refused precondition-failed"])
        #expect(shelf.write(.set("k", "2", if: .sequenceIn([]))).stories == ["refused precondition-failed"])
        #expect(shelf.write(.set("k", "2", if: .sequenceIn(sequences(7, 1)))).stories == ["applied k=2 #2"])
        #expect(shelf.write(.set("j", "2", if: .sequenceIn(sequences(2)))).stories == ["refused precondition-failed"])
        #expect(shelf.write(.delete("k", if: .sequenceIn(sequences(1)))).stories == ["refused precondition-failed"])
        #expect(shelf.write(.delete("k", if: .sequenceIn(sequences(2)))).stories == ["applied k deleted #3"])
        #expect(
            shelf.write(.set("k", "4", if: .sequenceIn(sequences(3)))).stories == ["refused precondition-failed"],
            "a tombstone has no tag")
    }

    @Test mutating func `a write for none of some changes fails on one of them`() {
        #expect(shelf.write(.set("k", "1", if: .sequenceNotIn(sequences(1)))).stories == ["applied k=1 #1"])
        #expect(
            shelf.write(.set("k", "2", if: .sequenceNotIn(sequences(3, 1)))).stories == ["refused precondition-failed"])
        #expect(shelf.write(.set("k", "2", if: .sequenceNotIn(sequences(2)))).stories == ["applied k=2 #2"])
        #expect(shelf.write(.set("k", "3", if: .sequenceNotIn([]))).stories == ["applied k=3 #3"])
    }

    @Test mutating func `the precondition is judged before the policy`() throws {
        shelf.write(.set("k", "1", at: start))
        let older = WriteItem.set("k", "0", at: start.advanced(bySeconds: -9), if: .absent)
        #expect(shelf.write(older).stories == ["refused precondition-failed"])
        let skewed = WriteItem.set("k", "0", at: start.advanced(bySeconds: 900), if: .absent)
        #expect(shelf.write(skewed).stories == ["refused precondition-failed"])
        #expect(shelf.write(.delete("j", if: .present)).stories == ["refused precondition-failed"])
    }
}

@Suite struct ExpiryPlanningTests {
    private var shelf = Shelf()

    @Test mutating func `the time to live counts from the commit`() {
        shelf.write(.set("k", "1", at: start.advanced(bySeconds: -30), expiry: .afterSeconds(10)))
        #expect(shelf["k"]?.expiresAt == start.advanced(bySeconds: 10))
    }

    @Test mutating func `an end may be the next millisecond to ten years away`() {
        let years = Limits().ttlSecondsMax
        for (offset, isGood) in [(-1, false), (0, false), (1, true), (years * 1000, true), (years * 1000 + 1, false)] {
            let end = start.advanced(byMilliseconds: offset)
            let answer = shelf.write(.set("k", "1", expiry: .at(end)))
            #expect((answer.error == nil) == isGood, "\(offset)")
            if isGood {
                #expect(shelf["k"]?.expiresAt == end)
            } else {
                #expect(answer.stories == ["refused invalid-field", "/expires_at"])
            }
        }
    }

    @Test mutating func `a write without a time to live clears an earlier one`() {
        shelf.write(.set("k", "1", expiry: .afterSeconds(10)))
        shelf.write(.set("k", "2"))
        #expect(shelf["k"]?.expiresAt == nil)
    }

    @Test mutating func `a record run out becomes a tombstone that says so`() throws {
        shelf.write(.set("k", "1", at: start.advanced(bySeconds: 20), expiry: .afterSeconds(10)))
        var planner = shelf.planner(at: start.advanced(byMilliseconds: 9_999))
        planner.expire(RecordAddress("k"))
        planner.expire(RecordAddress("nothing"))
        #expect(planner.batch.isEmpty)
        planner = shelf.planner(at: start.advanced(bySeconds: 10))
        planner.expire(RecordAddress("k"))
        planner.expire(RecordAddress("k"))
        #expect(planner.changes.map(\.record.story) == ["k deleted #2"])
        #expect(planner.changes.map(\.isExpiry) == [true])
        let tombstone = try #require(planner.batch.records.first?.record)
        #expect(tombstone.deletedAt == start.advanced(byMilliseconds: 20_001), "after what was stored")
        #expect(tombstone.committedAt == start.advanced(bySeconds: 10))
        #expect(planner.batch.audit.isEmpty)
        shelf.keep(planner)
    }

    @Test mutating func `a record written again in the same batch is not swept`() {
        shelf.write(.set("k", "1", expiry: .afterSeconds(10)))
        var planner = shelf.planner(at: start.advanced(bySeconds: 10))
        _ = planner.decide(.single(.set("k", "2")))
        planner.expire(RecordAddress("k"))
        #expect(planner.changes.map(\.record.story) == ["k=2 #2"])
    }

    @Test mutating func `erasing buries what is live and nothing else`() {
        shelf.write(.set("live", "1"))
        shelf.write(.set("out", "1", expiry: .afterSeconds(1)))
        shelf.write(.set("gone", "1"))
        shelf.write(.delete("gone"))
        var planner = shelf.planner(at: start.advanced(bySeconds: 5))
        for key in ["live", "out", "gone", "never", "live"] { planner.erase(RecordAddress(key)) }
        #expect(planner.changes.map(\.record.story) == ["live deleted #5"])
        #expect(planner.changes.map(\.isExpiry) == [false])
    }
}
