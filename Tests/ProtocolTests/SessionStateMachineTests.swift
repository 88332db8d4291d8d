import NIOCore
import Testing

@testable import ApusProtocol

@Suite struct SessionStateMachineTests {
    typealias Frame = SessionStateMachine.Frame
    private static let messageBytesMax = 200

    /// What came of a frame, short enough for tables.
    private enum Outcome: Equatable, CustomStringConvertible {
        case nothing, disconnected
        case message(String)
        case pong(String)
        /// A close frame with this code, `nil` for an empty one, and whether that ends it.
        case close(UInt16?, done: Bool)

        var description: String {
            switch self {
            case .nothing: "nothing"
            case .disconnected: "disconnected"
            case .message(let text): "message(\(text))"
            case .pong(let text): "pong(\(text))"
            case .close(let code, let done): "close(\(code.map(String.init) ?? "none"), done: \(done))"
            }
        }
    }

    private func frame(_ opcode: UInt8, _ payload: String = "", final: Bool = true) -> Frame {
        frame(opcode, bytes: Array(payload.utf8), final: final)
    }

    private func frame(
        _ opcode: UInt8, bytes: [UInt8], final: Bool = true, reserved: Bool = false, masked: Bool = true
    ) -> Frame {
        Frame(
            opcode: opcode, isFinal: final, hasReservedBits: reserved, isMasked: masked,
            payload: ByteBuffer(bytes: bytes))
    }

    private func outcome(_ action: SessionStateMachine.Action, of machine: SessionStateMachine) -> Outcome {
        switch action {
        case .none: return .nothing
        case .deliver(let text): return .message(String(buffer: text))
        case .sendPong(let payload): return .pong(String(buffer: payload))
        case .sendClose(var payload):
            let code: UInt16? = payload.readInteger()
            #expect(payload.readableBytes == 0)
            #expect(!machine.isOpen)
            return .close(code, done: machine.isClosed)
        case .closeConnection:
            #expect(machine.isClosed)
            return .disconnected
        }
    }

    /// What comes of each frame in turn.
    private func run(_ frames: [Frame]) -> [Outcome] {
        var machine = SessionStateMachine(messageBytesMax: Self.messageBytesMax)
        return frames.map { outcome(machine.receive($0), of: machine) }
    }

    // MARK: Every state, every frame

    private enum Start: CaseIterable {
        case open, assembling, closeSent, closed
    }

    private func machine(_ start: Start) -> SessionStateMachine {
        var machine = SessionStateMachine(messageBytesMax: Self.messageBytesMax)
        switch start {
        case .open: break
        case .assembling: _ = machine.receive(frame(Opcode.text, "ab", final: false))
        case .closeSent: _ = machine.close(.normal)
        case .closed: _ = machine.receive(frame(Opcode.close))
        }
        return machine
    }

