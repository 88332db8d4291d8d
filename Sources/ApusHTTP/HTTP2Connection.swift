import ApusCore
import NIOCore
import NIOHTTP2

/// One HTTP/2 connection (RFC 9113): its requests' streams, and what holds for all of them together. The frames, flow
/// control and the bounds on floods of frames are NIO's.
final class HTTP2Connection: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    let context: HTTPContext
    let admission: Admission
    let lane: Lane
    private(set) var peer = Peer(address: "", isTrusted: false)
    /// Whether the client's address has all the connections it may have, so that this one is only told so.
    private(set) var isCrowded = false
    /// What the connection goes over.
    private(set) var transport: (any Channel)?

    private var channelContext: ChannelHandlerContext?
    private var streams: [ObjectIdentifier: HTTP2Stream] = [:]
    private var lastStream = HTTP2StreamID.rootStream
    /// Answers that the client has not taken yet, and the requests that wait for that.
    private var untakenBytes = 0
    private var waiting = CircularBuffer<HTTP2Stream>()
    private var idleUntil: NIODeadline
    /// Set once no further request is taken: when the connection is cut, whatever is left.
    private var cutAt: NIODeadline?
    /// Whether it is at an end, and what still comes is not read.
    private var isOver = false

    private static let streamsMax = 100
    /// Of a stream, and of all streams of a connection.
    private static let windowBytes = (stream: 256 << 10, connection: 1 << 20)
    /// A header block this many times as large as one that is answered ends the connection.
    private static let headerBytesFactor = 4
    /// Answers that the client has not taken up to which its next request is begun.
    private static let untakenBytesMax = 1 << 20
    private static let resetStreamsRemembered = 256

    init(context: HTTPContext, routes: RouteTable, lane: Lane) {
        self.context = context
        self.lane = lane
        admission = Admission(context: context, routes: routes, lane: lane)
        idleUntil = .now() + .seconds(context.service.limits.newConnectionSecondsMax)
    }

    /// The handler of the frames, and this.
    func addHandlers(to channel: any Channel) throws {
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: Self.streamsMax),
            HTTP2Setting(parameter: .initialWindowSize, value: Self.windowBytes.stream),
            HTTP2Setting(
                parameter: .maxHeaderListSize,
                value: context.service.limits.headerBytesMax * Self.headerBytesFactor),
        ]
        connection.targetWindowSize = Self.windowBytes.connection
        // What a client sends on before it hears that its request was refused is passed over.
        connection.maximumRecentlyResetStreams = Self.resetStreamsRemembered
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.targetWindowSize = Self.windowBytes.stream
        stream.outboundBufferSizeHighWatermark = 64 << 10
        stream.outboundBufferSizeLowWatermark = 32 << 10
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        let frames = NIOHTTP2Handler(
            mode: .server, eventLoop: lane.loop, connectionConfiguration: connection, streamConfiguration: stream
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandler(HTTP2Stream(of: bound.value))
            }
        }
        try channel.pipeline.syncOperations.addHandlers([frames, self])
    }

    func handlerAdded(context: ChannelHandlerContext) {
        channelContext = context
        transport = context.channel
        peer = Peer(address: context.remoteAddress?.ipAddress ?? "", trusted: self.context.settings.trustedProxies)
        switch lane.state.add(self, from: peer.network) {
        case .welcome: break
        case .crowded: isCrowded = true
        case .full: abort()
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        channelContext = nil
        transport = nil
        waiting.removeAll()
        lane.state.remove(self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Frames of the connection itself are answered by the handler of frames.
    }

    func read(context: ChannelHandlerContext) {
        if !isOver { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Whoever takes answers has to send frames, too.
        if event as? ChannelEvent == .inputClosed { abort() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !Self.endsStreamOnly(error), !isOfRequestNotTaken(error) else { return }
        // The GOAWAY that tells the client may just have been written.
        context.flush()
        abort()
    }

    /// Whether it is about the body of a request that was sent before the client heard that none is taken any more: the
    /// handler of frames, which passes over the request's head, makes an error of that, and another of telling so.
    private func isOfRequestNotTaken(_ error: any Error) -> Bool {
        guard cutAt != nil else { return false }
        return error is NIOHTTP2Errors.NoSuchStream || error is NIOHTTP2Errors.IOOnClosedConnection
            || error is NIOHTTP2Errors.RaisedGoawayLastStreamID
    }

    /// Whether the error was one stream's, which was reset for it (RFC 9113, section 5.4.2).
    private static func endsStreamOnly(_ error: any Error) -> Bool {
        switch error {
        case is NIOHTTP2Errors.StreamError, is NIOHTTP2Errors.StreamClosed, is NIOHTTP2Errors.MissingPseudoHeader,
            is NIOHTTP2Errors.DuplicatePseudoHeader, is NIOHTTP2Errors.PseudoHeaderAfterRegularHeader,
            is NIOHTTP2Errors.UnknownPseudoHeader, is NIOHTTP2Errors.UnsupportedPseudoHeader,
            is NIOHTTP2Errors.InvalidPseudoHeaders, is NIOHTTP2Errors.InvalidPseudoHeaderValue,
            is NIOHTTP2Errors.EmptyPathHeader, is NIOHTTP2Errors.InvalidHTTP2HeaderFieldName,
            is NIOHTTP2Errors.InvalidHTTP2HeaderFieldValue, is NIOHTTP2Errors.ForbiddenHeaderField,
            is NIOHTTP2Errors.ContentLengthViolated, is NIOHTTP2Errors.ContentLengthHeadersMismatch,
            is NIOHTTP2Errors.ContentLengthHeaderNegative, is NIOHTTP2Errors.ContentLengthHeaderMalformedValue:
            true
        default: false
        }
    }
}

// MARK: - Its streams

extension HTTP2Connection {
    /// - Returns: whether there is no other one.
    func opened(_ stream: HTTP2Stream, _ id: HTTP2StreamID) -> Bool {
        streams[ObjectIdentifier(stream)] = stream
        lastStream = max(lastStream, id)
        return streams.count == 1
    }

    func closed(_ stream: HTTP2Stream) {
        guard streams.removeValue(forKey: ObjectIdentifier(stream)) != nil, streams.isEmpty else { return }
        idleUntil = .now() + .seconds(context.service.limits.idleSecondsMax)
        if cutAt != nil { close() }
    }

    /// Whether the request may be begun now; otherwise it will be, when the client has taken more of its answers.
    func mayBegin(_ stream: HTTP2Stream) -> Bool {
        guard untakenBytes > Self.untakenBytesMax else { return true }
        waiting.append(stream)
        return false
    }

    func sent(_ count: Int) {
        untakenBytes += count
    }

    func taken(_ count: Int) {
        untakenBytes -= count
        while untakenBytes <= Self.untakenBytesMax, let stream = waiting.popFirst() { stream.perform() }
    }
}

extension HTTP2Connection: LaneMember {
    func tick(at moment: NIODeadline, wallTime: Timestamp) {
        if let cutAt, moment >= cutAt {
            abort()
            return
        }
        for stream in Array(streams.values) { stream.tick(at: moment) }
        if streams.isEmpty, moment >= idleUntil { finish() }
    }

    func drain() {
        for stream in Array(streams.values) { stream.drain() }
        finish()
    }

    /// Takes no further request, and ends when those that were taken are answered (RFC 9113, section 6.8).
    func finish() {
        guard cutAt == nil, let channelContext else { return }
        cutAt = .now() + .seconds(context.service.limits.idleSecondsMax)
        guard !streams.isEmpty else { return close() }
        channelContext.writeAndFlush(wrapOutboundOut(goAway), promise: nil)
    }

    /// Everything is answered: says goodbye, and ends once that has left behind the answers.
    private func close() {
        guard let channelContext, !isOver else { return }
        let promise = channelContext.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.abort() }
        channelContext.writeAndFlush(wrapOutboundOut(goAway), promise: promise)
    }

    private var goAway: HTTP2Frame {
        HTTP2Frame(
            streamID: .rootStream, payload: .goAway(lastStreamID: lastStream, errorCode: .noError, opaqueData: nil))
    }

    func abort() {
        isOver = true
        channelContext?.close(promise: nil)
    }
}
