import ApusCore
import NIOCore
import Testing

@testable import ApusProtocol

@Suite struct SessionStateMachineTests {
    private let owner = OwnerID(stored: "u1")
    private let notes = StreamScope.collection(CollectionName(stored: "notes"))

    private func machine(
        scope: StreamScope? = nil, since: Int64? = nil, epoch: String? = nil, expiresAt: Int64 = .max / 2,
        _ change: (inout Limits) -> Void = { _ in }
    ) -> SessionStateMachine {
        var limits = Limits()
        change(&limits)
        return SessionStateMachine(
            owner: owner, epoch: Epoch("now"), scope: scope,
            resume: since.map { ResumePoint(since: SequenceNumber($0), epoch: epoch) },
            expiresAt: Timestamp(milliseconds: expiresAt), limits: limits)
    }

    private func state(_ last: Int64, purgedThrough: Int64 = 0) -> OwnerState {
        var state = OwnerState()
        state.lastSequence = SequenceNumber(last)
        state.purgedThrough = SequenceNumber(purgedThrough)
        return state
    }

    private func page(_ sequences: [Int64], reached: Int64, hasMore: Bool = false) -> ChangesPage {
        let records = sequences.map { number in
            Record(
                address: RecordAddress(
                    owner: owner, collection: CollectionName(stored: "notes"), key: RecordKey(stored: "k\(number)")),
                value: JSONText(validated: ByteBuffer(string: "1")), updatedAt: .init(milliseconds: 0),
                sequence: SequenceNumber(number), committedAt: .init(milliseconds: 0))
        }
        let position = ChangesPosition(after: SequenceNumber(reached), baseline: .zero)
        return ChangesPage(records: records, reached: position, hasMore: hasMore)
    }

    /// What is done, in short.
    private func words(_ actions: [SessionStateMachine.Action]) -> [String] {
        actions.map { action in
            switch action {
            case .send(let message):
                "send "
                    + ByteBuffer.text { $0.writeMessage(message) }.split(separator: ",").prefix(4).joined(
                        separator: ",")
            case .sendRecords(let records): "records \(records.map(\.sequence.rawValue))"
            case .join(let scopes): "join \(scopes.count)" + (scopes.contains(.everything) ? " all" : "")
            case .leave: "leave"
            case .readState: "read state"
            case .read(let query):
                if case .position(let position) = query.start { "read after \(position.after.rawValue)" } else { "?" }
            case .refuse(let error, _): "refuse \(error.code.rawValue)"
            case .close(let code): "close \(code.rawValue)"
            }
        }
    }

    private func opened(_ machine: inout SessionStateMachine, last: Int64) {
        _ = machine.start()
        _ = machine.stateRead(state(last), at: .init(milliseconds: 0))
    }

    /// Whether each of these runs, told by its last change, is new to the subscriber.
    private func taken(_ machine: inout SessionStateMachine, _ runs: Int64...) -> [Bool] {
        runs.map { machine.take(upTo: SequenceNumber($0)) }
    }

    private let hello = #"send {"type":"hello","user_id":"u1","epoch":"now","seq":9"#

    @Test func `a new subscriber joins before the storage is read, hears hello and is live`() {
        var machine = machine()
        #expect(words(machine.start()) == ["join 1 all", "read state"])
        #expect(!machine.isOpen && !machine.isLive)
        #expect(words(machine.stateRead(state(9), at: .init(milliseconds: 0))) == [hello])
        #expect(machine.isLive)
        #expect(taken(&machine, 9, 11, 11) == [false, true, false], "the storage had 9 when hello was said")
    }

    @Test func `one that resumes reads page after page, joins for the last one, and only then is live`() {
        var machine = machine(since: 3)
        #expect(words(machine.start()) == ["read state"])
        #expect(words(machine.stateRead(state(9), at: .init(milliseconds: 0))) == [hello, "read after 3"])
        #expect(
            words(machine.pageRead(page([4, 5], reached: 5, hasMore: true))) == ["records [4, 5]", "read after 5"])
        #expect(words(machine.pageRead(page([6], reached: 9))) == ["records [6]", "join 1 all", "read after 9"])
        #expect(!machine.isLive)
        #expect(
            words(machine.pageRead(page([10], reached: 10)))
                == ["records [10]", #"send {"type":"current","seq":10}"#])
        #expect(machine.isLive)
        #expect(taken(&machine, 10, 11) == [false, true])
    }

