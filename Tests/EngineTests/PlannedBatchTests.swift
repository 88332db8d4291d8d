import ApusCore
import NIOCore
import Testing

@testable import ApusEngine

@Suite struct PlannedBatchTests {
    private var shelf = Shelf()

    @Test mutating func `numbers are contiguous in a batch, for each owner on its own`() {
        shelf.write(.set("old"))
        var planner = shelf.planner()
        let answers = [
            planner.decide(.single(.set("a"))), planner.decide(.single(.set("a"), owner: "u2")),
            planner.decide(.bulk([.set("b"), .set("c"), .delete("old")])),
            planner.decide(.single(.set("d"), owner: "u2")),
            planner.decide(.single(.delete("nothing"))), planner.decide(.single(.set("e"))),
        ]
        #expect(
            answers.map(\.stories) == [
                ["applied a=1 #2"], ["applied a=1 #1"], ["applied b=1 #3", "applied c=1 #4", "applied old deleted #5"],
                ["applied d=1 #2"], ["refused not-found"], ["applied e=1 #6"],
            ])
        #expect(planner.changes.map(\.record.sequence.rawValue) == [2, 1, 3, 4, 5, 2, 6])
        #expect(
            planner.batch.owners.mapValues(\.lastSequence.rawValue) == [
                OwnerID(stored: "u1"): 6, OwnerID(stored: "u2"): 2,
            ])
        shelf.keep(planner)
    }

    @Test mutating func `several writes to one key in one batch are one row and several changes`() {
        shelf.write(.set("k", "0"))
        let locator = shelf.rows[RecordAddress("k")]?.locator
        var planner = shelf.planner()
        #expect(
            planner.decide(.bulk([.set("k", "1"), .set("k", "2"), .delete("k"), .set("k", "3")])).stories
                == ["applied k=1 #2", "applied k=2 #3", "applied k deleted #4", "applied k=3 #5"])
        #expect(
            planner.decide(.single(.set("k", "4", if: .sequenceIn([SequenceNumber(5)])))).stories == ["applied k=4 #6"])
        #expect(planner.batch.records.map(\.record.story) == ["k=4 #6"])
        #expect(planner.batch.records.map(\.replacing) == [locator])
        #expect(planner.changes.map(\.record.story) == ["k=1 #2", "k=2 #3", "k deleted #4", "k=3 #5", "k=4 #6"])
        let times = planner.changes.map(\.record.updatedAt)
        #expect(times == (1...5).map { start.advanced(byMilliseconds: $0) }, "each after the one before")
    }

    @Test mutating func `a new key written twice in a batch is written once`() {
        var planner = shelf.planner()
        _ = planner.decide(.single(.set("k", "1")))
        _ = planner.decide(.single(.delete("k")))
        #expect(planner.batch.records.map(\.record.story) == ["k deleted #2"])
        #expect(planner.batch.records.map(\.replacing) == [nil])
    }

    // MARK: Atomic requests

    private static let fault = ApusError(.invalidField, "wrong", at: "/key")

    @Test mutating func `an atomic request refused half-way leaves the batch exactly as it was`() {
        shelf.write(.set("old", "0"))
        shelf.write(.set("other", "0"))
        var planner = shelf.planner()
        // Of this batch already: a new key, a replaced one, and a change of another owner.
        _ = planner.decide(.bulk([.set("new", "1"), .set("old", "1")]))
        _ = planner.decide(.single(.set("new", "1"), owner: "u2"))
        let before = Decisions(planner)
        let refused = planner.decide(
            .bulk([
                .success(.set("new", "2")), .success(.set("new", "3")), .success(.delete("old")),
                .success(.set("other", "2")),
                .success(.set("fresh", "2")), .failure(Self.fault),
            ]))
        #expect(refused.stories == ["refused invalid-field", "/items/5/key"])
        #expect(Decisions(planner) == before)
        #expect(
            planner.decide(.bulk([.set("new", "4"), .set("old", "4"), .set("other", "4"), .set("fresh", "4")])).stories
                == ["applied new=4 #5", "applied old=4 #6", "applied other=4 #7", "applied fresh=4 #8"])
        shelf.keep(planner)
        #expect(shelf.rows.values.filter { $0.record.address.owner.text == "u1" }.count == 4)
    }

    @Test mutating func `an owner with no earlier change has none after a refusal`() {
        var planner = shelf.planner()
        _ = planner.decide(.bulk([.success(.set("a")), .success(.set("b")), .failure(Self.fault)]))
        #expect(planner.batch.isEmpty && planner.changes.isEmpty)
        #expect(planner.decide(.single(.set("a"))).stories == ["applied a=1 #1"])
    }

    @Test mutating func `an owner whose only change was before this batch is not written by a refusal`() {
        shelf.write(.set("a"))
        var planner = shelf.planner()
        _ = planner.decide(.bulk([.success(.set("a", "2")), .failure(Self.fault)]))
        #expect(planner.batch.isEmpty)
        #expect(
            planner.decide(.single(.set("a", "2", if: .sequenceIn([SequenceNumber(1)])))).stories == ["applied a=2 #2"])
    }

    @Test mutating func `every fault of an atomic bulk is named, by where its item stands`() {
        let answer = shelf.write(
            .bulk([
                .success(.set("a")), .success(.set("b", at: start.advanced(bySeconds: 90))),
                .failure(ApusError(.invalidField, "no object", at: "")),
                .failure(
                    ApusError(
                        .invalidField, "two",
                        fields: [.init(pointer: "/key", detail: "x"), .init(pointer: "/value", detail: "y")])),
                .success(.set("c", "\"x\"", .maxNumeric(.whole))), .success(.set("d", expiry: .at(start))),
            ]))
        #expect(
            answer.stories == [
                "refused clock-skew", "/items/1/updated_at", "/items/2", "/items/3/key", "/items/3/value",
                "/items/4/value",
                "/items/5/expires_at",
            ])
        #expect(answer.error?.message.hasPrefix("nothing was written: ") == true)
        #expect(answer.error?.serverTime == start)
        #expect(shelf.rows.isEmpty)
    }

    @Test mutating func `a value too large makes an atomic bulk an invalid one`() {
        let answer = shelf.write(
            .bulk([.success(.set("a")), .failure(ApusError(.valueTooLarge, "large", at: "/value"))]))
        #expect(answer.stories == ["refused invalid-field", "/items/1/value"])
    }

    @Test mutating func `one answer names 100 faults at most`() {
        let answer = shelf.write(.bulk(Array(repeating: .failure(Self.fault), count: 101)))
        #expect(answer.error?.fields.count == 100)
        #expect(answer.error?.fields.last?.pointer == "/items/99/key")
    }

    @Test mutating func `a delete that finds nothing does not stop an atomic bulk`() {
        #expect(
            shelf.write(.bulk([.delete("nothing"), .set("a"), .delete("a"), .delete("a")])).stories
                == ["failed not-found", "applied a=1 #1", "applied a deleted #2", "failed not-found"])
    }

    @Test mutating func `a losing item does not stop an atomic bulk`() {
        shelf.write(.set("a", "1", at: start))
        #expect(
            shelf.write(.bulk([.set("a", "0", at: start.advanced(bySeconds: -1)), .set("b")])).stories
                == ["lost older to a=1 #1", "applied b=1 #2"])
    }

    @Test mutating func `a bulk that is not atomic writes what is good`() {
        let answer = shelf.write(
            .bulk(
                [
                    .failure(Self.fault), .success(.set("a")), .success(.set("b", at: start.advanced(bySeconds: 90))),
                    .success(.delete("c")), .success(.set("a", "2")),
                ], isAtomic: false))
        #expect(
            answer.stories == [
                "failed invalid-field", "applied a=1 #1", "failed clock-skew", "failed not-found", "applied a=2 #2",
            ])
        #expect(shelf["a"]?.value?.text == "2")
    }

    @Test mutating func `a single write that fails keeps its own error and pointers`() {
        let answer = shelf.write(
            WriteRequest(owner: OwnerID(stored: "u1"), items: [.failure(Self.fault)], origin: .system))
        #expect(answer.stories == ["refused invalid-field", "/key"])
    }

    @Test mutating func `an empty bulk writes nothing but is noted`() {
        var planner = shelf.planner()
        #expect(planner.decide(.bulk([WriteItem]())).stories == [])
        #expect(planner.batch.records.isEmpty && planner.changes.isEmpty && planner.batch.owners.isEmpty)
        #expect(planner.batch.audit.map(\.detail) == ["0 of 0 applied"])
    }

    // MARK: Audit

    @Test mutating func `the log has one entry a request, and never a value`() {
        let secret = "\"a secret value\""
        var planner = shelf.planner()
        _ = planner.decide(.single(.set("k", secret, at: start)))
        _ = planner.decide(.single(.set("k", secret, at: start.advanced(bySeconds: -1))))
        _ = planner.decide(.bulk([.set("a", secret), .set("b", secret), .delete("nothing")]))
        _ = planner.decide(.single(.delete("k")))
        let audit = planner.batch.audit
        #expect(audit.map(\.action) == Array(repeating: "data.write", count: 4))
        #expect(audit.map(\.target) == ["u1/c/k", "u1/c/k", "u1", "u1/c/k"])
        #expect(audit.map(\.detail) == ["set", "set", "2 of 3 applied", "delete"])
        #expect(audit.map(\.outcome) == ["ok", "not-applied", "ok", "ok"])
        #expect(audit.allSatisfy { $0.origin == WriteRequest.origin && $0.at == start })
        #expect(!"\(audit)".contains("secret"))
    }
}

