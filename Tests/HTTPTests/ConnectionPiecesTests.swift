import ApusCore
import NIOCore
import Testing

@testable import ApusHTTP

/// The life of a connection whose answer is sent in pieces.
@Suite struct ConnectionPiecesTests {
    typealias Machine = ConnectionStateMachine

    private let start = NIODeadline.uptimeNanoseconds(0)

    private func at(_ seconds: Int64) -> NIODeadline { start + .seconds(seconds) }

    /// A machine with a whole request that waits for its answer.
    private func answering(keepsAlive: Bool = true) -> Machine {
        var machine = Machine(limits: Limits(), at: start)
        _ = machine.head(.init(keepsAlive: keepsAlive))
        _ = machine.admit(bodyBytesMax: 0, at: start)
        _ = machine.end(at: start)
        return machine
    }

    private func sending(keepsAlive: Bool = true) -> Machine {
        var machine = answering(keepsAlive: keepsAlive)
        _ = machine.answerInPieces(isFramed: true, at: start)
        return machine
    }

    @Test func `behind the last piece the connection goes on as behind any answer`() {
        var machine = answering()
        #expect(machine.answerInPieces(isFramed: true, at: start) == .send(isLast: false))
        #expect(!machine.takes && machine.reading == .parse)
        #expect(machine.answer(at: start) == .none, "there is one answer")
        #expect(machine.answerInPieces(isFramed: true, at: start) == .none)
        #expect(machine.taken(at: start) == .none)
        #expect(machine.pieceWasLast(at: start) == .send(isLast: false))
        #expect(!machine.takes, "the next request waits until the client has taken the answer")
        #expect(machine.taken(at: start) == .next)
        #expect(machine.takes && machine.head(.init()) == .judge)
    }

    @Test(arguments: [(true, false), (false, true), (false, false)])
    func `it ends where the client wants that, or cannot tell the end of the pieces`(keepsAlive: Bool, isFramed: Bool) {
        var machine = answering(keepsAlive: keepsAlive)
        #expect(machine.answerInPieces(isFramed: isFramed, at: start) == .send(isLast: true))
        #expect(machine.pieceWasLast(at: start) == .send(isLast: true))
        #expect(machine.written(at: start) == .closeOutput)
    }

    @Test func `a client that takes nothing for 30 s is cut, one that takes a little is not`() {
        var machine = sending()
        #expect(machine.tick(at: at(29)) == .none)
        machine.progressed(at: at(29))
        #expect(machine.tick(at: at(58)) == .none)
        #expect(machine.tick(at: at(59)) == .close)
        #expect(machine.pieceWasLast(at: at(59)) == .none)
        machine.progressed(at: at(59))
        #expect(machine.reading == .drop)
    }

    @Test func `the stop of the server ends it, and none is begun any more`() {
        var machine = sending()
        #expect(machine.stop(at: start) == .close)
        #expect(machine.pieceWasLast(at: start) == .none)
        var late = answering()
        #expect(late.stop(at: start) == .none)
        #expect(late.answerInPieces(isFramed: true, at: start) == .refuseStopping)
        #expect(late.answer(at: start) == .send(isLast: true))
    }

    @Test func `it is too late to begin before there is a request, and behind its answer`() {
        var idle = Machine(limits: Limits(), at: start)
        #expect(idle.answerInPieces(isFramed: true, at: start) == .none)
        var answered = answering()
        _ = answered.answer(at: start)
        #expect(answered.answerInPieces(isFramed: true, at: start) == .none)
        #expect(answered.pieceWasLast(at: start) == .none)
        var closed = sending()
        closed.close()
        #expect(closed.pieceWasLast(at: start) == .none && closed.answerInPieces(isFramed: true, at: start) == .none)
    }
}