    @Test(arguments: [
        (Int64(10), nil, nil), (5, nil, nil), (0, nil, nil), (7, "now", nil), (4, nil, "purged"), (1, nil, "purged"),
        (11, nil, "future"), (.max, nil, "future"), (7, "then", "other-epoch"), (0, "then", "other-epoch"),
        (99, "then", "other-epoch"), (7, "", "other-epoch"),
    ])
    func `a position that cannot be served is reset to a snapshot, and says why`(
        since: Int64, epoch: String?, reason: String?
    ) {
        var machine = machine(since: since, epoch: epoch)
        let done = words(machine.stateRead(state(10, purgedThrough: 5), at: .init(milliseconds: 0))).dropFirst()
        let reset = reason.map { [#"send {"type":"reset","reason":"\#($0)"}"#] } ?? []
        #expect(Array(done) == reset + ["read after \(reason == nil ? since : 0)"])
    }

    @Test func `tombstones that are purged while one catches up begin the snapshot anew`() {
        var machine = machine(since: 3)
        opened(&machine, last: 9)
        _ = machine.pageRead(page([4], reached: 4, hasMore: true))
        #expect(
            words(machine.readFailed(ApusError(.resyncRequired, "")))
                == [#"send {"type":"reset","reason":"purged"}"#, "read after 0"])
        #expect(words(machine.readFailed(.overloaded("reads"))) == ["close 1013"])
    }

    @Test func `the first scope takes the place of everything, later ones are added`() {
        var machine = machine()
        opened(&machine, last: 9)
        #expect(machine.subscribe(to: notes, nil, id: nil).isEmpty, "it waits until what came before has been sent")
        #expect(machine.waitsForDrain)
        #expect(
            words(machine.drained(published: SequenceNumber(12))) == ["join 1", #"send {"type":"ack","seq":12}"#])
        _ = machine.subscribe(to: .collection(CollectionName(stored: "tasks")), nil, id: nil)
        #expect(words(machine.drained(published: SequenceNumber(12))).first == "join 2")
        _ = machine.unsubscribe(from: notes, id: nil)
        #expect(
            words(machine.drained(published: SequenceNumber(13))) == ["join 1", #"send {"type":"ack","seq":13}"#])
        _ = machine.unsubscribe(from: notes, id: nil)
        #expect(words(machine.drained(published: SequenceNumber(13))) == ["refuse not-found"])
        _ = machine.unsubscribe(from: nil, id: nil)
        #expect(words(machine.drained(published: SequenceNumber(13))).first == "join 0")
    }

    @Test func `a scope that is caught up with holds up the others, and ends where they stand`() {
        var machine = machine(scope: .collection(CollectionName(stored: "tasks")))
        opened(&machine, last: 9)
        _ = machine.subscribe(to: notes, ResumePoint(since: SequenceNumber(2), epoch: nil), id: nil)
        #expect(
            words(machine.drained(published: SequenceNumber(12)))
                == ["join 2", #"send {"type":"ack","seq":12}"#, "read after 2"])
        #expect(!machine.isLive)
        #expect(
            words(machine.pageRead(page([5, 11, 14], reached: 15, hasMore: true)))
                == ["records [5, 11]", #"send {"type":"current","seq":12}"#], "14 comes from the feed")
        #expect(machine.isLive)
        #expect(taken(&machine, 12, 14) == [false, true])
    }

    @Test func `the first scope that resumes leaves the feed, as there is nothing to miss in it`() {
        var machine = machine()
        opened(&machine, last: 9)
        _ = machine.subscribe(to: notes, ResumePoint(since: .zero, epoch: "then"), id: nil)
        #expect(
            words(machine.drained(published: SequenceNumber(9))) == [
                "leave", #"send {"type":"ack","seq":9}"#, #"send {"type":"reset","reason":"other-epoch"}"#,
                "read after 0",
            ])
        #expect(words(machine.pageRead(page([5], reached: 20)))[1] == "join 1")
        #expect(words(machine.pageRead(page([], reached: 21)))[1] == #"send {"type":"current","seq":21}"#)
    }

    @Test func `a position ahead of what has been told is waited for, unless it is in the future`() {
        var machine = machine(scope: notes)
        opened(&machine, last: 9)
        _ = machine.subscribe(to: .everything, ResumePoint(since: SequenceNumber(11), epoch: nil), id: nil)
        #expect(words(machine.drained(published: SequenceNumber(9))) == ["read state"])
        #expect(machine.stateRead(state(11), at: .init(milliseconds: 0)).isEmpty)
        #expect(words(machine.drained(published: SequenceNumber(11))).last == "read after 11")
        _ = machine.pageRead(page([], reached: 11))
        _ = machine.subscribe(to: notes, ResumePoint(since: SequenceNumber(13), epoch: nil), id: nil)
        #expect(words(machine.drained(published: SequenceNumber(11))) == ["read state"])
        #expect(machine.stateRead(state(12), at: .init(milliseconds: 0)).isEmpty)
        #expect(words(machine.drained(published: SequenceNumber(12)))[2] == #"send {"type":"reset","reason":"future"}"#)
    }

    @Test func `a socket takes so many scopes, and so many wait, and no more`() {
        var machine = machine { $0.scopesPerSocketMax = 2 }
        opened(&machine, last: 0)
        let scopes = ["a", "b", "c"].map { StreamScope.collection(CollectionName(stored: $0)) }
        for scope in scopes.prefix(2) { #expect(machine.subscribe(to: scope, nil, id: nil).isEmpty) }
        #expect(words(machine.subscribe(to: scopes[2], nil, id: nil)) == ["refuse overloaded"])
        #expect(words(machine.drained(published: .zero)).count == 4)
        _ = machine.subscribe(to: scopes[2], nil, id: nil)
        #expect(words(machine.drained(published: .zero)) == ["refuse too-many-items"])
        _ = machine.subscribe(to: scopes[1], nil, id: nil)
        #expect(words(machine.drained(published: .zero)).count == 2, "one that is there already is no more")
    }

    @Test func `a token's end is told a minute before, once, and another token puts it off`() {
        var machine = machine(expiresAt: 100_000)
        func tick(_ milliseconds: Int64) -> [String] { words(machine.tick(at: .init(milliseconds: milliseconds))) }
        #expect(tick(50_000).isEmpty, "hello comes first")
        opened(&machine, last: 0)
        #expect(tick(39_999).isEmpty)
        #expect(tick(40_000) == [#"send {"type":"auth.expiring","expires_at":"1970-01-01T00:01:40.000Z"}"#])
        #expect(tick(99_999).isEmpty)
        machine.renew(until: Timestamp(milliseconds: 200_000))
        #expect(tick(100_000).isEmpty)
        #expect(tick(140_000).count == 1)
        #expect(tick(200_000) == ["close 4401"])
    }
}
