import ApusCore
import NIOCore

extension ConnectionStateMachine {
    enum PiecesAction: Equatable {
        /// It is too late.
        case none
        /// The server stops.
        case refuseStopping
        /// Send the head, and the pieces as the client takes them (``progressed(at:)``); say when it was the last
        /// (``pieceWasLast(at:)``).
        case send(isLast: Bool)
    }
}

// An answer in pieces: chunks for HTTP/1.1 (RFC 9112, section 7.1), and for 1.0 all there is until the end of the
// connection.
extension HTTPConnection: DownloadCarrier {
    func begin(_ reply: HTTPReply, to exchange: Exchange) -> Bool {
        guard current === exchange, let channelContext else { return false }
        switch machine.answerInPieces(isFramed: !exchange.head.isHTTP10, at: .now()) {
        case .none: return false
        case .refuseStopping:
            exchange.fail(.stopping)
            return false
        case .send(let isLast):
            var head = ByteBuffer()
            head.writeHead(
                of: reply, to: exchange, date: lane.state.httpDate(at: context.service.now()), isLast: isLast)
            channelContext.write(wrapOutboundOut(head), promise: nil)
            return true
        }
    }

    func send(_ piece: ByteBuffer, of exchange: Exchange) {
        guard current === exchange, let channelContext else { return }
        if exchange.head.isHTTP10 {
            channelContext.writeAndFlush(wrapOutboundOut(piece), promise: nil)
        } else {
            let size = String(piece.readableBytes, radix: 16)
            channelContext.write(wrapOutboundOut(ByteBuffer(string: size + "\r\n")), promise: nil)
            channelContext.write(wrapOutboundOut(piece), promise: nil)
            channelContext.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "\r\n")), promise: nil)
        }
        noteProgress(at: .now())
        if channelContext.channel.isWritable { exchange.download?.taken() }
    }

    func end(_ exchange: Exchange) {
        guard current === exchange, case .send(let isLast) = machine.pieceWasLast(at: .now()) else { return }
        current = nil
        if !exchange.head.isHTTP10 { write(ByteBuffer(string: "0\r\n\r\n")) }
        if isLast { finish() } else { deliver() }
    }

    func cut(_ exchange: Exchange) {
        if current === exchange { close() }
    }

    func write(_ bytes: ByteBuffer) {
        channelContext?.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    /// That bytes leave is all that can be seen of a client's taking them.
    func noteProgress(at moment: NIODeadline) {
        guard current?.download != nil, let channel = channelContext?.channel,
            let untaken = try? channel.syncOptions?.getOption(.bufferedWritableBytes)
        else { return }
        if channel.isWritable || untaken != untakenBytes { machine.progressed(at: moment) }
        untakenBytes = untaken
    }
}
