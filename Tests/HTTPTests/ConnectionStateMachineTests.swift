import ApusCore
import NIOCore
import Testing

@testable import ApusHTTP

@Suite struct ConnectionStateMachineTests {
    typealias Machine = ConnectionStateMachine
    typealias Head = ConnectionStateMachine.Head

    private let start = NIODeadline.uptimeNanoseconds(0)
    private var machine: Machine

    init() {
        machine = Machine(limits: Limits(), at: .uptimeNanoseconds(0))
    }

    private func at(_ seconds: Int64) -> NIODeadline { start + .seconds(seconds) }

    /// A machine with a whole request that waits for its answer.
    private func answering(_ head: Head = Head()) -> Machine {
        var machine = machine
        _ = machine.head(head)
        _ = machine.admit(bodyBytesMax: 0, at: start)
        _ = machine.end(at: start)
        return machine
    }

    /// A machine that is being sent a body.
    private func receiving(_ bytes: Int? = 1000, bodyBytesMax: Int = 1 << 20) -> Machine {
        var machine = machine
        _ = machine.head(Head(bodyBytes: bytes))
        _ = machine.admit(bodyBytesMax: bodyBytesMax, at: start)
        return machine
    }

    private func finishing() -> Machine {
        var machine = answering(Head(keepsAlive: false))
        _ = machine.answer(at: start)
        return machine
    }

    private func lingering() -> Machine {
        var machine = finishing()
        _ = machine.written(at: start)
        return machine
    }

    @Test mutating func `requests are taken one after the other, each when the one before it is answered`() {
        for _ in 0..<3 {
            #expect(machine.takes)
            #expect(machine.head(Head()) == .judge)
            #expect(!machine.takes, "the next thing waits until the head is judged")
            #expect(machine.admit(bodyBytesMax: 0, at: start) == .none)
            #expect(machine.takes)
            #expect(machine.end(at: start) == .answer(isLate: false))
            #expect(!machine.takes)
            #expect(machine.answer(at: start) == .send(isLast: false))
            #expect(!machine.takes, "the next thing waits until the client has taken the answer")
            #expect(machine.answer(at: start) == .none, "there is one answer")
            #expect(machine.taken(at: start) == .next)
            #expect(machine.taken(at: start) == .none)
        }
    }

    @Test func `after a last answer nothing more is begun, and what comes is dropped until the client is done`() {
        var machine = answering(Head(keepsAlive: false))
        #expect(machine.answer(at: start) == .send(isLast: true))
        #expect(machine.takes && machine.reading == .drop)
        #expect(machine.head(Head()) == .none)
        #expect(machine.body(5) == .drop)
        #expect(machine.end(at: start) == .none)
        #expect(machine.failed() == .none)
        #expect(machine.written(at: start) == .closeOutput)
        #expect(machine.reading == .drop)
        #expect(machine.head(Head()) == .none)
        #expect(machine.inputEnded() == .close)
        #expect(machine.inputEnded() == .none)
    }

    @Test func `a client that has stopped sending still gets all of its answer`() {
        var machine = finishing()
        #expect(machine.inputEnded() == .none)
        #expect(machine.written(at: start) == .close)
        var taken = answering()
        _ = taken.answer(at: start)
        _ = taken.taken(at: start)
        #expect(taken.inputEnded() == .finish, "the end of the answer may still be on its way")
        #expect(taken.written(at: start) == .close)
    }

    @Test(arguments: [
        (Head(bodyBytes: 0), true), (Head(bodyBytes: 16 << 10), true), (Head(bodyBytes: 16 << 10 + 1), false),
        (Head(bodyBytes: nil), false), (Head(bodyBytes: 5, awaitsContinue: true), false),
    ])
    func `a refusal waits for a body that is small, and for no other`(head: Head, waits: Bool) {
        var machine = machine
        _ = machine.head(head)
        #expect(machine.refuse(at: start) == (waits ? .wait : .answer))
        if waits {
            #expect(machine.body(head.bodyBytes ?? 0) == .drop)
            #expect(machine.end(at: start) == .answer(isLate: false))
            #expect(machine.answer(at: start) == .send(isLast: false))
        } else {
            #expect(machine.answer(at: start) == .send(isLast: true))
        }
    }

    @Test(arguments: [10, nil])
    func `a body may have as many bytes as are allowed and not one more`(announced: Int?) {
        var machine = receiving(announced, bodyBytesMax: 10)
        #expect(machine.body(4) == .keep)
        #expect(machine.body(6) == .keep)
        #expect(machine.body(1) == .tooLarge)
        #expect(machine.answer(at: start) == .send(isLast: true), "an answer before the end is the last one")
    }

    @Test mutating func `more than is allowed is refused when it is announced`() {
        _ = machine.head(Head(bodyBytes: 11, awaitsContinue: true))
        #expect(machine.admit(bodyBytesMax: 10, at: start) == .tooLarge)
        #expect(machine.answer(at: start) == .send(isLast: true))
    }

    @Test func `a body that has no use is passed over up to its limit`() {
        var machine = receiving(nil, bodyBytesMax: 0)
        #expect(machine.body(16 << 10) == .drop)
        #expect(machine.body(1) == .tooLarge)
    }

    @Test(arguments: [(Head(bodyBytes: 5, awaitsContinue: true), true), (Head(bodyBytes: 5), false)])
    func `a client is told to go on if it waits for that`(head: Head, isTold: Bool) {
        var machine = machine
        _ = machine.head(head)
        #expect(machine.admit(bodyBytesMax: 10, at: start) == (isTold ? .sendContinue : .none))
    }

    @Test func `a body that took long is told from one that did not`() {
        var machine = receiving()
        #expect(machine.end(at: at(1)) == .answer(isLate: true))
    }