@Suite struct IdempotencyPlanningTests {
    private var shelf = Shelf()

    private func write(_ key: String, _ fingerprint: UInt8 = 1, value: String = "1", owner: String = "u1")
        -> WriteRequest
    {
        .single(.set("k", value), owner: owner, idempotency: IdempotencyClaim(key, fingerprint: fingerprint))
    }

    @Test mutating func `the first answer is given again, and nothing is written twice`() {
        #expect(shelf.write(write("a")).stories == ["applied k=1 #1"])
        var planner = shelf.planner(at: start.advanced(bySeconds: 5))
        #expect(planner.decide(write("a")).stories == ["replayed: applied k=1 #1"])
        #expect(planner.batch.isEmpty && planner.changes.isEmpty)
        #expect(shelf.write(write("b")).stories == ["applied k=1 #2"])
    }

    @Test mutating func `the first answer is given again inside one batch`() {
        var planner = shelf.planner()
        #expect(planner.decide(write("a")).stories == ["applied k=1 #1"])
        #expect(planner.decide(write("a")).stories == ["replayed: applied k=1 #1"])
        #expect(planner.decide(write("a", 2)).stories == ["refused conflict"])
        #expect(planner.decide(write("a", owner: "u2")).stories == ["applied k=1 #1"], "keys are the owner's own")
        #expect(planner.batch.answers.count == 2)
        #expect(planner.batch.audit.count == 2)
    }

