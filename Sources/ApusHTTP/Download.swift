import ApusCore
import NIOCore
import NIOHTTP1

/// An answer whose body is made piece by piece, no faster than the client takes it.
struct Download: Sendable {
    /// Its head.
    let reply: HTTPReply
    /// Has the pieces made and given to the pipe, on a thread that may block.
    let start: @Sendable (DownloadPipe) -> Void

    /// A file to be saved, not shown.
    init(fileName: String, contentType: String, start: @escaping @Sendable (DownloadPipe) -> Void) {
        var reply = HTTPReply(
            status: .ok,
            headers: [
                ("Content-Disposition", "attachment; filename=\"\(fileName)\""), ("Cache-Control", "no-store"),
            ],
            contentType: contentType)
        reply.isInPieces = true
        self.reply = reply
        self.start = start
    }
}

/// Where a download's bytes leave: a connection, or one stream of it. On its event loop only.
protocol DownloadCarrier: AnyObject {
    /// Sends the head of an answer whose body comes in pieces; `false` if there can be no answer any more.
    func begin(_ reply: HTTPReply, to exchange: Exchange) -> Bool

    /// Sends a piece, which is not empty; calls ``DownloadPipe/taken()`` when the client has taken most of it.
    func send(_ piece: ByteBuffer, of exchange: Exchange)

    /// All pieces were sent.
    func end(_ exchange: Exchange)

    /// There will be no more, although it is not the end: ends so that the client can tell.
    func cut(_ exchange: Exchange)
}

/// From the thread that makes a download to the event loop of its client: a piece is on its way, and the next is made
/// meanwhile.
final class DownloadPipe: Sendable {
    private let gate = Turnstile()
    private let lane: Lane
    private let reply: HTTPReply
    private let exchange: NIOLoopBound<Exchange>

    init(to exchange: Exchange, _ reply: HTTPReply) {
        lane = exchange.lane
        self.reply = reply
        self.exchange = NIOLoopBound(exchange, eventLoop: lane.loop)
    }

    // MARK: On the thread that makes it

    /// Waits until there is room and sends `piece`; `false` if nobody wants more.
    func give(_ piece: ByteBuffer) -> Bool {
        guard gate.pass() else { return false }
        lane.post { [self] in send(piece) }
        return true
    }

    /// Whether anybody wants more.
    var isWanted: Bool { gate.isWhole }

    /// Sends the last piece, or says why there is none.
    func end(_ last: Result<ByteBuffer, ApusError>) {
        lane.post { [self] in finish(last) }
    }

    // MARK: On the event loop

    /// The client has taken most of the piece that was sent.
    func taken() { gate.open() }

    /// The client wants no more.
    func cut() { gate.breakDown() }

    private func send(_ piece: ByteBuffer) {
        let exchange = exchange.value
        guard let carrier = begin(exchange) else { return cut() }
        carrier.send(piece, of: exchange)
    }

    private func finish(_ last: Result<ByteBuffer, ApusError>) {
        let exchange = exchange.value
        switch last {
        case .success(let piece):
            guard let carrier = begin(exchange) else { return cut() }
            if piece.readableBytes > 0 { carrier.send(piece, of: exchange) }
            exchange.download = nil
            carrier.end(exchange)
        case .failure(let error):
            guard exchange.download === self else { return }
            guard exchange.isInPieces else { return exchange.refuse(error) }
            exchange.context.log(error, requestID: exchange.requestID)
            exchange.download = nil
            exchange.carrier?.cut(exchange)
        }
    }

    /// The carrier, once it has sent the head; `nil` if nobody waits for the answer any more.
    private func begin(_ exchange: Exchange) -> (any DownloadCarrier)? {
        guard exchange.download === self, let carrier = exchange.carrier else { return nil }
        guard exchange.isInPieces || carrier.begin(reply, to: exchange) else { return nil }
        exchange.replyInPieces()
        return carrier
    }
}

extension Exchange {
    /// Answers with the download, by way of `carrier`.
    func start(_ download: Download, on carrier: any DownloadCarrier) {
        guard head.method != .HEAD else { return reply(download.reply) }
        let pipe = DownloadPipe(to: self, download.reply)
        self.carrier = carrier
        self.download = pipe
        download.start(pipe)
    }
}
