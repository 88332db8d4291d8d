import ArgumentParser
import Glibc

/// The limit of a fan-out: this program once more, as a server that only hands prepared frames to sockets.
///
/// It speaks as much of the protocol as our client looks at, so client, cores and kernel are the same as for the
/// server: `FanOut` measures both. What is missing is all that a server does besides sending.
final class BareSender {
    private let options: BenchOptions
    private let folder: Folder
    private var measured: [[Int]: Double] = [:]

    init(options: BenchOptions, folder: Folder) {
        self.options = options
        self.folder = folder
    }

    /// Deliveries a second with so many events under way; measured once a run.
    func deliveriesPerSecond(sockets: Int, underWay: Int) throws -> Double {
        if let known = measured[[sockets, underWay]] { return known }
        let plan = ServerProcess.Plan(
            program: "/proc/self/exe", arguments: [BareSenderCommand.name, "--events", "\(underWay)"],
            backend: "memory", durability: "none", eventLoops: 1, environment: [], isPinned: options.pin,
            seesToItsEnd: true)
        let server = try ServerProcess(plan, in: folder)
        defer { server.folder.remove() }
        let user = "fan"
        let source = FanOut.source(user: user, underWay: underWay, signer: server.signer, seed: options.seed)
        let outcome = Result {
            let fanOut = try FanOut(server: server, user: user, sockets: sockets, source: source, isVerifying: false)
            return try fanOut.run(warmUp: options.warmUp / 2, seconds: options.seconds, rate: nil).perSecond
        }
        try server.stop()
        let rate = try outcome.get()
        measured[[sockets, underWay]] = rate
        return rate
    }
}

/// What the child process does; for `BareSender` only.
struct BareSenderCommand: ParsableCommand {
    static let name = "bare-sender"

    static let configuration = CommandConfiguration(
        commandName: name, abstract: "Hands prepared frames to sockets, for the raw limit.", shouldDisplay: false)

    @Option(help: "Events for each request.")
    var events = 1

    mutating func validate() throws {
        guard (1...1000).contains(events) else { throw ValidationError("--events 1 to 1000") }
    }

    func run() throws {
        signal(SIGTERM) { _ in _exit(0) }
        try BareLoop(events: events).run()
    }
}

/// Takes connections; one that asks for an upgrade becomes a listener, one that posts gets all listeners served.
private final class BareLoop {
    private static let requestBytesMax = 8 << 10

    private let poller: Poller
    private let listener: Socket
    private let parent = getppid()
    private let frames: Bytes
    private let answer: [UInt8]
    private var connections: [Socket] = []
    private var listening: [Socket] = []
    private var requests: [Bytes?] = []

    init(events: Int) throws {
        poller = try Poller()
        listener = try Socket.listen()
        frames = Self.frames(events)
        let body = Array(#"{"applied":\#(events == 1 ? "true" : "\(events)"),"data":null}"#.utf8)
        answer = Array("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body
        try poller.add(listener, token: 0)
    }

    func run() throws {
        print("bare sender listening on http://127.0.0.1:\(try listener.port())")
        fflush(nil)
        while getppid() == parent {
            for index in 0..<(try poller.wait(milliseconds: 100)) {
                let token = poller.token(index)
                if token == 0 { try accept() } else { try serve(token - 1) }
            }
        }
    }

    private func accept() throws {
        while let socket = try listener.accept() {
            connections.append(socket)
            requests.append(Bytes(capacity: Self.requestBytesMax))
            try poller.add(socket, token: connections.count)
        }
    }

    private func serve(_ number: Int) throws {
        let socket = connections[number]
        guard let request = requests[number] else { return try poller.remove(socket) }
        do {
            guard let length = try socket.receive(into: request.end, count: request.free) else { return }
            request.grow(by: length)
        } catch {
            // The client is done with it.
            return try poller.remove(socket)
        }
        let headLength = Upgrade.headLength(request.start, count: request.count)
        guard headLength > 0 else { return }
        if UnsafePointer(request.start).starts(with: "GET ") {
            requests[number] = nil
            try send(Self.greeting, to: socket)
            listening.append(socket)
        } else if request.count - headLength >= Self.bodyLength(request.start, count: headLength) {
            request.clear()
            for listener in listening { try send(frames.start, count: frames.count, to: listener) }
            try send(answer, to: socket)
        }
    }

    private func send(_ bytes: [UInt8], to socket: Socket) throws {
        try bytes.withUnsafeBufferPointer { buffer in
            if let start = buffer.baseAddress { try send(start, count: buffer.count, to: socket) }
        }
    }

    /// Every listener has taken all before the next comes, so the kernel always has room.
    private func send(_ start: UnsafePointer<UInt8>, count: Int, to socket: Socket) throws {
        guard try socket.send(start, count: count) == count else { throw BenchError("a socket took a part only") }
    }

    private static let greeting = Array("HTTP/1.1 101 Switching Protocols\r\n\r\n".utf8) + frame(#"{"type":"hello"}"#)

    private static func frames(_ count: Int) -> Bytes {
        var value = RequestTemplate()
        value.addValue(length: KeySpace.eventValueBytes)
        let text = """
            {"type":"data.updated","seq":123456,"data":{"user_id":"fan","collection":"c00","key":"k000000","value":\
            \(String(decoding: value.bytes, as: UTF8.self)),"updated_at":"2026-01-01T00:00:00.000Z",\
            "deleted_at":null,"expires_at":null,"seq":123456}}
            """
        let frame = frame(text)
        let frames = Bytes(capacity: frame.count * count)
        for _ in 0..<count { frames.append(frame) }
        return frames
    }

    /// A whole text message (RFC 6455, 5.2) of less than 64 KiB.
    private static func frame(_ text: String) -> [UInt8] {
        let payload = Array(text.utf8)
        guard payload.count > 125 else { return [0x81, UInt8(payload.count)] + payload }
        let length = UInt16(payload.count)
        return [0x81, 126, UInt8(length >> 8), UInt8(length & 0xFF)] + payload
    }

    private static func bodyLength(_ head: UnsafePointer<UInt8>, count: Int) -> Int {
        let text = head.text(count: count)
        guard let field = text.split(separator: "\r\n").first(where: { $0.hasPrefix("Content-Length: ") }) else {
            return 0
        }
        return Int(field.dropFirst("Content-Length: ".count)) ?? 0
    }
}
