import ApusCore
import NIOCore
import NIOHPACK
import NIOHTTP1
import NIOHTTP2

/// One request over HTTP/2 and its answer: carries out what ``ConnectionStateMachine`` decides, as ``HTTPConnection``
/// does for a connection with one request.
///
/// Once it is an event stream, what is written from above goes out as DATA.
final class HTTP2Stream: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = HTTP2Frame.FramePayload

    let connection: HTTP2Connection
    var machine: ConnectionStateMachine
    var channelContext: ChannelHandlerContext?
    /// The request under way, until it is answered.
    var current: Exchange?
    private var verdict: Admission.Verdict?
    /// What came of the body while the head was being judged; flow control bounds it.
    private var waiting: [HTTP2Frame.FramePayload.Data] = []
    private var hasBegun = false
    private var isAlone = true
    /// Whether the client has sent all of the request.
    private var isWhole = false
    private var isAnswered = false
    /// What was sent and is not known to have been taken.
    private var untakenBytes = 0

    init(of connection: HTTP2Connection) {
        self.connection = connection
        machine = ConnectionStateMachine(limits: connection.context.service.limits, at: .now())
    }

    var lane: Lane { connection.lane }
    var context: HTTPContext { connection.context }

    func handlerAdded(context: ChannelHandlerContext) {
        channelContext = context
        let id = try? context.channel.syncOptions?.getOption(HTTP2StreamChannelOptions.streamID)
        isAlone = connection.opened(self, id ?? .rootStream)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        channelContext = nil
        machine.close()
        current?.abandon()
        current = nil
        verdict = nil
        waiting = []
        taken()
        connection.closed(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.fireErrorCaught(error)
        abort()
    }

    /// Cuts it off, the connection stays.
    func abort() {
        machine.close()
        channelContext?.close(promise: nil)
    }
}

// MARK: - The request

extension HTTP2Stream {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let head) where !hasBegun:
            hasBegun = true
            isWhole = head.endStream
            begin(head.headers)
            if head.endStream { take(.init(data: .byteBuffer(ByteBuffer()), endStream: true)) }
        // Fields behind a body mean nothing here.
        case .headers(let fields):
            if fields.endStream { take(.init(data: .byteBuffer(ByteBuffer()), endStream: true)) }
        case .data(let data): take(data)
        default: break
        }
    }

    private func take(_ data: HTTP2Frame.FramePayload.Data) {
        if data.endStream { isWhole = true }
        guard machine.takes else {
            waiting.append(data)
            return
        }
        if case .byteBuffer(let bytes) = data.data, bytes.readableBytes > 0 { collect(bytes) }
        if data.endStream { end() }
    }

    private func takeWaiting() {
        let waited = waiting
        waiting = []
        for data in waited { take(data) }
    }

    private func begin(_ fields: HPACKHeaders) {
        let limits = context.service.limits
        let isTooLarge = fields.headBytes > limits.headerBytesMax
        let head =
            isTooLarge
            ? HTTPRequestHead(version: .http1_1, method: .GET, uri: "/") : HTTPRequestHead(fields, isWhole: isWhole)
        var facts = ConnectionStateMachine.Head(head)
        facts.keepsAlive = false
        guard machine.head(facts) == .judge else { return abort() }
        let exchange = Exchange(
            context: context, head: head, requestID: lane.state.nextRequestID(),
            address: connection.peer.client(of: head, trusted: context.settings.trustedProxies), lane: lane
        ) { [weak self] exchange, reply in self?.answer(reply, to: exchange) }
        // A small body is for nothing only where it is the connection's only one.
        if !isAlone { exchange.freeBodyBytes = 0 }
        current = exchange
        if connection.isCrowded {
            decide(.refusal(.tooMany("connections of this address")), exchange)
        } else if isTooLarge {
            decide(.refusal(.headersTooLarge(limits)), exchange)
        } else {
            connection.admission.judge(exchange) { [self] verdict in decide(verdict, exchange) }
        }
    }

    private func decide(_ verdict: Admission.Verdict, _ exchange: Exchange) {
        guard current === exchange else { return }
        self.verdict = verdict
        switch verdict {
        case .route(let route):
            let bytesMax = route.takesBody ? context.service.limits.bodyBytesMax : 0
            switch machine.admit(bodyBytesMax: bytesMax, at: .now()) {
            case .none: break
            case .sendContinue: write(.headers(.init(headers: [":status": "100"])))
            case .tooLarge: exchange.fail(.bodyTooLarge(bytesMax: bytesMax))
            }
        // What an upgrade is asked for with is no part of HTTP/2, and refused with its frame.
        case .socket: abort()
        case .reply, .refusal:
            if machine.refuse(at: .now()) == .answer { perform() }
        }
        takeWaiting()
    }

    private func collect(_ part: ByteBuffer) {
        let action = machine.body(part.readableBytes)
        guard let exchange = current, action != .drop else { return }
        do throws(ApusError) {
            guard action == .keep else {
                throw .bodyTooLarge(bytesMax: exchange.takesBody ? context.service.limits.bodyBytesMax : 0)
            }
            try exchange.append(part)
        } catch {
            exchange.refuse(error)
        }
    }

    private func end() {
        guard case .answer(let isLate) = machine.end(at: .now()), let exchange = current else { return }
        if isLate, let principal = exchange.principal {
            do throws(ApusError) {
                try context.service.checkStanding(of: principal)
            } catch {
                verdict = .refusal(error)
            }
        }
        perform()
    }

    /// Does what was decided, once the client has taken most of the connection's answers.
    func perform() {
        guard let exchange = current, connection.mayBegin(self) else { return }
        let decided = verdict
        verdict = nil
        switch decided {
        case nil: break
        case .route(let route):
            do throws(ApusError) {
                switch route.handler {
                case .answer(let handle): try handle(exchange)
                case .stream(let open): try becomeStream(try open(exchange), exchange)
                case .tail(let open): try becomeTail(try open(exchange), exchange)
                case .download(let make): exchange.start(try make(exchange), on: self)
                }
            } catch {
                exchange.refuse(error)
            }
        case .socket: abort()
        case .reply(let reply): exchange.reply(reply)
        case .refusal(let error): exchange.refuse(error)
        }
    }

    func tick(at moment: NIODeadline) {
        let late = ApusError(.requestTimeout, "the request took too long to arrive")
        switch machine.tick(at: moment) {
        case .none: break
        case .timeOut, .timeOutAnew: current?.fail(late)
        case .refuseStopping, .refuseStoppingAnew: current?.fail(.stopping)
        case .close: abort()
        }
    }

    func drain() {
        // What is sent in pieces may take long; everything else that was taken is answered.
        if machine.stop(at: .now()) == .close, current?.download != nil { abort() }
    }
}

