import ApusCore
public import NIOCore

/// The framing of one server-side WebSocket (RFC 6455): bytes in, what to do out. No I/O, no clock.
///
/// A frame is judged when its header is there, text as it comes. Memory is taken for bytes that have arrived and not
/// for those that are announced, and none is kept when nothing is held.
public struct FrameStateMachine: Sendable {
    public enum Action: Sendable {
        /// A whole text message, valid UTF-8.
        case deliver(ByteBuffer)
        case sendPong(ByteBuffer)
        /// Send a close frame with this payload; then, if both sides have said goodbye, close the connection.
        case sendClose(ByteBuffer)
        /// Both sides have said goodbye.
        case closeConnection
    }

    private enum State {
        case open
        case closeSent
        case closed
    }

    /// What the next bytes are.
    private enum Place {
        case header
        /// The payload of a text frame or one that continues it.
        case text(FrameHeader)
        case ping(FrameHeader)
        case close(FrameHeader)
        /// The payload of a frame that says nothing to us, or nothing any more.
        case dropped(FrameHeader)
    }

    private enum Step {
        case goOn
        case act(Action)
        /// Nothing more can be said before more bytes come.
        case wait
    }

    private var state = State.open
    private var place = Place.header
    /// Whether the first frame of a message has begun and the last one has not ended.
    private var isInText = false
    /// Bytes at the end of `text` that only begin a character.
    private var cutBytes: UInt8 = 0
    /// The message as far as it has come.
    private var text = ByteBuffer()
    /// What was received and not yet taken.
    private var incoming = ByteBuffer()
    private let messageBytesMax: Int

    public init(messageBytesMax: Int) {
        self.messageBytesMax = messageBytesMax
    }

    /// Whether events may still be sent.
    public var isOpen: Bool {
        switch state {
        case .open: true
        case .closeSent, .closed: false
        }
    }

    /// Whether both sides have said goodbye.
    public var isClosed: Bool {
        switch state {
        case .closed: true
        case .open, .closeSent: false
        }
    }

    /// Bytes of the unfinished message, and bytes received and not yet taken. The memory for them may be twice that.
    public var bytesHeld: Int { text.readableBytes + incoming.readableBytes }

    /// Whether a frame or a message in fragments has begun and is not complete; a peer has a time to end it.
    ///
    /// Bytes that nobody has asked ``next()`` about count too.
    public var isInsideMessage: Bool {
        switch (state, place) {
        case (.open, .header): isInText || incoming.readableBytes > 0
        case (.open, .text), (.open, .ping), (.open, .close), (.open, .dropped): true
        case (.closeSent, _), (.closed, _): false
        }
    }

    /// Takes in what came; ask ``next()`` what follows from it.
    public mutating func receive(_ bytes: ByteBuffer) {
        guard !isClosed else { return }
        guard incoming.readableBytes > 0 else {
            incoming = bytes
            return
        }
        // Only when more was taken than is left, so that a byte is moved once on average.
        if incoming.readerIndex > incoming.readableBytes { incoming.discardReadBytes() }
        incoming.writeImmutableBuffer(bytes)
    }

    /// The next thing to do because of what was received; `nil` when more must come first.
    ///
    /// One may stop asking and go on later. What waits meanwhile counts in ``bytesHeld``.
    public mutating func next() -> Action? {
        while true {
            switch step() {
            case .goOn: continue
            case .act(let action): return action
            case .wait:
                compact()
                return nil
            }
        }
    }

    /// Starts the closing handshake from this side. What remains of a message is dropped.
    ///
    /// - Parameter reason: for people; what does not fit the frame is left out.
    /// - Returns: `nil` if goodbye was said before.
    public mutating func close(_ code: CloseCode, reason: String = "") -> Action? {
        switch state {
        case .closeSent, .closed: return nil
        case .open: return sendClose(code, reason: reason)
        }
    }

    /// Gives back memory that was larger than what is held; of use to those who stop asking ``next()``, which does this
    /// before it answers `nil`.
    public mutating func compact() {
        let count = incoming.readableBytes
        if count == 0 {
            incoming = ByteBuffer()
        } else if incoming.storageCapacity > max(2 * count, Self.spareBytes) {
            incoming = ByteBuffer(buffer: incoming)
        }
    }

