/// One thing that a client may do, and what it gets for it.
struct ConformanceRow: CustomStringConvertible, Sendable {
    enum Reply: Equatable, Sendable {
        /// The acknowledgement of a ping with this id, as JSON text.
        case ack(String)
        /// An error frame.
        case error
        case pong([UInt8])
        /// A close frame with this code, `nil` for an empty one, and the end of the connection.
        case close(Int?)
        case other(String)
    }

    var description: String
    var sent: [UInt8]
    var expected: [Reply]

    init(_ sentence: String, _ sent: [UInt8]..., then expected: Reply...) {
        self.init(sentence, sent.flatMap { $0 }, expected: expected)
    }

    init(_ sentence: String, _ sent: [UInt8], expected: [Reply]) {
        description = sentence
        self.sent = sent
        self.expected = expected
    }

    var endsInClose: Bool {
        if case .close = expected.last { true } else { false }
    }

    /// Whether the last frame's payload is not whole, so that a goodbye after it would be part of it.
    var endsWithinFrame: Bool {
        var rest = sent[...]
        while rest.count >= 2 {
            let second = rest[rest.startIndex + 1]
            rest = rest.dropFirst(2)
            let lengthBytes = second & 0x7F == 127 ? 8 : second & 0x7F == 126 ? 2 : 0
            let length = rest.prefix(lengthBytes).reduce(lengthBytes == 0 ? UInt64(second & 0x7F) : 0) {
                $0 << 8 | UInt64($1)
            }
            rest = rest.dropFirst(lengthBytes + (second & 0x80 == 0 ? 0 : 4))
            guard length <= rest.count else { return true }
            rest = rest.dropFirst(Int(length))
        }
        return false
    }
}

// MARK: - What is sent

typealias Opcode = WebSocket.Opcode

/// A frame with a mask.
func frame(_ opcode: UInt8, _ payload: [UInt8] = [], final: Bool = true, reserved: UInt8 = 0) -> [UInt8] {
    WebSocket.frame(opcode, payload, isFinal: final, reserved: reserved)
}

func text(_ payload: String, final: Bool = true) -> [UInt8] {
    frame(Opcode.text, Array(payload.utf8), final: final)
}

func more(_ payload: String, final: Bool = false) -> [UInt8] {
    frame(Opcode.continuation, Array(payload.utf8), final: final)
}

func close(_ code: Int, _ reason: String = "") -> [UInt8] {
    frame(Opcode.close, [UInt8(code >> 8), UInt8(code & 0xFF)] + Array(reason.utf8))
}

/// The head of a frame whose payload never comes; the length in as few bytes as will do, or in so many.
func head(_ opcode: UInt8, count: UInt64, lengthBytes: Int? = nil, final: Bool = true) -> [UInt8] {
    let lengthBytes = lengthBytes ?? (count < 126 ? 1 : count < 65_536 ? 2 : 8)
    let length = (0..<lengthBytes).map { UInt8(count >> (8 * UInt64(lengthBytes - 1 - $0)) & 0xFF) }
    let kind: [UInt8] = lengthBytes == 1 ? [] : [lengthBytes == 2 ? 0xFE : 0xFF]
    return [(final ? 0x80 : 0) | opcode] + kind + (lengthBytes == 1 ? [0x80 | length[0]] : length) + [0, 0, 0, 0]
}

/// The message that the server answers, and so the echo to test with.
func pingText(_ id: String) -> String { #"{"type":"ping","id":\#(id)}"# }

/// An id that makes ``pingText(_:)`` so many bytes.
func id(messageBytes: Int) -> String {
    "\"" + String(repeating: "i", count: messageBytes - pingText("\"\"").utf8.count) + "\""
}

// MARK: - What comes back

extension WebSocket {
    /// What the server says next; `nil` when it has closed the connection.
    func reply() throws -> ConformanceRow.Reply? {
        guard let frame = try readFrame() else { return nil }
        let text = String(decoding: frame.payload, as: UTF8.self)
        guard frame.isFinal, frame.reserved == 0 else {
            return .other("a frame that is not final or has reserved bits")
        }
        let (before, after) = (#"{"type":"ack","id":"#, "}")
        switch frame.opcode {
        case Opcode.pong: return .pong(frame.payload)
        case Opcode.close: return frame.payload.count == 1 ? .other("a close of one byte") : .close(frame.closeCode)
        case Opcode.text where text.hasPrefix(before) && text.hasSuffix(after):
            return .ack(String(text.dropFirst(before.count).dropLast(after.count)))
        case Opcode.text where text.hasPrefix(#"{"type":"error""#): return .error
        default: return .other("\(frame.opcode): \(text.prefix(200))")
        }
    }
}
