import ApusCore
import NIOCore
import NIOHTTP1

// Becoming a socket or a stream, once the request for it is whole and its token known to be good.
extension HTTPConnection {
    func becomeSocket(_ handshake: WebSocketHandshake, _ exchange: Exchange) {
        guard let principal = exchange.principal else { return }
        let session = WebSocketSession(
            principal: principal, opening: handshake.opening, address: exchange.address, context: context, lane: lane)
        var head = ByteBuffer()
        head.writeUpgrade(handshake, requestID: exchange.requestID)
        handOver(exchange, to: session, of: session.subscriber, head: head) { session.start() }
    }

    func becomeStream(_ opening: StreamOpening, _ exchange: Exchange) {
        guard let principal = exchange.principal else { return }
        guard exchange.head.method != .HEAD else {
            exchange.reply(HTTPReply(status: .ok, contentType: EventStream.contentType))
            return
        }
        let stream = EventStream(
            principal: principal, opening: opening, address: exchange.address, context: context, lane: lane)
        var head = ByteBuffer()
        head.writeStreamHead(to: exchange, date: lane.state.httpDate(at: context.service.now()))
        handOver(exchange, to: stream, of: stream.subscriber, head: head) { stream.start() }
    }

    private func handOver(
        _ exchange: Exchange, to successor: some ChannelInboundHandler & SubscriberConnection,
        of subscriber: Subscriber, head: ByteBuffer, start: () -> Void
    ) {
        guard channelContext != nil else { return }
        // It would never be answered, nor say that it goes.
        guard !hasEndOfInputWaiting else { return close() }
        guard !lane.state.isDraining else {
            exchange.refuse(.stopping)
            return
        }
        guard lane.state.takeSocket(of: subscriber.user) else {
            exchange.refuse(.tooMany("sockets of this user"))
            return
        }
        guard machine.upgrade(), lane.state.replace(self, with: successor, for: subscriber) else {
            lane.state.releaseSocket(of: subscriber.user)
            close()
            return
        }
        let status: HTTPResponseStatus = subscriber.feedKey.wire == .frames ? .switchingProtocols : .ok
        do {
            try giveWay(exchange, to: successor, status: status, head: head, start: start)
        } catch {
            lane.state.remove(successor, of: subscriber)
            close()
        }
    }

    /// Writes the head of the answer, which counts as answered with `status`, and leaves the connection to `successor`.
    func giveWay(
        _ exchange: Exchange, to successor: some ChannelInboundHandler, status: HTTPResponseStatus, head: ByteBuffer,
        start: () -> Void
    ) throws {
        guard let channelContext else { return }
        current = nil
        exchange.count(status)
        exchange.abandon()
        write(head)
        let pipeline = channelContext.pipeline.syncOperations
        try pipeline.addHandler(successor, position: .after(self))
        start()
        let decoder = try pipeline.context(handlerType: ByteToMessageHandler<RequestDecoder>.self)
        pipeline.removeHandler(context: decoder).assumeIsolated().whenComplete { [self] _ in
            if self.channelContext != nil { pipeline.removeHandler(self, promise: nil) }
        }
    }
}