    @Test(arguments: Start.allCases)
    private func `each frame has one meaning in each state`(start: Start) {
        let protocolError = Outcome.close(1002, done: false)
        // The frame; what comes of it when open, and inside a message.
        let table: [(Frame, open: Outcome, assembling: Outcome)] = [
            (frame(Opcode.text, "x"), .message("x"), protocolError),
            (frame(Opcode.text, "x", final: false), .nothing, protocolError),
            (frame(Opcode.text), .message(""), protocolError),
            (frame(Opcode.continuation, "x"), protocolError, .message("abx")),
            (frame(Opcode.continuation, "x", final: false), protocolError, .nothing),
            (frame(Opcode.continuation), protocolError, .message("ab")),
            (frame(Opcode.binary, "x"), .close(1003, done: false), .close(1003, done: false)),
            (frame(Opcode.ping, "p"), .pong("p"), .pong("p")), (frame(Opcode.ping), .pong(""), .pong("")),
            (frame(Opcode.pong, "p"), .nothing, .nothing),
            (frame(Opcode.close), .close(nil, done: true), .close(nil, done: true)),
            (frame(Opcode.close, bytes: [0x03, 0xE8]), .close(1000, done: true), .close(1000, done: true)),
            (frame(Opcode.close, bytes: [0x03]), protocolError, protocolError),
            (frame(Opcode.ping, "p", final: false), protocolError, protocolError),
            (frame(Opcode.pong, "p", final: false), protocolError, protocolError),
            (frame(Opcode.close, final: false), protocolError, protocolError),
            (frame(0x3, "x"), protocolError, protocolError), (frame(0x7, "x"), protocolError, protocolError),
            (frame(0xB), protocolError, protocolError), (frame(0xF), protocolError, protocolError),
            (frame(Opcode.text, bytes: [0x61], masked: false), protocolError, protocolError),
            (frame(Opcode.continuation, bytes: [0x61], masked: false), protocolError, protocolError),
            (frame(Opcode.ping, bytes: [], masked: false), protocolError, protocolError),
            (frame(Opcode.text, bytes: [0x61], reserved: true), protocolError, protocolError),
            (frame(Opcode.ping, bytes: [], reserved: true), protocolError, protocolError),
            (frame(Opcode.text, bytes: [0xFF]), .close(1007, done: false), protocolError),
            (frame(Opcode.continuation, bytes: [0xFF]), protocolError, .close(1007, done: false)),
        ]
        for (frame, open, assembling) in table {
            var machine = machine(start)
            let found = outcome(machine.receive(frame), of: machine)
            switch start {
            case .open: #expect(found == open, "\(frame)")
            case .assembling: #expect(found == assembling, "\(frame)")
            case .closeSent: #expect(found == (frame.opcode == Opcode.close ? .disconnected : .nothing), "\(frame)")
            case .closed: #expect(found == .nothing, "\(frame)")
            }
        }
    }

    // MARK: Messages

