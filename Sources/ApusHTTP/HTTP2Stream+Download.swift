import ApusCore
import NIOCore
import NIOHPACK
import NIOHTTP2

// An answer in pieces: DATA frames as the client's windows let them through.
extension HTTP2Stream: DownloadCarrier {
    func begin(_ reply: HTTPReply, to exchange: Exchange) -> Bool {
        guard current === exchange, channelContext != nil else { return false }
        switch machine.answerInPieces(isFramed: true, at: .now()) {
        case .none: return false
        case .refuseStopping:
            exchange.fail(.stopping)
            return false
        case .send:
            var head = ByteBuffer()
            head.writeHead(of: reply, to: exchange, date: lane.state.httpDate(at: context.service.now()), isLast: false)
            write(.headers(.init(headers: HPACKHeaders(takingHeadFrom: &head))))
            return true
        }
    }

    func send(_ piece: ByteBuffer, of exchange: Exchange) {
        guard current === exchange, let channelContext else { return }
        let promise = channelContext.eventLoop.makePromise(of: Void.self)
        let size = piece.readableBytes
        connection.sent(size)
        promise.futureResult.assumeIsolated().whenComplete { [weak self, connection] _ in
            connection.taken(size)
            self?.pieceTaken(of: exchange)
        }
        channelContext.writeAndFlush(
            wrapOutboundOut(.data(.init(data: .byteBuffer(piece)))), promise: promise)
    }

    /// The client's windows have let a piece through.
    private func pieceTaken(of exchange: Exchange) {
        guard current === exchange else { return }
        machine.progressed(at: .now())
        exchange.download?.taken()
    }

    func end(_ exchange: Exchange) {
        guard current === exchange, case .send = machine.pieceWasLast(at: .now()) else { return }
        current = nil
        finish(with: .data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)))
    }

    func cut(_ exchange: Exchange) {
        if current === exchange { abort() }
    }
}