    @Test func `what is no HTTP is refused once, with a request or without`() {
        var fresh = machine
        #expect(fresh.failed() == .refuseAnew)
        #expect(fresh.answer(at: start) == .send(isLast: true))
        #expect(fresh.failed() == .none)
        var inBody = receiving()
        #expect(inBody.failed() == .refuse)
        #expect(inBody.answer(at: start) == .send(isLast: true))
    }

    @Test mutating func `a new connection may be silent for 30 s, and a used one for 75`() {
        #expect(machine.tick(at: at(29)) == .none)
        var used = answering()
        _ = used.answer(at: start)
        _ = used.taken(at: at(10))
        #expect(machine.tick(at: at(30)) == .close)
        #expect(used.tick(at: at(84)) == .none)
        #expect(used.tick(at: at(85)) == .close)
        #expect(used.head(Head()) == .none)
    }

    @Test mutating func `headers must be whole ten seconds after their first byte, however they trickle`() {
        machine.arrived(at: at(5))
        for second in 6..<15 {
            machine.arrived(at: at(Int64(second)))
            #expect(machine.tick(at: at(Int64(second))) == .none)
        }
        #expect(machine.tick(at: at(15)) == .timeOutAnew)
        #expect(machine.answer(at: at(15)) == .send(isLast: true))
    }

    @Test func `a body is cut off after 30 slow seconds, or after 300 in all`() {
        var trickle = receiving(1 << 20)
        var steady = receiving(1 << 20)
        for second in 1..<300 {
            _ = trickle.body(1023)
            _ = steady.body(1024)
            if second < 30 { #expect(trickle.tick(at: at(Int64(second))) == .none) }
            if second == 30 { #expect(trickle.tick(at: at(30)) == .timeOut) }
            #expect(steady.tick(at: at(Int64(second))) == .none)
        }
        #expect(steady.tick(at: at(300)) == .timeOut)
    }

    @Test func `a client that does not take its answer is cut off after 75 s`() {
        var flushing = answering()
        _ = flushing.answer(at: start)
        var finishing = finishing()
        for last in [74, 75] as [Int64] {
            #expect(flushing.tick(at: at(last)) == (last == 75 ? .close : .none))
            #expect(finishing.tick(at: at(last)) == (last == 75 ? .close : .none))
        }
        var waiting = answering()
        #expect(waiting.tick(at: at(1000)) == .none, "the client does not pay for our own slowness")
    }

    @Test func `what comes after the last answer is dropped for three seconds after the last byte, 30 in all`() {
        var machine = lingering()
        for second in 1..<30 {
            machine.arrived(at: at(Int64(second)))
            #expect(machine.tick(at: at(Int64(second))) == .none)
        }
        #expect(machine.tick(at: at(30)) == .close)
        var silent = lingering()
        #expect(silent.tick(at: at(2)) == .none)
        #expect(silent.tick(at: at(3)) == .close)
    }

    @Test mutating func `a stop closes what is idle once the last answer has left`() {
        #expect(machine.stop(at: start) == .finish)
        #expect(machine.written(at: start) == .close)
    }

    @Test mutating func `a stop refuses a request that has begun to arrive after two seconds`() {
        machine.arrived(at: start)
        #expect(machine.stop(at: start) == .none)
        #expect(machine.tick(at: at(1)) == .none)
        #expect(machine.tick(at: at(2)) == .refuseStoppingAnew)
        #expect(machine.answer(at: at(2)) == .send(isLast: true))
    }

    @Test func `a stop lets whole requests be answered, and refuses unfinished ones after two seconds`() {
        var whole = answering()
        #expect(whole.stop(at: start) == .none)
        #expect(whole.tick(at: at(7)) == .none)
        #expect(whole.answer(at: at(7)) == .send(isLast: true))
        var nearly = receiving()
        #expect(nearly.stop(at: start) == .none)
        #expect(nearly.end(at: at(1)) == .answer(isLate: true))
        var unfinished = receiving()
        var unjudged = machine
        _ = unjudged.head(Head())
        for machine in [unfinished, unjudged] {
            var machine = machine
            _ = machine.stop(at: start)
            #expect(machine.tick(at: at(1)) == .none)
            #expect(machine.tick(at: at(2)) == .refuseStopping)
            #expect(machine.answer(at: at(2)) == .send(isLast: true))
            #expect(machine.written(at: at(2)) == .closeOutput)
            machine.arrived(at: at(2))
            #expect(machine.tick(at: at(3)) == .close, "dropping the rest takes a second at most")
        }
        _ = unfinished.stop(at: start)
    }

    @Test func `a stop gives a client two seconds to take its answer`() {
        var flushing = answering()
        _ = flushing.answer(at: start)
        var taken = flushing
        var finishing = finishing()
        var lingering = lingering()
        _ = flushing.stop(at: start)
        _ = taken.stop(at: start)
        _ = finishing.stop(at: start)
        _ = lingering.stop(at: start)
        #expect(taken.taken(at: at(1)) == .finish)
        #expect(lingering.tick(at: at(1)) == .close)
        #expect(flushing.tick(at: at(1)) == .none && finishing.tick(at: at(1)) == .none)
        #expect(flushing.tick(at: at(2)) == .close && finishing.tick(at: at(2)) == .close)
    }

    @Test func `a request becomes a socket when it is whole, and its bytes are no HTTP from then on`() {
        var early = machine
        #expect(early.upgrade() == false)
        var machine = answering()
        #expect(machine.upgrade() == true)
        #expect(machine.reading == .handOver && machine.takes)
        #expect(machine.answer(at: start) == .none)
        #expect(machine.tick(at: at(1000)) == .none)
        #expect(machine.head(Head()) == .close)
    }
}
