import NIOCore
import Testing

@testable import ApusProtocol

/// Saying goodbye, what is held until then, and what no peer can do to us.
@Suite struct FrameClosingTests {
    private func run(_ frames: [UInt8]...) -> [Outcome] {
        var machine = FrameStateMachine(messageBytesMax: 200)
        return frames.flatMap { machine.outcomes($0) }
    }

    // MARK: Closing

    @Test(
        arguments: [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
            as [UInt16])
    func `a close with a good code is answered with the same code`(code: UInt16) {
        let bytes = [UInt8(code >> 8), UInt8(code & 0xFF)]
        #expect(run(wire(.close, bytes: bytes)) == [.close(code, done: true)])
        #expect(run(wire(.close, bytes: bytes + Array("bye é".utf8))) == [.close(code, done: true)])
        #expect(run(wire(.close, bytes: bytes + [0xC3])) == [.close(1007, done: true)])
    }

    @Test(arguments: [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] as [UInt16])
    func `a close with a code that no peer may send is answered with 1002`(code: UInt16) {
        #expect(run(wire(.close, bytes: [UInt8(code >> 8), UInt8(code & 0xFF)])) == [.close(1002, done: true)])
    }

    @Test func `a close from this side waits for the peer's, and hears nothing else`() {
        var machine = FrameStateMachine(messageBytesMax: 200)
        #expect(machine.isOpen && !machine.isClosed)
        let action = machine.close(.goingAway)
        #expect(action.map { Outcome($0, of: machine) } == .close(1001, done: false))
        #expect(!machine.isOpen && !machine.isClosed)
        #expect(machine.close(.normal) == nil, "one close frame is enough")
        let unheard = [wire(.text, "late"), wire(.ping, "late"), wire(0x3), wire(0x1, masked: false), wire(.binary)]
        for frame in unheard { #expect(machine.outcomes(frame) == []) }
        #expect(machine.outcomes(wireHeader(0x8, 2) + [1]) == [])
        #expect(machine.outcomes([2]) == [.disconnected])
        #expect(machine.outcomes(wire(.close)) == [])
    }

    @Test func `after a close from the peer nothing is heard and nothing more is said`() {
        var machine = FrameStateMachine(messageBytesMax: 200)
        #expect(machine.outcomes(wire(.close) + wire(.ping)) == [.close(nil, done: true)])
        #expect(!machine.isOpen && machine.isClosed)
        #expect(machine.close(.goingAway) == nil)
        for opcode in UInt8(0)...15 { #expect(machine.outcomes(wire(opcode)) == []) }
        #expect(machine.bytesHeld == 0)
    }

    @Test func `a fault closes once, then waits for the peer's close`() {
        #expect(
            run(wire(.binary), wire(.binary), wire(.text, "x"), wire(.close), wire(.close))
                == [.close(1003, done: false), .disconnected])
    }

    @Test(arguments: [Opcode.text, .ping, .pong, .close])
    func `a close from this side in the middle of a frame drops the rest of it, and no byte more`(opcode: Opcode) {
        let frame = wire(opcode, bytes: Array("ab".utf8))
        for cut in 0..<frame.count {
            var machine = FrameStateMachine(messageBytesMax: 200)
            #expect(machine.outcomes(frame[..<cut]) == [])
            #expect(machine.close(.policyViolation) != nil)
            #expect(machine.outcomes(frame[cut...]) == (opcode == .close ? [.disconnected] : []))
            #expect(machine.outcomes(wire(.close)) == (opcode == .close ? [] : [.disconnected]))
        }
    }

    // MARK: What is held

    @Test func `an announced length takes no memory before its bytes have come`() {
        var machine = FrameStateMachine(messageBytesMax: 1 << 20)
        #expect(machine.outcomes(wireHeader(0x1, 1 << 20) + [0x92]) == [])
        #expect(machine.bytesHeld == 1)
        #expect(machine.capacity <= 64)
    }

    @Test func `what is held is counted, and nothing is held between messages`() {
        var machine = FrameStateMachine(messageBytesMax: 200)
        func expect(_ bytes: Int, inside: Bool, _ location: SourceLocation = #_sourceLocation) {
            #expect(machine.bytesHeld == bytes, sourceLocation: location)
            #expect(machine.isInsideMessage == inside, sourceLocation: location)
            #expect(machine.capacity <= max(64, 2 * bytes), sourceLocation: location)
        }
        func take(_ bytes: some Sequence<UInt8>) -> [Outcome] { machine.outcomes(bytes) }
        expect(0, inside: false)
        let text = wire(.text, "abc", final: false)
        #expect(take(text[..<5]) == [])
        expect(5, inside: true)
        #expect(take(text[5..<8]) == [])
        expect(2, inside: true)
        #expect(take(text[8...]) == [])
        expect(3, inside: true)
        let ping = wire(.ping, "ping")
        #expect(take(ping[..<8]) == [])
        expect(3 + 2, inside: true)
        #expect(take(ping[8...]) == [.pong("ping")])
        expect(3, inside: true)
        #expect(take(wire(.continuation, "")) == [.message("abc")])
        expect(0, inside: false)
        #expect(take(wire(.pong, "pong").dropLast()) == [])
        expect(0, inside: true)
        #expect(take([0]) == [])
        expect(0, inside: false)
        #expect(take(wire(.text, "abc", final: false) + wire(.binary)) == [.close(1003, done: false)])
        expect(0, inside: false)
    }

    @Test func `a small rest does not keep the large packet it came in`() {
        var packet = ByteBuffer(bytes: wire(.text, String(repeating: "a", count: 100_000)))
        packet.writeBytes(wire(.text, "next").dropLast(4))
        var machine = FrameStateMachine(messageBytesMax: 1 << 20)
        machine.receive(packet)
        #expect(machine.next() != nil)
        #expect(machine.bytesHeld == 6)
        #expect(machine.next() == nil)
        #expect(machine.bytesHeld == 0 && machine.capacity == 0)
        machine.receive(packet)
        #expect(machine.close(.normal) != nil)
        #expect(machine.next() == nil)
        #expect(machine.bytesHeld == 0 && machine.capacity == 0)
    }

    @Test func `one may stop asking and go on later, and what comes meanwhile waits in its order`() {
        var machine = FrameStateMachine(messageBytesMax: 200)
        var sent = 0
        var taken = 0
        for round in 0..<3000 {
            machine.receive(ByteBuffer(bytes: wire(.text, "\(sent)") + wire(.text, "\(sent + 1)")))
            sent += 2
            for _ in 0..<(round < 1500 ? 1 : 3) where taken < sent {
                guard let action = machine.next() else { return #expect(Bool(false), "\(taken) of \(sent)") }
                #expect(Outcome(action, of: machine) == .message("\(taken)"))
                taken += 1
            }
            if round % 100 == 0 { machine.compact() }
            #expect(machine.isInsideMessage == (taken < sent))
        }
        #expect(taken == sent)
        #expect(machine.next() == nil)
        #expect(machine.bytesHeld == 0 && machine.capacity == 0)
    }

    @Test func `a socket costs little while it is idle`() {
        #expect(MemoryLayout<FrameStateMachine>.size <= 96)
        #expect(FrameStateMachine(messageBytesMax: 1 << 20).capacity == 0)
    }
}
