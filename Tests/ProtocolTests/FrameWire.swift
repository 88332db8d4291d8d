import ApusCore
import NIOCore
import Testing

@testable import ApusProtocol

/// A frame as a client puts it on the wire, right or wrong.
func wire(
    _ opcode: UInt8, _ payload: [UInt8] = [], final: Bool = true, reserved: UInt8 = 0, masked: Bool = true,
    mask: [UInt8] = [0x92, 0x34, 0xF6, 0x78]
) -> [UInt8] {
    let header = wireHeader(opcode, UInt64(payload.count), final: final, reserved: reserved, masked: masked, mask: mask)
    guard masked else { return header + payload }
    return header + payload.enumerated().map { $1 ^ mask[$0 % 4] }
}

func wire(_ opcode: Opcode, _ text: String = "", final: Bool = true) -> [UInt8] {
    wire(opcode.rawValue, Array(text.utf8), final: final)
}

func wire(_ opcode: Opcode, bytes: [UInt8], final: Bool = true) -> [UInt8] {
    wire(opcode.rawValue, bytes, final: final)
}

/// What stands before a payload of `count` bytes; the length in `lengthBytes` (1, 3 or 9), or as few as will do.
func wireHeader(
    _ opcode: UInt8, _ count: UInt64, lengthBytes: Int? = nil, final: Bool = true, reserved: UInt8 = 0,
    masked: Bool = true, mask: [UInt8] = [0x92, 0x34, 0xF6, 0x78]
) -> [UInt8] {
    let maskBit: UInt8 = masked ? 0x80 : 0
    var bytes = [(final ? 0x80 : 0) | reserved << 4 | opcode]
    switch lengthBytes ?? (count < 126 ? 1 : count < 65_536 ? 3 : 9) {
    case 1: bytes.append(maskBit | UInt8(count))
    case 3: bytes += [maskBit | 126, UInt8(count >> 8), UInt8(count & 0xFF)]
    default: bytes += [maskBit | 127] + (0..<8).map { UInt8(count >> (56 - 8 * UInt64($0)) & 0xFF) }
    }
    return masked ? bytes + mask : bytes
}

/// What came of bytes, short enough for tables.
enum Outcome: Equatable, CustomStringConvertible {
    case disconnected
    case message(String)
    case pong(String)
    /// A close frame with this code, `nil` for an empty one, and whether that ends it.
    case close(UInt16?, done: Bool)

    var description: String {
        switch self {
        case .disconnected: "disconnected"
        case .message(let text): "message(\(text.count < 60 ? text : "\(text.prefix(60))… of \(text.utf8.count)"))"
        case .pong(let text): "pong(\(text))"
        case .close(let code, let done): "close(\(code.map(String.init) ?? "none"), done: \(done))"
        }
    }
}

extension Outcome {
    init(_ action: FrameStateMachine.Action, of machine: FrameStateMachine) {
        switch action {
        case .deliver(let text): self = .message(String(buffer: text))
        case .sendPong(let payload): self = .pong(String(buffer: payload))
        case .sendClose(var payload):
            let code: UInt16? = payload.readInteger()
            #expect(payload.readableBytes == 0)
            #expect(!machine.isOpen)
            self = .close(code, done: machine.isClosed)
        case .closeConnection:
            #expect(machine.isClosed)
            self = .disconnected
        }
    }
}

extension FrameStateMachine {
    /// Takes in `bytes` and does everything that follows.
    mutating func outcomes(_ bytes: some Sequence<UInt8>) -> [Outcome] {
        receive(ByteBuffer(bytes: bytes))
        var outcomes: [Outcome] = []
        while let action = next() { outcomes.append(Outcome(action, of: self)) }
        return outcomes
    }

    /// The bytes of memory in all its buffers.
    var capacity: Int {
        Mirror(reflecting: self).children.reduce(0) { $0 + (($1.value as? ByteBuffer)?.storageCapacity ?? 0) }
    }
}
