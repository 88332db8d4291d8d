import ApusCore
import NIOCore
import NIOWebSocket

// Becoming a socket, once the request for it is whole and its token known to be good.
extension HTTPConnection {
    func becomeSocket(_ handshake: WebSocketHandshake, _ exchange: Exchange) {
        guard let channelContext, let principal = exchange.principal else { return }
        // It would never be answered, nor say that it goes.
        guard !hasEndOfInputWaiting else { return close() }
        guard !lane.state.isDraining else {
            exchange.refuse(.stopping)
            return
        }
        guard lane.state.takeSocket(of: principal.user) else {
            exchange.refuse(.tooMany("sockets of this user"))
            return
        }
        let session = WebSocketSession(
            principal: principal, resume: handshake.resume, context: context, lane: lane)
        guard machine.upgrade(), lane.state.replace(self, with: session) else {
            lane.state.releaseSocket(of: principal.user)
            close()
            return
        }
        current = nil
        exchange.abandon()
        var bytes = ByteBuffer()
        bytes.writeUpgrade(handshake, requestID: exchange.requestID)
        write(bytes)
        do {
            let pipeline = channelContext.pipeline.syncOperations
            let frames = WebSocketFrameDecoder(maxFrameSize: context.service.limits.messageBytesMax)
            try pipeline.addHandlers([ByteToMessageHandler(frames), session], position: .after(self))
            session.start()
            let decoder = try pipeline.context(handlerType: ByteToMessageHandler<RequestDecoder>.self)
            pipeline.removeHandler(context: decoder).assumeIsolated().whenComplete { [self] _ in
                if self.channelContext != nil { pipeline.removeHandler(self, promise: nil) }
            }
        } catch {
            session.closed()
            close()
        }
    }
}
