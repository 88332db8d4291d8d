/// One keep-alive connection with one request under way; the next request is made ready while this one is answered.
final class HTTPConnection {
    private static let incomingBytesMax = 64 << 10

    let socket: Socket
    /// When the request under way began to be sent.
    private(set) var sentAt = Moment.now
    /// Which of the sources made the request under way.
    private(set) var kind = 0
    private var preparedKind = 0
    private var outgoing: Bytes
    private var prepared: Bytes
    private var bytesSent = 0
    private let incoming = Bytes(capacity: incomingBytesMax)
    private var scanner = ResponseScanner()
    private let sources: [any RequestSource]
    /// For each source, what a good answer's body begins with.
    private let expectations: [[UInt8]]

    /// Connects; requests will be made by one of the sources.
    init(port: UInt16, sources: [any RequestSource]) throws {
        socket = try Socket.connect(port: port)
        let requestBytesMax = sources.map(\.requestBytesMax).max() ?? 0
        outgoing = Bytes(capacity: requestBytesMax)
        prepared = Bytes(capacity: requestBytesMax)
        self.sources = sources
        expectations = sources.map { Array($0.expectedBeginning.utf8) }
        try socket.makeNonBlocking()
    }

    deinit {
        socket.close()
    }

    /// Whether a request is ready for `start`.
    var isPrepared: Bool { prepared.count > 0 }

    /// Whether a part of the request under way waits until the socket can be written to.
    var isSending: Bool { bytesSent < outgoing.count }

    /// Lets a source make the next request, if it has one.
    func prepare(kind: Int = 0) {
        prepared.clear()
        preparedKind = kind
        sources[kind].makeRequest(in: prepared)
    }

    /// Begins to send the prepared request.
    func start() throws {
        swap(&outgoing, &prepared)
        prepared.clear()
        bytesSent = 0
        kind = preparedKind
        scanner.expected = expectations[kind]
        sentAt = .now
        try resume()
    }

    /// Sends more of the request under way.
    func resume() throws {
        while isSending {
            let taken = try socket.send(outgoing.start + bytesSent, count: outgoing.count - bytesSent)
            if taken == 0 { return }
            bytesSent += taken
        }
    }

    /// Reads what is there; `true` when the answer is whole. An answer that is not good is thrown.
    func receive() throws -> Bool {
        while true {
            guard let length = try socket.receive(into: incoming.end, count: incoming.free) else { return false }
            incoming.grow(by: length)
            switch try scanner.take(incoming.start, count: incoming.count) {
            case .headIncomplete: break
            case .bodyIncomplete: incoming.clear()
            case .complete:
                incoming.clear()
                return true
            }
        }
    }
}
