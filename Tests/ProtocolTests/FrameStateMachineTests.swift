import NIOCore
import Testing

@testable import ApusProtocol

@Suite struct FrameStateMachineTests {
    private static let messageBytesMax = 200
    private static let protocolError = Outcome.close(1002, done: false)

    /// What comes of each of the frames, one after the other.
    private func run(_ frames: [[UInt8]]) -> [Outcome] {
        var machine = FrameStateMachine(messageBytesMax: Self.messageBytesMax)
        return frames.flatMap { machine.outcomes($0) }
    }

    // MARK: Every state, every frame

    private enum Start: CaseIterable {
        case open, insideText, closeSent, closed
    }

    private func machine(_ start: Start) -> FrameStateMachine {
        var machine = FrameStateMachine(messageBytesMax: Self.messageBytesMax)
        switch start {
        case .open: break
        case .insideText: #expect(machine.outcomes(wire(.text, "ab", final: false)) == [])
        case .closeSent: #expect(machine.close(.normal) != nil)
        case .closed: #expect(machine.outcomes(wire(.close)) == [.close(nil, done: true)])
        }
        return machine
    }

    @Test(arguments: Start.allCases)
    private func `each frame has one meaning in each state`(start: Start) {
        let error = [Self.protocolError]
        let unsupported = [Outcome.close(1003, done: false)]
        let badText = [Outcome.close(1007, done: false)]
        let badClose = [Outcome.close(1002, done: true)]
        let badCloseHeader = [Self.protocolError, .disconnected]
        // The frame; what comes of it when open, and inside a message.
        let table: [([UInt8], open: [Outcome], insideText: [Outcome])] = [
            (wire(.text, "x"), [.message("x")], error), (wire(.text, "x", final: false), [], error),
            (wire(.text), [.message("")], error), (wire(.text, "", final: false), [], error),
            (wire(.continuation, "x"), error, [.message("abx")]),
            (wire(.continuation, "x", final: false), error, []), (wire(.continuation), error, [.message("ab")]),
            (wire(.binary, "x"), unsupported, unsupported),
            (wire(.binary, "x", final: false), unsupported, unsupported),
            (wire(.ping, "p"), [.pong("p")], [.pong("p")]), (wire(.ping), [.pong("")], [.pong("")]),
            (wire(.pong, "p"), [], []), (wire(.pong), [], []),
            (wire(.close), [.close(nil, done: true)], [.close(nil, done: true)]),
            (wire(.close, bytes: [0x03, 0xE8]), [.close(1000, done: true)], [.close(1000, done: true)]),
            (wire(.close, bytes: [0x03]), badClose, badClose),
            (wire(.ping, "p", final: false), error, error), (wire(.pong, "p", final: false), error, error),
            (wire(.close, final: false), badCloseHeader, badCloseHeader),
            (wire(0x8, reserved: 4), badCloseHeader, badCloseHeader),
            (wire(0x8, masked: false), badCloseHeader, badCloseHeader),
            (wire(0x1, [0x61], masked: false), error, error), (wire(0x0, [0x61], masked: false), error, error),
            (wire(0x9, masked: false), error, error), (wire(0x2, [0x61], masked: false), error, error),
            (wire(0x1, [0x61], reserved: 4), error, error), (wire(0x9, reserved: 2), error, error),
            (wire(0x0, [0x61], reserved: 1), error, error),
            (wire(.text, bytes: [0xFF]), badText, error), (wire(.continuation, bytes: [0xFF]), error, badText),
        ]
        for (frame, open, insideText) in table {
            var machine = machine(start)
            let found = machine.outcomes(frame)
            switch start {
            case .open: #expect(found == open, "\(frame)")
            case .insideText: #expect(found == insideText, "\(frame)")
            case .closeSent: #expect(found == (frame[0] & 0xF == 8 ? [.disconnected] : []), "\(frame)")
            case .closed: #expect(found == [], "\(frame)")
            }
            #expect(machine.isOpen || machine.bytesHeld == 0, "\(frame)")
        }
    }

    @Test(arguments: [0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF] as [UInt8])
    func `a reserved opcode closes with 1002 in every state that still hears`(opcode: UInt8) {
        for start in [Start.open, .insideText] {
            for payload in [[], [1, 2, 3], [UInt8](repeating: 0, count: 126)] as [[UInt8]] {
                var machine = machine(start)
                #expect(machine.outcomes(wire(opcode, payload) + wire(.ping)) == [Self.protocolError])
            }
        }
    }

