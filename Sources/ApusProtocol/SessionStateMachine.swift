import ApusCore
public import NIOCore

/// The framing rules of one server-side WebSocket (RFC 6455): frames in, what to do out. No I/O, no clock.
public struct SessionStateMachine: Sendable {
    /// One frame as it came off the wire, unmasked.
    public struct Frame: Sendable {
        public var opcode: UInt8
        public var isFinal: Bool
        public var hasReservedBits: Bool
        public var isMasked: Bool
        public var payload: ByteBuffer

        public init(opcode: UInt8, isFinal: Bool, hasReservedBits: Bool, isMasked: Bool, payload: ByteBuffer) {
            self.opcode = opcode
            self.isFinal = isFinal
            self.hasReservedBits = hasReservedBits
            self.isMasked = isMasked
            self.payload = payload
        }
    }

    public enum Action: Sendable {
        case none
        /// A whole text message, valid UTF-8.
        case deliver(ByteBuffer)
        case sendPong(ByteBuffer)
        /// Send a close frame with this payload, then close the connection.
        case sendClose(ByteBuffer)
        /// Both sides have said goodbye.
        case closeConnection
    }

    private enum State {
        case open
        case assembling
        case closeSent
        case closed
    }

    private var state = State.open
    /// The fragments of a message so far; not in the state, so that each is appended in place.
    private var assembled = ByteBuffer()
    private let messageBytesMax: Int

    public init(messageBytesMax: Int) {
        self.messageBytesMax = messageBytesMax
    }

    /// Whether events may still be sent.
    public var isOpen: Bool {
        switch state {
        case .open, .assembling: true
        case .closeSent, .closed: false
        }
    }

    /// Whether both sides have said goodbye.
    public var isClosed: Bool {
        switch state {
        case .closed: true
        case .open, .assembling, .closeSent: false
        }
    }

    public mutating func receive(_ frame: Frame) -> Action {
        switch state {
        case .closed: return .none
        case .closeSent:
            guard frame.opcode == Opcode.close else { return .none }
            state = .closed
            return .closeConnection
        case .open, .assembling: break
        }
        guard frame.isMasked, !frame.hasReservedBits else { return close(.protocolError) }
        switch frame.opcode {
        case Opcode.continuation, Opcode.text: return data(frame)
        case Opcode.binary: return close(.unsupportedData)
        case Opcode.close, Opcode.ping, Opcode.pong: return control(frame)
        default: return close(.protocolError)
        }
    }

    /// Starts the closing handshake from this side.
    public mutating func close(_ code: CloseCode) -> Action {
        guard isOpen else { return .none }
        state = .closeSent
        return .sendClose(Self.payload(code.rawValue))
    }

    private mutating func data(_ frame: Frame) -> Action {
        switch (state, frame.opcode) {
        case (.open, Opcode.text), (.assembling, Opcode.continuation): break
        case (.open, _), (.assembling, _), (.closeSent, _), (.closed, _): return close(.protocolError)
        }
        guard assembled.readableBytes + frame.payload.readableBytes <= messageBytesMax else {
            return close(.messageTooBig)
        }
        if assembled.readableBytes == 0 {
            assembled = frame.payload
        } else {
            assembled.writeImmutableBuffer(frame.payload)
        }
        guard frame.isFinal else {
            state = .assembling
            return .none
        }
        let message = assembled
        assembled = ByteBuffer()
        state = .open
        guard message.isValidUTF8 else { return close(.invalidText) }
        return .deliver(message)
    }

    private mutating func control(_ frame: Frame) -> Action {
        guard frame.isFinal, frame.payload.readableBytes <= 125 else { return close(.protocolError) }
        switch frame.opcode {
        case Opcode.ping: return .sendPong(frame.payload)
        case Opcode.pong: return .none
        default:
            var payload = frame.payload
            guard payload.readableBytes > 0 else { return answerClose(ByteBuffer()) }
            guard let code: UInt16 = payload.readInteger(), CloseCode.isValidFromPeer(code) else {
                return close(.protocolError)
            }
            guard payload.isValidUTF8 else { return close(.invalidText) }
            return answerClose(Self.payload(code))
        }
    }

    private mutating func answerClose(_ payload: ByteBuffer) -> Action {
        state = .closed
        return .sendClose(payload)
    }

    private static func payload(_ code: UInt16) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(code)
        return buffer
    }
}

/// WebSocket opcodes (RFC 6455, section 5.2).
public enum Opcode {
    public static let continuation: UInt8 = 0x0
    public static let text: UInt8 = 0x1
    public static let binary: UInt8 = 0x2
    public static let close: UInt8 = 0x8
    public static let ping: UInt8 = 0x9
    public static let pong: UInt8 = 0xA
}

extension ByteBuffer {
    /// Appends an unmasked, final frame.
    public mutating func writeFrame(_ opcode: UInt8, _ payload: ByteBuffer) {
        writeInteger(0x80 | opcode)
        switch payload.readableBytes {
        case ...125: writeInteger(UInt8(payload.readableBytes))
        case ...0xFFFF:
            writeInteger(UInt8(126))
            writeInteger(UInt16(payload.readableBytes))
        default:
            writeInteger(UInt8(127))
            writeInteger(UInt64(payload.readableBytes))
        }
        writeImmutableBuffer(payload)
    }

    var isValidUTF8: Bool { UTF8Text.isValid(self) }
}