    @Test func `a message in fragments is put together, with control frames in between`() {
        #expect(
            run([
                frame(Opcode.text, "a", final: false), frame(Opcode.ping, "1"),
                frame(Opcode.continuation, "", final: false),
                frame(Opcode.pong), frame(Opcode.continuation, "b", final: false), frame(Opcode.ping, "2"),
                frame(Opcode.continuation, "c"), frame(Opcode.text, "next"), frame(Opcode.text, "", final: false),
                frame(Opcode.continuation, ""),
            ]) == [
                .nothing, .pong("1"), .nothing, .nothing, .nothing, .pong("2"), .message("abc"), .message("next"),
                .nothing,
                .message(""),
            ])
    }

    @Test func `a letter may be cut in two by a fragment's end`() {
        let letter = Array("é😀".utf8)
        for cut in 0...letter.count {
            #expect(
                run([
                    frame(Opcode.text, bytes: Array(letter[..<cut]), final: false),
                    frame(Opcode.continuation, bytes: Array(letter[cut...])),
                ]) == [.nothing, .message("é😀")])
        }
    }

    @Test(arguments: [[0x80], [0xC3], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80]] as [[UInt8]])
    func `text that is not UTF-8 closes with 1007`(bytes: [UInt8]) {
        #expect(run([frame(Opcode.text, bytes: [0x61] + bytes)]) == [.close(1007, done: false)])
        #expect(
            run([frame(Opcode.text, bytes: bytes, final: false), frame(Opcode.continuation, "")]).last
                == .close(1007, done: false))
    }

    @Test func `a message may be as large as the limit and not a byte larger, in one frame or in many`() {
        let whole = String(repeating: "m", count: Self.messageBytesMax)
        #expect(run([frame(Opcode.text, whole)]) == [.message(whole)])
        #expect(run([frame(Opcode.text, whole + "m")]) == [.close(1009, done: false)])
        #expect(run([frame(Opcode.text, whole + "m", final: false)]) == [.close(1009, done: false)])
        let fragments = (0..<Self.messageBytesMax).map { index in
            frame(index == 0 ? Opcode.text : Opcode.continuation, "m", final: false)
        }
        #expect(run(fragments + [frame(Opcode.continuation)]).last == .message(whole))
        #expect(run(fragments + [frame(Opcode.continuation, "m")]).last == .close(1009, done: false))
        #expect(run(fragments + [frame(Opcode.continuation, "m", final: false)]).last == .close(1009, done: false))
    }

    @Test func `a control frame has up to 125 bytes`() {
        let most = String(repeating: "c", count: 125)
        #expect(run([frame(Opcode.ping, most)]) == [.pong(most)])
        #expect(run([frame(Opcode.pong, most)]) == [.nothing])
        for opcode in [Opcode.ping, Opcode.pong] {
            #expect(run([frame(opcode, most + "c")]) == [.close(1002, done: false)])
        }
        #expect(
            run([frame(Opcode.close, bytes: [0x03, 0xE8] + Array(repeating: 0x61, count: 123))])
                == [.close(1000, done: true)])
        #expect(
            run([frame(Opcode.close, bytes: [0x03, 0xE8] + Array(repeating: 0x61, count: 124))])
                == [.close(1002, done: false)])
    }

    // MARK: Closing

    @Test(
        arguments: [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
            as [UInt16])
    func `a close with a good code is answered with the same code`(code: UInt16) {
        let bytes = [UInt8(code >> 8), UInt8(code & 0xFF)]
        #expect(run([frame(Opcode.close, bytes: bytes)]) == [.close(code, done: true)])
        #expect(run([frame(Opcode.close, bytes: bytes + Array("bye é".utf8))]) == [.close(code, done: true)])
        #expect(run([frame(Opcode.close, bytes: bytes + [0xC3])]) == [.close(1007, done: false)])
    }

    @Test(arguments: [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] as [UInt16])
    func `a close with a code that no peer may send closes with 1002`(code: UInt16) {
        #expect(
            run([frame(Opcode.close, bytes: [UInt8(code >> 8), UInt8(code & 0xFF)])]) == [.close(1002, done: false)])
    }

    @Test func `a close from this side waits for the peer's, and hears nothing else`() {
        var machine = SessionStateMachine(messageBytesMax: Self.messageBytesMax)
        #expect(machine.isOpen && !machine.isClosed)
        #expect(outcome(machine.close(.goingAway), of: machine) == .close(1001, done: false))
        #expect(!machine.isOpen && !machine.isClosed)
        #expect(outcome(machine.close(.normal), of: machine) == .nothing, "one close frame is enough")
        #expect(outcome(machine.receive(frame(Opcode.text, "late")), of: machine) == .nothing)
        #expect(outcome(machine.receive(frame(Opcode.ping, "late")), of: machine) == .nothing)
        #expect(outcome(machine.receive(frame(0x3)), of: machine) == .nothing)
        #expect(outcome(machine.receive(frame(Opcode.close, bytes: [0x03, 0xE9])), of: machine) == .disconnected)
        #expect(outcome(machine.receive(frame(Opcode.close)), of: machine) == .nothing)
    }

    @Test func `after a close from the peer nothing is heard and nothing more is said`() {
        var machine = SessionStateMachine(messageBytesMax: Self.messageBytesMax)
        #expect(outcome(machine.receive(frame(Opcode.close)), of: machine) == .close(nil, done: true))
        #expect(!machine.isOpen && machine.isClosed)
        #expect(outcome(machine.close(.goingAway), of: machine) == .nothing)
        for opcode in UInt8(0)...15 { #expect(outcome(machine.receive(frame(opcode)), of: machine) == .nothing) }
    }

    @Test func `a fault closes once, then waits for the peer's close`() {
        #expect(
            run([
                frame(Opcode.binary), frame(Opcode.binary), frame(Opcode.text, "x"), frame(Opcode.close),
                frame(Opcode.close),
            ]) == [.close(1003, done: false), .nothing, .nothing, .disconnected, .nothing])
    }
}