    // MARK: Headers

    @Test func `a frame that may not come is refused when its header is there, before its payload`() {
        let refused: [(String, [UInt8], UInt16)] = [
            ("unmasked", wireHeader(0x1, 5, masked: false), 1002),
            ("reserved bits", wireHeader(0x1, 5, reserved: 1), 1002),
            ("reserved opcode", wireHeader(0x3, 5), 1002), ("fragmented ping", wireHeader(0x9, 5, final: false), 1002),
            ("long ping", wireHeader(0x9, 126), 1002), ("longer pong", wireHeader(0xA, 1 << 40), 1002),
            ("long close", wireHeader(0x8, 126), 1002), ("continues nothing", wireHeader(0x0, 5), 1002),
            ("binary", wireHeader(0x2, 5), 1003), ("one byte too many", wireHeader(0x1, 201), 1009),
            ("far too many", wireHeader(0x1, 1 << 62), 1009),
            ("too many to begin with", wireHeader(0x1, 201, final: false), 1009),
            ("0 in three bytes", wireHeader(0x1, 0, lengthBytes: 3), 1002),
            ("125 in three bytes", wireHeader(0x1, 125, lengthBytes: 3), 1002),
            ("125 in nine bytes", wireHeader(0x1, 125, lengthBytes: 9), 1002),
            ("65,535 in nine bytes", wireHeader(0x1, 65_535, lengthBytes: 9), 1002),
            ("5 in three bytes", wireHeader(0x9, 5, lengthBytes: 3), 1002),
            ("the highest bit", wireHeader(0x1, 1 << 63), 1002), ("all bits", wireHeader(0x1, .max), 1002),
        ]
        for (what, header, code) in refused {
            #expect(run([header]) == [.close(code, done: false)], "\(what)")
            var machine = FrameStateMachine(messageBytesMax: Self.messageBytesMax)
            for byte in header.dropLast() { #expect(machine.outcomes([byte]) == [], "\(what)") }
            #expect(machine.outcomes(header.suffix(1)) == [.close(code, done: false)], "\(what)")
            for _ in 0..<3 { #expect(machine.outcomes(Array(repeating: 0x81, count: 40)) == [], "\(what)") }
            #expect(machine.bytesHeld < 14, "\(what)")
        }
        #expect(run([wire(.text, "a", final: false), wireHeader(0x1, 5)]) == [Self.protocolError])
        #expect(run([wire(.text, "a", final: false), wireHeader(0x0, 200)]) == [.close(1009, done: false)])
    }

    @Test func `every length that is written in the fewest bytes is taken`() {
        for count in [0, 1, 7, 8, 9, 124, 125, 126, 127, 128, 255, 256, 65_534, 65_535, 65_536, 65_537, 1 << 20] {
            var machine = FrameStateMachine(messageBytesMax: 1 << 20)
            let text = String(repeating: "é", count: count / 2) + String(repeating: "a", count: count % 2)
            #expect(machine.outcomes(wire(.text, text)) == [.message(text)])
        }
    }

    @Test(arguments: [[0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF], [1, 2, 3, 4], [0x80, 0, 0, 0x7F]] as [[UInt8]])
    func `any mask will do, wherever the payload is cut`(mask: [UInt8]) {
        let text = "0123456789abcdefghijklmnop"
        let frame = wire(0x1, Array(text.utf8), mask: mask)
        for cut in 0...frame.count {
            for second in cut...frame.count {
                var machine = FrameStateMachine(messageBytesMax: Self.messageBytesMax)
                let found =
                    machine.outcomes(frame[..<cut]) + machine.outcomes(frame[cut..<second])
                    + machine.outcomes(frame[second...])
                #expect(found == [.message(text)])
            }
        }
    }

    // MARK: Messages

    @Test func `a message in fragments is put together, with control frames in between`() {
        #expect(
            run([
                wire(.text, "a", final: false), wire(.ping, "1"), wire(.continuation, "", final: false), wire(.pong),
                wire(.continuation, "b", final: false), wire(.ping, "2"), wire(.continuation, "c"),
                wire(.text, "next"), wire(.text, "", final: false), wire(.continuation, ""),
            ]) == [.pong("1"), .pong("2"), .message("abc"), .message("next"), .message("")])
    }

    @Test func `a message may be as large as the limit and not a byte larger, in one frame or in many`() {
        let whole = String(repeating: "m", count: Self.messageBytesMax)
        #expect(run([wire(.text, whole)]) == [.message(whole)])
        #expect(run([wire(.text, whole + "m")]) == [.close(1009, done: false)])
        #expect(run([wire(.text, whole + "m", final: false)]) == [.close(1009, done: false)])
        let fragments = (0..<Self.messageBytesMax).map { wire($0 == 0 ? .text : .continuation, "m", final: false) }
        #expect(run(fragments + [wire(.continuation)]) == [.message(whole)])
        #expect(run(fragments + [wire(.continuation, "m")]) == [.close(1009, done: false)])
        #expect(run(fragments + [wire(.continuation, "m", final: false)]) == [.close(1009, done: false)])
        #expect(run([wire(.text, whole), wire(.text, whole)]) == [.message(whole), .message(whole)])
    }

    @Test func `a control frame has up to 125 bytes`() {
        let most = String(repeating: "c", count: 125)
        #expect(run([wire(.ping, most)]) == [.pong(most)])
        #expect(run([wire(.pong, most)]) == [])
        for opcode in [Opcode.ping, .pong] { #expect(run([wire(opcode, most + "c")]) == [Self.protocolError]) }
        let reason = [0x03, 0xE8] + [UInt8](repeating: 0x61, count: 123)
        #expect(run([wire(.close, bytes: reason)]) == [.close(1000, done: true)])
        #expect(run([wire(.close, bytes: reason + [0x61])]) == [Self.protocolError, .disconnected])
    }

    // MARK: Text

    @Test func `a letter may be cut in two by the end of a fragment or of a packet`() {
        let letters = Array("é€😀\u{FFFF}\u{10FFFF}\u{FEFF}".utf8)
        for cut in 0...letters.count {
            let fragments = [
                wire(.text, bytes: Array(letters[..<cut]), final: false),
                wire(.continuation, bytes: Array(letters[cut...])),
            ]
            #expect(run(fragments) == [.message(String(decoding: letters, as: UTF8.self))])
            #expect(run(fragments.joined().map { [$0] }) == [.message(String(decoding: letters, as: UTF8.self))])
        }
    }

    @Test(
        arguments: [
            // Bytes, and how many of them show that no letter can come of it.
            ([0x80], 1), ([0xBF], 1), ([0xC0, 0xAF], 1), ([0xC1, 0xBF], 1), ([0xC3, 0x28], 2), ([0xE0, 0x9F, 0xBF], 2),
            ([0xED, 0xA0, 0x80], 2), ([0xED, 0xBF, 0xBF], 2), ([0xE2, 0x82, 0x28], 3), ([0xF0, 0x8F, 0xBF, 0xBF], 2),
            ([0xF4, 0x90, 0x80, 0x80], 2), ([0xF0, 0x9F, 0x98, 0x28], 4), ([0xF5], 1), ([0xF8], 1), ([0xFF], 1),
        ] as [([UInt8], Int)])
    func `text that is not UTF-8 closes with 1007 at the first byte that shows it`(bytes: [UInt8], shown: Int) {
        for before in ["", "a", "12345678", "é23456789", "123456é"] {
            let payload = Array(before.utf8) + bytes
            let frame = wireHeader(0x1, 150) + wire(.text, bytes: payload).dropFirst(6)
            let good = 8 + before.utf8.count + shown - 1
            var machine = FrameStateMachine(messageBytesMax: Self.messageBytesMax)
            #expect(machine.outcomes(frame[..<good]) == [])
            #expect(machine.outcomes([frame[good]]) == [.close(1007, done: false)])
            #expect(run([frame]) == [.close(1007, done: false)])
            let fragments = payload.enumerated().map {
                wire($0 == 0 ? .text : .continuation, bytes: [$1], final: false)
            }
            #expect(run(fragments) == [.close(1007, done: false)])
        }
    }

    @Test(arguments: [[0xC3], [0xE2], [0xE2, 0x82], [0xF0], [0xF0, 0x9F], [0xF0, 0x9F, 0x98]] as [[UInt8]])
    func `a message that ends within a letter closes with 1007`(bytes: [UInt8]) {
        #expect(run([wire(.text, bytes: [0x61] + bytes)]) == [.close(1007, done: false)])
        #expect(run([wire(.text, bytes: bytes, final: false)]) == [])
        #expect(run([wire(.text, bytes: bytes, final: false), wire(.continuation)]) == [.close(1007, done: false)])
        #expect(
            run([wire(.text, bytes: bytes, final: false), wire(.continuation, "a")]) == [.close(1007, done: false)])
    }
}
