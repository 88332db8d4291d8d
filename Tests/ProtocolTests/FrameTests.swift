import NIOCore
import Testing

@testable import ApusProtocol

@Suite struct FrameTests {
    @Test(arguments: [
        // Payload bytes and the header of RFC 6455, section 5.2: the shortest length that fits.
        (0, [0x81, 0x00]), (1, [0x81, 0x01]), (125, [0x81, 0x7D]), (126, [0x81, 0x7E, 0x00, 0x7E]),
        (127, [0x81, 0x7E, 0x00, 0x7F]), (65_535, [0x81, 0x7E, 0xFF, 0xFF]),
        (65_536, [0x81, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]), (1 << 20, [0x81, 0x7F, 0, 0, 0, 0, 0, 0x10, 0, 0]),
    ])
    func `a frame is final, unmasked and has the shortest length`(count: Int, header: [UInt8]) {
        let payload = ByteBuffer(repeating: 0x61, count: count)
        var frame = ByteBuffer(string: "before")
        frame.writeFrame(.text, payload)
        frame.moveReaderIndex(forwardBy: 6)
        #expect(frame.readableBytes == header.count + count)
        #expect(frame.readBytes(length: header.count) == header)
        #expect(frame == payload)
    }

    @Test(
        arguments: [
            (.close, 0x88), (.ping, 0x89), (.pong, 0x8A), (.binary, 0x82),
            (.text, 0x81), (.continuation, 0x80),
        ] as [(Opcode, UInt8)])
    func `the opcode stands in the first byte, with the final bit`(opcode: Opcode, first: UInt8) {
        var frame = ByteBuffer()
        frame.writeFrame(opcode, ByteBuffer(bytes: [3, 0xE8]))
        #expect(Array(buffer: frame) == [first, 2, 3, 0xE8])
    }

    @Test func `a peer may send the close codes that are registered or its own`() {
        let valid = Set(Array(UInt16(1000)...1003) + Array(1007...1014) + Array(3000...4999))
        for code in UInt16.min...UInt16.max {
            #expect(CloseCode.isValidFromPeer(code) == valid.contains(code), "\(code)")
        }
    }
}