// MARK: - The answer

extension HTTP2Stream {
    private func answer(_ reply: HTTPReply, to exchange: Exchange) {
        guard current === exchange, let channelContext, case .send = machine.answer(at: .now()) else { return }
        current = nil
        verdict = nil
        waiting = []
        var head = channelContext.channel.allocator.buffer(capacity: 512)
        head.writeHead(of: reply, to: exchange, date: lane.state.httpDate(at: context.service.now()), isLast: false)
        let fields = HPACKHeaders(takingHeadFrom: &head)
        guard exchange.head.method != .HEAD, reply.body.readableBytes > 0 else {
            return finish(with: .headers(.init(headers: fields, endStream: true)))
        }
        untakenBytes = reply.body.readableBytes
        connection.sent(untakenBytes)
        channelContext.write(wrapOutboundOut(.headers(.init(headers: fields))), promise: nil)
        finish(with: .data(.init(data: .byteBuffer(reply.body), endStream: true)))
    }

    /// Sends the last part of the answer.
    func finish(with last: HTTP2Frame.FramePayload) {
        guard let channelContext else { return }
        isAnswered = true
        let promise = channelContext.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.written() }
        channelContext.writeAndFlush(wrapOutboundOut(last), promise: promise)
        if connection.isCrowded { connection.finish() }
    }

    /// The answer has left. If the request has not come whole, nobody waits for the rest (RFC 9113, section 8.1).
    private func written() {
        taken()
        guard machine.written(at: .now()) != .none, !isWhole else { return }
        write(.rstStream(.noError))
    }

    private func taken() {
        let count = untakenBytes
        untakenBytes = 0
        if count > 0 { connection.taken(count) }
    }

    func write(_ payload: HTTP2Frame.FramePayload) {
        channelContext?.writeAndFlush(wrapOutboundOut(payload), promise: nil)
    }
}

// MARK: - As an event stream

extension HTTP2Stream {
    private func becomeStream(_ opening: StreamOpening, _ exchange: Exchange) throws(ApusError) {
        guard let principal = exchange.principal, channelContext != nil else { return }
        guard exchange.head.method != .HEAD else {
            exchange.reply(HTTPReply(status: .ok, contentType: EventStream.contentType))
            return
        }
        guard !lane.state.isDraining else { throw .stopping }
        let stream = EventStream(
            principal: principal, opening: opening, address: exchange.address, context: context, lane: lane)
        guard lane.state.takeSocket(of: principal.user) else { throw .tooMany("sockets of this user") }
        guard lane.state.add(stream, for: stream.subscriber, from: connection.peer.network) else {
            lane.state.releaseSocket(of: principal.user)
            throw .tooMany("connections of this address")
        }
        become(stream, exchange, discard: { [lane] in lane.state.remove(stream, of: stream.subscriber) }) {
            stream.start(over: $0)
        }
    }

    /// Answers with an event stream, which `stream` fills from here on.
    func become(
        _ stream: some ChannelHandler, _ exchange: Exchange, discard: () -> Void, start: (any Channel) -> Void
    ) {
        guard let channelContext, let transport = connection.transport, machine.upgrade(),
            (try? channelContext.pipeline.syncOperations.addHandler(stream)) != nil
        else {
            discard()
            abort()
            return
        }
        current = nil
        exchange.count(.ok)
        exchange.abandon()
        var head = ByteBuffer()
        head.writeStreamHead(to: exchange, date: lane.state.httpDate(at: context.service.now()))
        write(.headers(.init(headers: HPACKHeaders(takingHeadFrom: &head))))
        write(.data(.init(data: .byteBuffer(head))))
        start(transport)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let payload = HTTP2Frame.FramePayload.data(.init(data: .byteBuffer(unwrapOutboundIn(data))))
        context.write(wrapOutboundOut(payload), promise: promise)
    }

    /// Ends an event stream properly if the client takes what it is sent; otherwise, or if asked twice, cuts it off.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard case .handOver = machine.reading, isWhole, !isAnswered, context.channel.isWritable else {
            context.close(mode: mode, promise: promise)
            return
        }
        isAnswered = true
        let end = HTTP2Frame.FramePayload.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true))
        context.writeAndFlush(wrapOutboundOut(end), promise: promise)
    }
}
