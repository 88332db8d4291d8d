public import NIOCore

/// What stands before a frame's payload (RFC 6455, section 5.2), and how much of the payload is still to come.
struct FrameHeader: Sendable {
    /// `nil` if it is one of the reserved ones.
    var opcode: Opcode?
    var isFinal: Bool
    var hasReservedBits: Bool
    var isMasked: Bool
    /// Whether the length stands in the fewest bytes that hold it, and without the highest bit.
    var hasProperLength: Bool
    /// The key for the next byte of the payload in the lowest byte, for those after it in the higher ones.
    var mask: UInt32
    var bytesLeft: UInt64

    /// Takes the header off the front of `bytes`; `nil`, and nothing taken, while not all of it is there.
    init?(reading bytes: inout ByteBuffer) {
        let start = bytes.readerIndex
        guard let header = Self(from: &bytes) else {
            bytes.moveReaderIndex(to: start)
            return nil
        }
        self = header
    }

    private init?(from bytes: inout ByteBuffer) {
        guard let (first, second) = bytes.readMultipleIntegers(as: (UInt8, UInt8).self) else { return nil }
        opcode = Opcode(rawValue: first & 0x0F)
        isFinal = first & 0x80 != 0
        hasReservedBits = first & 0x70 != 0
        isMasked = second & 0x80 != 0
        switch second & 0x7F {
        case 126:
            guard let length: UInt16 = bytes.readInteger() else { return nil }
            bytesLeft = UInt64(length)
            hasProperLength = length > 125
        case 127:
            guard let length: UInt64 = bytes.readInteger() else { return nil }
            bytesLeft = length
            hasProperLength = length > 0xFFFF && length <= UInt64(Int64.max)
        case let length:
            bytesLeft = UInt64(length)
            hasProperLength = true
        }
        mask = 0
        guard isMasked else { return }
        guard let key: UInt32 = bytes.readInteger(endianness: .little) else { return nil }
        mask = key
    }

    /// Why a server must not take this frame, or `nil` if it may.
    ///
    /// - Parameters:
    ///   - isContinuing: whether the message before it is not complete.
    ///   - textBytesMax: how many more bytes of text there is room for.
    func fault(isContinuing: Bool, textBytesMax: Int) -> CloseCode? {
        guard isMasked, !hasReservedBits, hasProperLength else { return .protocolError }
        switch opcode {
        case .text, .continuation:
            guard isContinuing == (opcode == .continuation) else { return .protocolError }
            return bytesLeft <= textBytesMax ? nil : .messageTooBig
        case .binary: return .unsupportedData
        case .close, .ping, .pong: return isFinal && bytesLeft <= Self.controlBytesMax ? nil : .protocolError
        case nil: return .protocolError
        }
    }

    /// As many of the bytes that have arrived as belong to the payload.
    func payloadBytes(in bytes: ByteBuffer) -> Int {
        Int(min(bytesLeft, UInt64(bytes.readableBytes)))
    }

    /// Passes over `count` bytes of the payload.
    mutating func advance(by count: Int) {
        bytesLeft -= UInt64(count)
        let shift = UInt32(count & 3) * 8
        mask = mask &>> shift | mask &<< (32 &- shift)
    }

    private static let controlBytesMax: UInt64 = 125
}

/// WebSocket opcodes (RFC 6455, section 5.2).
public enum Opcode: UInt8, Sendable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xA
}

extension ByteBuffer {
    /// Appends an unmasked, final frame.
    public mutating func writeFrame(_ opcode: Opcode, _ payload: ByteBuffer) {
        writeInteger(0x80 | opcode.rawValue)
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

    /// Moves as much of `frame`'s payload as there is in `source` to the end of this buffer, without the mask.
    mutating func writePayload(of frame: inout FrameHeader, from source: inout ByteBuffer) {
        let count = frame.payloadBytes(in: source)
        guard count > 0 else { return }
        writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            source.readWithUnsafeReadableBytes { bytes in
                target.copyBytes(bytes, count: count, unmaskedWith: frame.mask)
                return count
            }
        }
        frame.advance(by: count)
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Eight bytes at a time, which is several times faster than one.
    fileprivate func copyBytes(_ source: UnsafeRawBufferPointer, count: Int, unmaskedWith mask: UInt32) {
        precondition(count <= source.count && count <= self.count)
        let wideMask = UInt64(mask) << 32 | UInt64(mask)
        var offset = 0
        while offset &+ 8 <= count {
            let eight = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            storeBytes(of: (eight ^ wideMask).littleEndian, toByteOffset: offset, as: UInt64.self)
            offset &+= 8
        }
        while offset < count {
            self[offset] = source[offset] ^ UInt8(truncatingIfNeeded: mask &>> (UInt32(offset & 3) &* 8))
            offset &+= 1
        }
    }
}
