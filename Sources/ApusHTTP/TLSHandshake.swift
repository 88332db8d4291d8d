import ApusCore
import ApusProtocol
import NIOCore
import NIOSSL
import NIOTLS

/// A connection of which TLS is still being agreed upon: it counts as one from its first moment, has a time to end, and
/// gives its place to the protocol that was chosen (RFC 7301).
final class TLSHandshake: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    /// In the order in which we would choose.
    static let protocols = ["h2", "http/1.1"]

    private let lane: Lane
    private let settings: HTTPSettings
    private let limits: Limits
    private let until: NIODeadline
    private let establish: (any Channel, _ chosen: String?) throws -> Void
    private var channelContext: ChannelHandlerContext?

    /// - Parameter establish: called when TLS stands, to add the handlers of the protocol `chosen`.
    init(
        lane: Lane, settings: HTTPSettings, limits: Limits,
        establish: @escaping (any Channel, _ chosen: String?) throws -> Void
    ) {
        self.lane = lane
        self.settings = settings
        self.limits = limits
        self.establish = establish
        until = .now() + .seconds(limits.handshakeSecondsMax)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        channelContext = context
        let peer = Peer(address: context.remoteAddress?.ipAddress ?? "", trusted: settings.trustedProxies)
        if lane.state.add(self, from: peer.network) == .full { abort() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        channelContext = nil
        // Nothing happens if the protocol has taken the place by now.
        lane.state.remove(self)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let chosen) = event as? TLSUserEvent else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        lane.state.remove(self)
        do {
            try establish(context.channel, chosen)
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        } catch {
            abort()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .handshakeFailed(.sslError(let causes)) = error as? NIOSSLError,
            causes.contains(where: { $0.description.contains("HTTP_REQUEST") })
        {
            answerPlainRequest(context)
        }
        // Without TLS there is nobody to talk to; its own handler closes after most errors, and twice does no harm.
        abort()
    }

    /// Tells whoever speaks HTTP without TLS, in the clear, what is wrong.
    private func answerPlainRequest(_ context: ChannelHandlerContext) {
        guard let tls = try? context.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self) else {
            return
        }
        let requestID = lane.state.nextRequestID()
        var body = ByteBuffer()
        body.writeProblem(ApusError(.badParameter, "this port takes TLS only: use https or wss"), requestID: requestID)
        var answer = ByteBuffer()
        answer.writeStaticString("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n")
        answer.writeHeader("Content-Type", "application/problem+json")
        answer.writeHeader("Content-Length", String(body.readableBytes))
        answer.writeHeader("X-Request-Id", requestID)
        answer.writeStaticString("\r\n")
        answer.writeImmutableBuffer(body)
        tls.writeAndFlush(NIOAny(answer), promise: nil)
    }
}

extension TLSHandshake: LaneMember {
    func tick(at moment: NIODeadline, wallTime: Timestamp) {
        if moment >= until { abort() }
    }

    func drain() {
        abort()
    }

    func abort() {
        channelContext?.close(promise: nil)
    }
}
