import NIOCore
import NIOHPACK

/// A connection that speaks HTTP/2 in frames (RFC 9113), blocks, and can break every rule.
final class HTTP2Wire {
    enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let priority: UInt8 = 2
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let ping: UInt8 = 6
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
        static let continuation: UInt8 = 9
    }

    enum Flag {
        static let endStream: UInt8 = 1
        static let ack: UInt8 = 1
        static let endHeaders: UInt8 = 4
    }

    struct Frame {
        var kind: UInt8
        var flags: UInt8
        var stream: Int
        var payload: [UInt8]

        /// The error code of a `RST_STREAM` or `GOAWAY`.
        var errorCode: Int { payload.dropFirst(kind == Kind.goAway ? 4 : 0).prefix(4).reduce(0) { $0 << 8 | Int($1) } }
        /// The last stream that a `GOAWAY` names.
        var lastStream: Int { payload.prefix(4).reduce(0) { $0 << 8 | Int($1) } }
    }

    /// What came for one stream.
    struct Answer {
        var fields: [(name: String, value: String)] = []
        var body: [UInt8] = []
        /// Whether it ended properly.
        var isWhole = false
        var resetCode: Int?

        var status: Int? { self[":status"].flatMap { Int($0) } }
        var text: String { String(decoding: body, as: UTF8.self) }

        subscript(name: String) -> String? { fields.first { $0.name == name }?.value }
    }

    let socket: TCPSocket
    private let tunnel: TLSTunnel
    private var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
    private(set) var answers: [Int: Answer] = [:]
    private(set) var goAways: [Frame] = []
    private(set) var settings: [Int: Int] = [:]
    private(set) var pongs = 0

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    /// - Parameter settings: what the client says of itself, by number.
    init(_ server: RunningServer, settings: [Int: Int] = [:], preface: [UInt8] = preface) throws {
        tunnel = try server.tunnel(for: "h2")
        socket = try TCPSocket(port: tunnel.port)
        try socket.send(preface)
        try send(Kind.settings, settings.flatMap { Self.bytes($0.key, 2) + Self.bytes($0.value, 4) })
    }

    // MARK: Sending

    func send(_ kind: UInt8, _ payload: [UInt8] = [], flags: UInt8 = 0, stream: Int = 0) throws {
        try socket.send(Self.frame(kind, payload, flags: flags, stream: stream))
    }

    static func frame(_ kind: UInt8, _ payload: [UInt8] = [], flags: UInt8 = 0, stream: Int = 0) -> [UInt8] {
        bytes(payload.count, 3) + [kind, flags] + bytes(stream, 4) + payload
    }

    static func bytes(_ number: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * (count - 1 - $0))) }
    }

    /// A header block in which nothing is compressed (RFC 7541, section 6.2.2).
    static func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { name, value in [0] + text(name) + text(value) }
    }

    private static func text(_ text: String) -> [UInt8] {
        var length: [UInt8] = []
        var count = text.utf8.count
        if count < 127 {
            length = [UInt8(count)]
        } else {
            length = [127]
            count -= 127
            while count >= 128 {
                length.append(UInt8(count % 128 + 128))
                count /= 128
            }
            length.append(UInt8(count))
        }
        return length + Array(text.utf8)
    }

    /// The fields of a request.
    static func fields(_ method: String, _ path: String, _ others: [(String, String)] = []) -> [(String, String)] {
        [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
            + others.map { ($0.0.lowercased(), $0.1) }
    }

    /// Sends a request whole; its body in frames of at most 16 KiB.
    func request(
        _ stream: Int, _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil
    ) throws {
        let block = Self.block(Self.fields(method, path, headers))
        let end = body == nil ? Flag.endStream : 0
        if block.count <= 16_384 {
            try send(Kind.headers, block, flags: Flag.endHeaders | end, stream: stream)
        } else {
            try send(Kind.headers, Array(block.prefix(16_384)), flags: end, stream: stream)
            try send(Kind.continuation, Array(block.dropFirst(16_384)), flags: Flag.endHeaders, stream: stream)
        }
        guard let body else { return }
        var rest = body[...]
        repeat {
            let part = rest.prefix(16_384)
            rest = rest.dropFirst(part.count)
            try send(Kind.data, Array(part), flags: rest.isEmpty ? Flag.endStream : 0, stream: stream)
        } while !rest.isEmpty
    }

    // MARK: Receiving

    /// The next frame, already taken into account; `nil` when the server closed.
    func next(within seconds: Double = patience) throws -> Frame? {
        do {
            let head = try socket.take(9, within: seconds)
            let count = head[..<3].reduce(0) { $0 << 8 | Int($1) }
            let frame = Frame(
                kind: head[3], flags: head[4], stream: head[5...].reduce(0) { $0 << 8 | Int($1) },
                payload: try socket.take(count, within: seconds))
            try take(frame)
            return frame
        } catch SocketFailure.closed {
            return nil
        }
    }

    private func take(_ frame: Frame) throws {
        switch frame.kind {
        case Kind.settings where frame.flags & Flag.ack == 0:
            for start in stride(from: 0, to: frame.payload.count - 5, by: 6) {
                let number = frame.payload[start..<start + 2].reduce(0) { $0 << 8 | Int($1) }
                settings[number] = frame.payload[start + 2..<start + 6].reduce(0) { $0 << 8 | Int($1) }
            }
            try? send(Kind.settings, flags: Flag.ack)
        case Kind.headers:
            var block = ByteBuffer(bytes: frame.payload)
            for field in try decoder.decodeHeaders(from: &block) {
                answers[frame.stream, default: Answer()].fields.append((field.name, field.value))
            }
        case Kind.data: answers[frame.stream, default: Answer()].body += frame.payload
        case Kind.reset: answers[frame.stream, default: Answer()].resetCode = frame.errorCode
        case Kind.goAway: goAways.append(frame)
        case Kind.ping where frame.flags & Flag.ack != 0: pongs += 1
        default: break
        }
        if frame.kind <= Kind.headers, frame.flags & Flag.endStream != 0 {
            answers[frame.stream, default: Answer()].isWhole = true
        }
    }

    /// Waits for the end of the stream's answer.
    func answer(_ stream: Int) throws -> Answer {
        try read { (self.answers[stream]?.isWhole ?? false) || self.answers[stream]?.resetCode != nil }
        return answers[stream] ?? Answer()
    }

    /// Reads until `isEnough` or the end.
    func read(until isEnough: () -> Bool) throws {
        while !isEnough(), try next() != nil {}
    }

    /// The code with which the server gave up the connection; `nil` if it closed without one.
    func end() throws -> Int? {
        try read { false }
        return goAways.last?.errorCode
    }
}
