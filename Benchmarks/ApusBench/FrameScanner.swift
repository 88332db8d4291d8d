/// Counts the events in one socket's stream from the frames' headers (RFC 6455, 5.2), without decoding the JSON.
struct FrameScanner {
    /// Bytes of a frame that must be there together: the longest header and the beginning of an event or a whole ping.
    static let keptBytesMax = 14 + 126

    /// What a turn of scanning came to.
    struct Progress {
        /// Bytes that need not be kept; fewer than `keptBytesMax` follow them.
        var consumed = 0
        /// Events that became whole.
        var events = 0
        /// The frame to answer a ping with.
        var pong: [UInt8] = []
    }

    /// Whether each event's `seq` must be the one after the one before.
    let isVerifying: Bool
    /// The `seq` of the last event, when verifying.
    private(set) var lastSequence = 0
    private(set) var isGreeted = false
    /// Whether a frame of ours was acknowledged.
    private(set) var isAcknowledged = false
    /// What the server closed the socket with, if it did.
    private(set) var closeCode: Int?
    /// Whether everything missed has come; `nil` when the socket did not ask for it.
    private(set) var isCurrent: Bool?
    private var bodyBytesLeft = 0
    private var isInEvent = false

    /// The `seq` of the last event that is whole, when verifying.
    var lastWholeSequence: Int { isInEvent ? lastSequence - 1 : lastSequence }

    init(isVerifying: Bool) {
        self.isVerifying = isVerifying
    }

    /// For a socket that asks for what came after `since`, of which nothing must be missing.
    init(since: Int) {
        isVerifying = true
        lastSequence = since
        isCurrent = false
    }

    /// Takes what was kept and what came since. Throws when the stream is not what the contract promises.
    mutating func take(_ bytes: UnsafePointer<UInt8>, count: Int) throws -> Progress {
        var progress = Progress()
        while true {
            let available = count - progress.consumed
            if bodyBytesLeft > 0 {
                let length = min(bodyBytesLeft, available)
                bodyBytesLeft -= length
                progress.consumed += length
                if bodyBytesLeft > 0 { return progress }
                progress.events += isInEvent ? 1 : 0
                isInEvent = false
                continue
            }
            guard let frame = try Frame(bytes + progress.consumed, count: available) else { return progress }
            progress.consumed += frame.headerLength
            let payload = bytes + progress.consumed
            try begin(frame, payload: payload, progress: &progress)
            bodyBytesLeft = frame.payloadLength
        }
    }

    private mutating func begin(_ frame: Frame, payload: UnsafePointer<UInt8>, progress: inout Progress) throws {
        switch frame.opcode {
        case 0x1:
            try beginText(frame, payload: payload)
        case 0x8:
            let code = frame.payloadLength >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : 1005
            let reason = (payload + 2).text(count: frame.payloadLength - 2)
            closeCode = code
            throw BenchError("the server closed the socket with \(code) \(reason)")
        case 0x9:
            // Masked with zeros, which leaves the payload as it is.
            progress.pong += [0x8A, 0x80 | UInt8(truncatingIfNeeded: frame.payloadLength), 0, 0, 0, 0]
            progress.pong += Array(UnsafeBufferPointer(start: payload, count: frame.payloadLength))
        case 0xA:
            break
        default:
            throw BenchError("a frame with opcode \(frame.opcode)")
        }
    }

    private mutating func beginText(_ frame: Frame, payload: UnsafePointer<UInt8>) throws {
        if frame.payloadLength > 32 && payload.starts(with: #"{"type":"data."#) && isGreeted {
            isInEvent = true
            if isVerifying { try verify(payload, count: min(frame.payloadLength, Frame.beginningLength)) }
        } else if !isGreeted && payload.starts(with: #"{"type":"hello""#) {
            isGreeted = true
        } else if isGreeted && isCurrent == false && payload.starts(with: #"{"type":"current""#) {
            isCurrent = true
        } else if isGreeted && payload.starts(with: #"{"type":"ack""#) {
            isAcknowledged = true
        } else {
            let beginning = payload.text(count: min(frame.payloadLength, Frame.beginningLength))
            throw BenchError("an unexpected frame: \(beginning)")
        }
    }

    private mutating func verify(_ payload: UnsafePointer<UInt8>, count: Int) throws {
        // `data.updated` and `data.deleted` have the same length.
        let fieldAt = #"{"type":"data.updated","#.utf8.count
        guard (payload + fieldAt).starts(with: #""seq":"#) else {
            throw BenchError("an event without seq after its type: \(payload.text(count: count))")
        }
        var sequence = 0
        var place = fieldAt + 6
        while place < count, payload[place] >= 0x30, payload[place] <= 0x39 {
            sequence = sequence * 10 + Int(payload[place] - 0x30)
            place += 1
        }
        guard sequence == lastSequence + 1 else {
            throw BenchError("seq \(sequence) came where \(lastSequence + 1) was due")
        }
        lastSequence = sequence
    }
}

extension FrameScanner {
    /// A frame's header; there is none while the header or the payload's beginning is not whole.
    private struct Frame {
        /// As much of an event as holds its type and `seq`.
        static let beginningLength = 48

        let opcode: UInt8
        let headerLength: Int
        let payloadLength: Int

        init?(_ bytes: UnsafePointer<UInt8>, count: Int) throws {
            guard count >= 2 else { return nil }
            guard bytes[0] & 0xF0 == 0x80, bytes[1] & 0x80 == 0 else {
                throw BenchError("a frame in parts, with reserved bits or masked")
            }
            opcode = bytes[0] & 0x0F
            let short = Int(bytes[1])
            let lengthBytes = short == 126 ? 2 : short == 127 ? 8 : 0
            guard count >= 2 + lengthBytes else { return nil }
            var length = lengthBytes == 0 ? short : 0
            for place in 0..<lengthBytes { length = length << 8 | Int(bytes[2 + place]) }
            guard length >= 0, length <= 16 << 20 else { throw BenchError("a frame of \(length) bytes") }
            headerLength = 2 + lengthBytes
            payloadLength = length
            let wanted = opcode >= 0x8 ? length : min(length, Self.beginningLength)
            guard opcode < 0x8 || length <= 125 else { throw BenchError("a control frame of \(length) bytes") }
            guard count - headerLength >= wanted else { return nil }
        }
    }
}
