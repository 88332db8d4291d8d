import ApusCore
import ApusProtocol
import NIOCore
import NIOPosix

/// One administrator's `text/event-stream` of all changes: hands on what its ``ChangeTail`` holds, as fast as the
/// client takes it.
final class TailStream: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let tail: ChangeTail
    private let context: HTTPContext
    private let lane: Lane
    private var channelContext: ChannelHandlerContext?
    private var heartbeatAt: NIODeadline
    /// Since when the client takes nothing of what is written.
    private var unwritableSince: NIODeadline?
    private var closesAt: NIODeadline?

    /// How long the client has to take what was sent before the end.
    private static let closeWait = TimeAmount.seconds(2)
    /// Bytes written before others on the event loop have their turn.
    private static let pumpBytes = 512 << 10

    init(tail: ChangeTail, context: HTTPContext, lane: Lane) {
        self.tail = tail
        self.context = context
        self.lane = lane
        heartbeatAt = lane.state.heartbeatStart(at: .now())
    }

    func handlerAdded(context: ChannelHandlerContext) {
        channelContext = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        channelContext = nil
        lane.state.meters.tailClosed()
        discard()
    }

    /// Nothing is told to it any more.
    func discard() {
        context.hub.tails.close(tail)
        lane.state.remove(self)
    }

    /// Called once the connection is a stream and its lane knows it.
    ///
    /// - Parameter transport: the connection, where it carries others beside this stream.
    func start(over transport: (any Channel)? = nil) {
        guard let channelContext else { return }
        lane.state.meters.tailOpened()
        // As for the streams of users: the client has nothing to say.
        let limits = context.service.limits
        let patience = 1000 * max(1, limits.silenceSecondsMax - limits.heartbeatSeconds)
        let channel = transport ?? channelContext.channel
        _ = channel.setOption(.tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), value: Int(patience))
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        tail.start { [lane] in lane.post { bound.value.pump() } }
        pump()
    }

    /// Writes what waits, as long as the client takes it.
    private func pump() {
        guard closesAt == nil, let channelContext else { return }
        var written = 0
        while channelContext.channel.isWritable, written < Self.pumpBytes {
            let before = written
            while channelContext.channel.isWritable, let event = tail.next() {
                channelContext.write(wrapOutboundOut(event), promise: nil)
                written += event.readableBytes
            }
            guard written > before else { return }
            channelContext.flush()
        }
        guard written >= Self.pumpBytes else { return }
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        lane.post { bound.value.pump() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Nothing that follows the request means anything.
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        unwritableSince = context.channel.isWritable ? nil : .now()
        pump()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { abort() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        abort()
    }
}

extension TailStream: LaneMember {
    func tick(at moment: NIODeadline, wallTime: Timestamp) {
        if let closesAt {
            if moment >= closesAt { abort() }
            return
        }
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
        guard closesAt == nil, let channelContext else { return }
        closesAt = .now() + Self.closeWait
        let promise = channelContext.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.abort() }
        channelContext.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise)
    }

    func abort() {
        channelContext?.close(promise: nil)
    }
}