    @Test mutating func `a key used for another request is refused`() {
        shelf.write(write("a"))
        let answer = shelf.write(write("a", 2))
        #expect(answer.error?.code == .idempotencyMismatch)
        #expect(shelf["k"]?.sequence.rawValue == 1)
    }

    @Test mutating func `an answer is kept for 24 hours and not a millisecond more`() {
        shelf.write(write("a"))
        let end = start.advanced(bySeconds: 86_400)
        #expect(shelf.write(write("a"), at: end.advanced(byMilliseconds: -1)).stories == ["replayed: applied k=1 #1"])
        #expect(shelf.write(write("a", 2, value: "2"), at: end).stories == ["applied k=2 #2"])
        #expect(shelf.write(write("a", 2), at: end).stories == ["replayed: applied k=2 #2"])
    }

    @Test mutating func `a lost write's answer is replayed, a refused request may be tried again`() {
        shelf.write(.set("k", "1", at: start))
        let losing = WriteRequest.single(
            .set("k", "0", at: start.advanced(bySeconds: -1)), idempotency: IdempotencyClaim("lost"))
        #expect(shelf.write(losing).stories == ["lost older to k=1 #1"])
        shelf.write(.delete("k", at: start))
        #expect(shelf.write(losing).stories == ["replayed: lost older to k=1 #1"])
        let refused = WriteRequest.single(.delete("j"), idempotency: IdempotencyClaim("refused"))
        #expect(shelf.write(refused).stories == ["refused not-found"])
        shelf.write(.set("j"))
        #expect(shelf.write(refused).stories == ["applied j deleted #4"])
    }

    @Test mutating func `two keys that differ only in how a letter is composed are two`() {
        var planner = shelf.planner()
        _ = planner.decide(write("\u{e9}"))
        #expect(planner.decide(write("e\u{301}", 2, value: "2")).stories == ["applied k=2 #2"])
    }
}
