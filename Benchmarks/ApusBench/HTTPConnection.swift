/// One keep-alive connection with one request under way; the next request is made ready while this one is answered.
final class HTTPConnection {
    private static let incomingBytesMax = 64 << 10

    let socket: Socket
    /// When the request under way began to be sent.
    private(set) var sentAt = Moment.now
    private var outgoing: Bytes
    private var prepared: Bytes
    private var bytesSent = 0
    private let incoming = Bytes(capacity: incomingBytesMax)
    private var scanner: ResponseScanner

    /// Connects; `requestBytesMax` is the room for a request, `expecting` what a good answer's body begins with.
    init(port: UInt16, requestBytesMax: Int, expecting beginning: String) throws {
        socket = try Socket.connect(port: port)
        outgoing = Bytes(capacity: requestBytesMax)
        prepared = Bytes(capacity: requestBytesMax)
        scanner = ResponseScanner(expecting: beginning)
        try socket.makeNonBlocking()
    }

    deinit {
        socket.close()
    }

    /// Whether a request is ready for `start`.
    var isPrepared: Bool { prepared.count > 0 }

    /// Whether a part of the request under way waits until the socket can be written to.
    var isSending: Bool { bytesSent < outgoing.count }

    /// Lets `source` make the next request, if it has one.
    func prepare(from source: any RequestSource) {
        prepared.clear()
        source.makeRequest(in: prepared)
    }

    /// Begins to send the prepared request.
    func start() throws {
        swap(&outgoing, &prepared)
        prepared.clear()
        bytesSent = 0
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
