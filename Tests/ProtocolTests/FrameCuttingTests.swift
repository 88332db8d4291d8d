import ApusTesting
import NIOCore
import Testing

@testable import ApusProtocol

/// However the network cuts what a client sends, and whatever that is.
@Suite struct FrameCuttingTests {
    private static let messageBytesMax = 5000

    private func machine() -> FrameStateMachine { FrameStateMachine(messageBytesMax: Self.messageBytesMax) }

    /// Frames of whole messages in fragments, with control frames anywhere.
    private func stream(_ random: inout SplitMix64) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            let letters = ["a", "é", "€", "😀"].randomElement(using: &random) ?? ""
            let count = [0, 1, 3, 31, 130, 1200].randomElement(using: &random) ?? 0
            var rest = Array(String(repeating: letters, count: count).utf8)[...]
            var opcode = Opcode.text
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                let part = rest.prefix(Int.random(in: 0...rest.count, using: &random))
                bytes += masked(opcode, Array(part), final: false, &random) + controlFrame(&random)
                opcode = .continuation
                rest = rest.dropFirst(part.count)
            }
            bytes += masked(opcode, Array(rest), &random) + controlFrame(&random)
        }
        return bytes
    }

    private func controlFrame(_ random: inout SplitMix64) -> [UInt8] {
        guard let opcode = [Opcode.ping, .pong, nil, nil].randomElement(using: &random) ?? nil else { return [] }
        return masked(opcode, Array(repeating: 0x70, count: Int.random(in: 0...125, using: &random)), &random)
    }

    private func masked(_ opcode: Opcode, _ payload: [UInt8], final: Bool = true, _ random: inout SplitMix64) -> [UInt8]
    {
        let mask = (0..<4).map { _ in UInt8.random(in: 0...255, using: &random) }
        return wire(opcode.rawValue, payload, final: final, mask: mask)
    }

    /// The end of the conversation: a goodbye, or one of the faults.
    private func ending(_ random: inout SplitMix64) -> [UInt8] {
        let endings: [[UInt8]] = [
            wire(.close), wire(.close, bytes: [0x03, 0xE8, 0x61]), wire(.close, bytes: [0x03]), wire(.binary, "abc"),
            wire(.text, bytes: [0x61, 0xED, 0xA0, 0x61, 0x61]), wire(0x1, [0x61, 0x62], masked: false),
            wire(0xB, [1, 2, 3]), wire(.ping, String(repeating: "p", count: 126)), wire(.continuation, "abc"),
            wire(.text, String(repeating: "t", count: Self.messageBytesMax + 1)), wireHeader(0x1, .max),
        ]
        return (endings.randomElement(using: &random) ?? []) + wire(.ping) + wire(.close) + wire(.text, "late")
    }

    /// What comes of `bytes` in packets of 1 to `bytesMax`; whoever asks may stop after each action for a while.
    private func cutOutcomes(_ bytes: [UInt8], upTo bytesMax: Int, _ random: inout SplitMix64) -> [Outcome] {
        var machine = machine()
        var outcomes: [Outcome] = []
        var rest = bytes[...]
        let isLazy = Bool.random(using: &random)
        while !rest.isEmpty {
            let packet = rest.prefix(Int.random(in: 1...bytesMax, using: &random))
            rest = rest.dropFirst(packet.count)
            machine.receive(ByteBuffer(bytes: packet))
            while let action = machine.next() {
                outcomes.append(Outcome(action, of: machine))
                if isLazy && Int.random(in: 0..<3, using: &random) == 0 { break }
            }
            if Int.random(in: 0..<8, using: &random) == 0 { machine.compact() }
        }
        while let action = machine.next() { outcomes.append(Outcome(action, of: machine)) }
        return outcomes
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `a stream of frames means the same however it is cut into packets`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let bytes = stream(&random) + ending(&random)
        var machine = machine()
        let whole = machine.outcomes(bytes)
        #expect(!machine.isOpen && !whole.isEmpty)
        for bytesMax in [1, 2, 7, 60, 1000, 1 << 20] {
            #expect(cutOutcomes(bytes, upTo: bytesMax, &random) == whole)
        }
    }

    @Test(arguments: 0..<150 as Range<UInt64>)
    func `random bytes always end in a close, and little is held until then`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var machine = machine()
        var closes = 0
        for _ in 0..<400 {
            let packet = (0..<Int.random(in: 1...64, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            for outcome in machine.outcomes(packet) {
                if case .close = outcome { closes += 1 }
            }
            #expect(machine.bytesHeld <= Self.messageBytesMax + 139)
            #expect(machine.isOpen || machine.bytesHeld < 14)
        }
        #expect(!machine.isOpen && closes == 1)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `a good stream in which bits flip never closes twice, and means the same however it is cut`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var bytes = stream(&random)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
        }
        var machine = machine()
        let whole = machine.outcomes(bytes)
        #expect(machine.isOpen || machine.bytesHeld < 14)
        let closes = whole.filter { if case .close = $0 { true } else { false } }
        #expect(closes.count == (machine.isOpen ? 0 : 1))
        #expect(cutOutcomes(bytes, upTo: 50, &random) == whole)
    }

    @Test func `200,000 fragments of one byte are one message`() {
        let letters = Array(String(repeating: "aé", count: 66_667).utf8)
        var bytes = wire(.text, bytes: [letters[0]], final: false)
        for letter in letters.dropFirst() { bytes += wireHeader(0x0, 1, final: false, mask: [0, 0, 0, 0]) + [letter] }
        bytes += wire(.continuation)
        var machine = FrameStateMachine(messageBytesMax: 1 << 20)
        #expect(machine.outcomes(bytes) == [.message(String(decoding: letters, as: UTF8.self))])
    }

    @Test(arguments: [100, 5000, 65_536]) func `a frame of 1 MiB may come in packets of any size`(size: Int) {
        let text = String(repeating: "0123456é", count: 116_508)
        let bytes = wire(.text, text)
        var machine = FrameStateMachine(messageBytesMax: 1 << 20)
        for start in stride(from: 0, to: bytes.count, by: size) {
            let end = min(start + size, bytes.count)
            #expect(machine.isInsideMessage == (start > 0))
            let found = machine.outcomes(bytes[start..<end])
            if end == bytes.count { #expect(found == [.message(text)]) } else { #expect(found == []) }
            #expect(machine.bytesHeld <= end && machine.capacity <= max(64, 2 * end))
        }
    }
}
