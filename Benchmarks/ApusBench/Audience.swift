import Glibc

/// Sockets of some users, each of which gets its user's changes, or those of one collection.
final class Audience {
    private static let bufferBytes = 256 << 10

    let count: Int
    private let server: ServerProcess
    private var sockets: [Socket] = []
    private var scanners: [FrameScanner]
    /// For each socket, the bytes that came too early to be understood, and how many they are.
    private let kept: Bytes
    private var keptCounts: [Int]
    private let buffer = Bytes(capacity: bufferBytes)

    /// Opens the sockets one after the other, each up to its `hello`; their tokens in the poller are
    /// `firstToken` and up. They are shared out evenly among the users, and each is subscribed to a collection if that
    /// is asked for.
    init(
        server: ServerProcess, users: [String], count: Int, poller: Poller, firstToken: Int = 0,
        isVerifying: Bool = false, collection: ((_ number: Int) -> String)? = nil
    ) throws {
        self.server = server
        self.count = count
        scanners = Array(repeating: FrameScanner(isVerifying: isVerifying), count: count)
        kept = Bytes(capacity: count * FrameScanner.keptBytesMax)
        keptCounts = Array(repeating: 0, count: count)
        let requests = users.map { Upgrade.request(query: "token=\(server.signer.token(user: $0))") }
        for number in 0..<count {
            do {
                try open(number, request: requests[number % requests.count])
                if let collection { try subscribe(number, to: collection(number)) }
                try sockets[number].makeNonBlocking()
                try poller.add(sockets[number], token: firstToken + number)
            } catch {
                try server.explain(BenchError("socket \(number): \(error)"))
            }
        }
    }

    deinit {
        for socket in sockets { socket.close() }
    }

    /// Reads once from a socket and says how many events became whole.
    func receive(_ number: Int) throws -> Int {
        do {
            let keptCount = keptCounts[number]
            let keptStart = kept.start + number * FrameScanner.keptBytesMax
            if keptCount > 0 { memcpy(buffer.start, keptStart, keptCount) }
            let room = buffer.capacity - keptCount
            guard let length = try sockets[number].receive(into: buffer.start + keptCount, count: room) else {
                return 0
            }
            let total = keptCount + length
            let progress = try scanners[number].take(buffer.start, count: total)
            let rest = total - progress.consumed
            precondition(rest <= FrameScanner.keptBytesMax)
            if rest > 0 { memcpy(keptStart, buffer.start + progress.consumed, rest) }
            keptCounts[number] = rest
            if !progress.pong.isEmpty { _ = try sockets[number].send(progress.pong, count: progress.pong.count) }
            return progress.events
        } catch {
            try server.explain(BenchError("socket \(number): \(error)"))
            return 0
        }
    }

    private func open(_ number: Int, request: [UInt8]) throws {
        let socket = try Socket.connect(port: server.port)
        sockets.append(socket)
        guard try socket.send(request, count: request.count) == request.count else {
            throw BenchError("the upgrade request was not taken")
        }
        var received = 0
        var headLength = 0
        while headLength == 0 {
            let room = 4096 - received
            guard room > 0, let length = try socket.receive(into: buffer.start + received, count: room) else {
                throw BenchError("no answer to the upgrade request: \(text(received))")
            }
            received += length
            headLength = Upgrade.headLength(buffer.start, count: received)
        }
        guard UnsafePointer(buffer.start).starts(with: "HTTP/1.1 101") else {
            throw BenchError("the upgrade was refused: \(text(received))")
        }
        let rest = received - headLength
        let progress = try scanners[number].take(buffer.start + headLength, count: rest)
        keptCounts[number] = rest - progress.consumed
        let keptStart = kept.start + number * FrameScanner.keptBytesMax
        memcpy(keptStart, buffer.start + headLength + progress.consumed, keptCounts[number])
        // The socket still waits in `receive`, for at most 10 s a time.
        for _ in 0..<8 where !scanners[number].isGreeted { _ = try receive(number) }
        guard scanners[number].isGreeted else { throw BenchError("no hello") }
    }

    private func subscribe(_ number: Int, to collection: String) throws {
        let frame = Upgrade.textFrame(#"{"type":"subscribe","id":1,"collection":"\#(collection)"}"#)
        guard try sockets[number].send(frame, count: frame.count) == frame.count else {
            throw BenchError("the subscription was not taken")
        }
        for _ in 0..<8 where !scanners[number].isAcknowledged { _ = try receive(number) }
        guard scanners[number].isAcknowledged else { throw BenchError("no acknowledgement of the subscription") }
    }

    private func text(_ count: Int) -> String {
        UnsafePointer(buffer.start).text(count: count)
    }
}

/// The opening handshake of a WebSocket (RFC 6455, 4.1), as far as this program needs it.
enum Upgrade {
    static func request(query: String) -> [UInt8] {
        let text = """
            GET /?\(query) HTTP/1.1\r
            Host: 127.0.0.1\r
            Connection: Upgrade\r
            Upgrade: websocket\r
            Sec-WebSocket-Version: 13\r
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
            \r

            """
        return Array(text.utf8)
    }

    /// A frame with a text of up to 125 bytes, masked with zeros, which leaves it as it is.
    static func textFrame(_ text: String) -> [UInt8] {
        let payload = Array(text.utf8)
        precondition(payload.count <= 125)
        return [0x81, 0x80 | UInt8(payload.count), 0, 0, 0, 0] + payload
    }

    /// Bytes of a message's head with the empty line after it; 0 while it is not whole.
    static func headLength(_ bytes: UnsafePointer<UInt8>, count: Int) -> Int {
        guard count >= 4 else { return 0 }
        for place in 4...count where (bytes + place - 4).starts(with: "\r\n\r\n") { return place }
        return 0
    }
}
