import ApusCore
import ApusProtocol
import NIOCore
import NIOPosix

/// One `text/event-stream` (Server-Sent Events): what a ``Subscriber`` writes goes out as it is, and the client says
/// nothing. It ends with the connection, whose end has no code: the client comes back with `Last-Event-ID`.
final class EventStream: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    static let contentType = "text/event-stream"

    let subscriber: Subscriber
    private let context: HTTPContext
    private let lane: Lane
    private var channelContext: ChannelHandlerContext?
    private var heartbeatAt: NIODeadline
    /// Since when the client takes nothing of what is written.
    private var unwritableSince: NIODeadline?
    private var closesAt: NIODeadline?

    /// How long the client has to take what was sent before the end.
    private static let closeWait = TimeAmount.seconds(2)

    init(principal: Principal, opening: StreamOpening, address: String, context: HTTPContext, lane: Lane) {
        self.context = context
        self.lane = lane
        heartbeatAt = lane.state.heartbeatStart(at: .now())
        subscriber = Subscriber(
            principal: principal, opening: opening, wire: .events, address: address, context: context, lane: lane)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        channelContext = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        channelContext = nil
        subscriber.stop()
        lane.state.remove(self, of: subscriber)
    }

    /// Called once the connection is a stream and its lane knows it.
    ///
    /// - Parameter transport: the TCP connection, where it is shared with others.
    func start(over transport: (any Channel)? = nil) {
        guard let channelContext else { return }
        // The client has nothing to say: that it has vanished is noticed by the heartbeat that nobody confirms.
        let limits = context.service.limits
        let patience = 1000 * max(1, limits.silenceSecondsMax - limits.heartbeatSeconds)
        _ = (transport ?? channelContext.channel).setOption(
            .tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), value: Int(patience))
        subscriber.start(on: self, writingTo: channelContext)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Nothing that follows the request means anything.
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        unwritableSince = context.channel.isWritable ? nil : .now()
        subscriber.pump()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Clients of streams do not half-close: it has gone.
        if event as? ChannelEvent == .inputClosed { abort() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        abort()
    }
}

extension EventStream: SubscriberConnection {
    func opened() {}

    func close(_ code: CloseCode, reason: String) {
        guard closesAt == nil, let channelContext else { return }
        closesAt = .now() + Self.closeWait
        subscriber.stop()
        let promise = channelContext.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.abort() }
        channelContext.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise)
    }

    func tick(at moment: NIODeadline, wallTime: Timestamp) {
        if let closesAt {
            if moment >= closesAt { abort() }
            return
        }
        subscriber.tick(at: moment, wallTime: wallTime)
        let limits = context.service.limits
        if let unwritableSince, moment - unwritableSince >= .seconds(limits.silenceSecondsMax) {
            abort()
        } else if moment - heartbeatAt >= .seconds(limits.heartbeatSeconds) {
            heartbeatAt = moment
            var bytes = ByteBuffer()
            bytes.writeServerSentHeartbeat()
            channelContext?.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        }
    }

    func drain() {
        close(.goingAway)
    }

    func abort() {
        channelContext?.close(promise: nil)
    }
}
