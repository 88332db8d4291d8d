import Crypto
import Testing

/// A WebSocket client that blocks and can break every rule of RFC 6455.
final class WebSocket {
    enum Opcode {
        static let continuation: UInt8 = 0
        static let text: UInt8 = 1
        static let binary: UInt8 = 2
        static let close: UInt8 = 8
        static let ping: UInt8 = 9
        static let pong: UInt8 = 10
    }

    struct Frame: Sendable {
        var isFinal: Bool
        var reserved: UInt8
        var opcode: UInt8
        var payload: [UInt8]

        /// The code in a close frame.
        var closeReason: String { String(decoding: payload.dropFirst(2), as: UTF8.self) }
        var closeCode: Int? { payload.count >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : nil }
    }

    /// The server closed; with this code, or without a close frame.
    struct Closed: Error, Equatable {
        var code: Int?
    }

    struct Refused: Error {
        var answer: HTTPAnswer
    }

    let socket: TCPSocket
    /// The answer to the upgrade.
    let upgrade: HTTPAnswer

    /// - Throws: ``Refused`` with the answer unless it is 101.
    init(
        port: Int, target: String = "/", headers: [(String, String)] = [], receiveBytesMax: Int32? = nil
    ) throws {
        let connection = try HTTPConnection(port: port, receiveBytesMax: receiveBytesMax)
        let key = "dGhlIHNhbXBsZSBub25jZQ=="
        try connection.send(
            "GET", target,
            headers: [
                ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", key),
            ] + headers)
        upgrade = try connection.read()
        guard upgrade.status == 101 else { throw Refused(answer: upgrade) }
        socket = connection.socket
        // RFC 6455, section 1.3: the answer to the key of its example.
        guard upgrade["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" else {
            throw SocketFailure.malformed("Sec-WebSocket-Accept")
        }
    }

    /// The answer to an upgrade that must not be granted.
    static func refusal(
        port: Int, target: String = "/", headers: [(String, String)] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> HTTPAnswer {
        do {
            let socket = try WebSocket(port: port, target: target, headers: headers)
            Issue.record("the socket was opened", sourceLocation: sourceLocation)
            return socket.upgrade
        } catch let refused as Refused {
            return refused.answer
        }
    }

    // MARK: Sending

    func send(
        _ opcode: UInt8, _ payload: [UInt8] = [], isFinal: Bool = true, reserved: UInt8 = 0, isMasked: Bool = true
    ) throws {
        try socket.send(
            Self.frame(opcode, payload, isFinal: isFinal, reserved: reserved, isMasked: isMasked))
    }

    func send(_ text: String) throws {
        try send(Opcode.text, Array(text.utf8))
    }

    func sendClose(_ code: Int, _ reason: String = "") throws {
        try send(Opcode.close, [UInt8(code >> 8), UInt8(code & 0xFF)] + Array(reason.utf8))
    }

    static func frame(
        _ opcode: UInt8, _ payload: [UInt8] = [], isFinal: Bool = true, reserved: UInt8 = 0, isMasked: Bool = true
    ) -> [UInt8] {
        var bytes = header(opcode, count: payload.count, isFinal: isFinal, reserved: reserved, isMasked: isMasked)
        guard isMasked else { return bytes + payload }
        let mask: [UInt8] = [0x12, 0x34, 0x56, 0x78]
        bytes += mask
        bytes.reserveCapacity(bytes.count + payload.count)
        for index in payload.indices { bytes.append(payload[index] ^ mask[index & 3]) }
        return bytes
    }

    /// A frame's first bytes, without the mask's four.
    static func header(
        _ opcode: UInt8, count: Int, isFinal: Bool = true, reserved: UInt8 = 0, isMasked: Bool = true
    ) -> [UInt8] {
        let maskBit: UInt8 = isMasked ? 0x80 : 0
        let bytes = [(isFinal ? 0x80 : 0) | reserved << 4 | opcode]
        switch count {
        case ..<126: return bytes + [maskBit | UInt8(count)]
        case ..<65_536: return bytes + [maskBit | 126, UInt8(count >> 8), UInt8(count & 0xFF)]
        default: return bytes + [maskBit | 127] + (0..<8).map { UInt8(count >> (56 - 8 * $0) & 0xFF) }
        }
    }

    // MARK: Receiving

    /// The next frame; `nil` when the server closed the connection.
    func readFrame(within seconds: Double = patience) throws -> Frame? {
        do {
            let head = try socket.take(2, within: seconds)
            guard head[1] & 0x80 == 0 else { throw SocketFailure.malformed("a masked frame from the server") }
            var count = Int(head[1] & 0x7F)
            if count >= 126 {
                count = try socket.take(count == 126 ? 2 : 8).reduce(0) { $0 << 8 | Int($1) }
            }
            return Frame(
                isFinal: head[0] & 0x80 != 0, reserved: head[0] >> 4 & 7, opcode: head[0] & 0x0F,
                payload: try socket.take(count))
        } catch SocketFailure.closed {
            return nil
        }
    }

    /// The next message's bytes; pings are answered on the way.
    ///
    /// - Throws: ``Closed`` when the server closes instead.
    func nextMessage(within seconds: Double = patience) throws -> [UInt8] {
        let end = monotonicSeconds() + seconds
        var message: [UInt8] = []
        while let frame = try readFrame(within: max(0, end - monotonicSeconds())) {
            guard frame.reserved == 0 else { throw SocketFailure.malformed("reserved bits from the server") }
            switch frame.opcode {
            case Opcode.ping: try send(Opcode.pong, frame.payload)
            case Opcode.pong: continue
            case Opcode.close: throw Closed(code: frame.closeCode)
            default:
                message += frame.payload
                if frame.isFinal { return message }
            }
        }
        throw Closed(code: nil)
    }

    func next(within seconds: Double = patience) throws -> JSON {
        try JSON(try nextMessage(within: seconds))
    }

    /// The next message of that type; everything before it is dropped.
    func next(ofType type: String, within seconds: Double = patience) throws -> JSON {
        let end = monotonicSeconds() + seconds
        while true {
            let message = try next(within: max(0, end - monotonicSeconds()))
            if message["type"].text == type { return message }
        }
    }

    /// Messages up to and with the first one that `isLast` accepts.
    func messages(until isLast: (JSON) -> Bool) throws -> [JSON] {
        var messages: [JSON] = []
        repeat { messages.append(try next()) } while !(messages.last.map(isLast) ?? true)
        return messages
    }

    /// The code the server closes with, whatever it sends before; -1 if it drops the connection without one.
    func closeCode(within seconds: Double = patience) throws -> Int {
        let end = monotonicSeconds() + seconds
        while let frame = try readFrame(within: max(0, end - monotonicSeconds())) {
            if frame.opcode == Opcode.close { return frame.closeCode ?? 1005 }
            if frame.opcode == Opcode.ping { try? send(Opcode.pong, frame.payload) }
        }
        return -1
    }
}

extension TestUser {
    /// An open socket of this user; `query` is appended to the token's, such as `&since=0`.
    func socket(_ query: String = "") throws -> WebSocket {
        try WebSocket(port: server.port, target: "/?token=\(token)\(query)")
    }

    /// An open socket whose `hello` was read.
    func listening(_ query: String = "") throws -> WebSocket {
        let socket = try socket(query)
        let hello = try socket.next()
        try #require(hello["type"].text == "hello")
        return socket
    }
}