    /// Not worth a copy.
    private static let spareBytes = 64
}

// MARK: - Steps

extension FrameStateMachine {
    private mutating func step() -> Step {
        switch place {
        case .header: begin()
        case .text(let frame): takeText(frame)
        case .ping(let frame): takePing(frame)
        case .close(let frame): takeClose(frame)
        case .dropped(let frame): drop(frame)
        }
    }

    private mutating func begin() -> Step {
        guard let frame = FrameHeader(reading: &incoming) else { return .wait }
        place = .dropped(frame)
        guard isOpen else { return .goOn }
        let room = messageBytesMax - text.readableBytes
        if let code = frame.fault(isContinuing: isInText, textBytesMax: room) { return .act(sendClose(code)) }
        switch frame.opcode {
        case .continuation, .text:
            place = .text(frame)
            isInText = true
        case .ping: place = .ping(frame)
        case .close: place = .close(frame)
        case .pong, .binary, nil: break
        }
        return .goOn
    }

    private mutating func takeText(_ frame: FrameHeader) -> Step {
        var frame = frame
        let judged = text.readableBytes - Int(cutBytes)
        text.writePayload(of: &frame, from: &incoming)
        place = .text(frame)
        guard let end = UTF8Text.validEnd(of: text, from: judged) else { return .act(sendClose(.invalidText)) }
        cutBytes = UInt8(text.readableBytes - end)
        guard frame.bytesLeft == 0 else { return .wait }
        place = .header
        guard frame.isFinal else { return .goOn }
        guard cutBytes == 0 else { return .act(sendClose(.invalidText)) }
        let message = text
        forgetText()
        return .act(.deliver(message))
    }

    private mutating func takePing(_ frame: FrameHeader) -> Step {
        guard let payload = takeWhole(frame) else { return .wait }
        return .act(.sendPong(payload))
    }

    private mutating func takeClose(_ frame: FrameHeader) -> Step {
        guard var payload = takeWhole(frame) else { return .wait }
        end()
        guard payload.readableBytes > 0 else { return .act(.sendClose(payload)) }
        guard let code: UInt16 = payload.readInteger(), CloseCode.isValidFromPeer(code) else {
            return .act(.sendClose(Self.payload(CloseCode.protocolError.rawValue)))
        }
        guard UTF8Text.isValid(payload) else { return .act(.sendClose(Self.payload(CloseCode.invalidText.rawValue))) }
        return .act(.sendClose(Self.payload(code)))
    }

    /// The payload of a control frame, once all of it is there.
    private mutating func takeWhole(_ frame: FrameHeader) -> ByteBuffer? {
        guard frame.bytesLeft <= incoming.readableBytes else { return nil }
        var frame = frame
        var payload = ByteBuffer()
        payload.writePayload(of: &frame, from: &incoming)
        place = .header
        return payload
    }

    private mutating func drop(_ frame: FrameHeader) -> Step {
        var frame = frame
        let count = frame.payloadBytes(in: incoming)
        incoming.moveReaderIndex(forwardBy: count)
        frame.advance(by: count)
        place = .dropped(frame)
        guard frame.bytesLeft == 0 else { return .wait }
        place = .header
        // Whatever was wrong with it, or came before it: the peer has said goodbye, and says nothing more.
        guard frame.opcode == .close else { return .goOn }
        end()
        return .act(.closeConnection)
    }
}

// MARK: - Closing

extension FrameStateMachine {
    private mutating func sendClose(_ code: CloseCode, reason: String = "") -> Action {
        state = .closeSent
        forgetText()
        switch place {
        case .header: break
        case .text(let frame), .ping(let frame), .close(let frame), .dropped(let frame): place = .dropped(frame)
        }
        var payload = Self.payload(code.rawValue)
        // RFC 6455, section 5.5: 125 bytes, of which the code takes two.
        var fitting = reason[...]
        while fitting.utf8.count > 123 { fitting.removeLast() }
        payload.writeString(String(fitting))
        return .sendClose(payload)
    }

    private mutating func end() {
        state = .closed
        place = .header
        forgetText()
        incoming = ByteBuffer()
    }

    private mutating func forgetText() {
        text = ByteBuffer()
        cutBytes = 0
        isInText = false
    }

    private static func payload(_ code: UInt16) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(code)
        return buffer
    }
}
