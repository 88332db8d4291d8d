import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// One HTTP connection: carries out what ``ConnectionStateMachine`` decides.
///
/// What arrives while a request is being judged or answered waits in a queue, and nothing more is read until then.
final class HTTPConnection: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let context: HTTPContext
    let admission: Admission
    let lane: Lane
    var machine: ConnectionStateMachine
    var channelContext: ChannelHandlerContext?
    /// The request under way, until it is answered.
    var current: Exchange?
    /// Of an answer in pieces, when that was last looked at.
    var untakenBytes = 0

    private var peer = Peer(address: "", isTrusted: false)
    /// Whether the client's address has all the connections it may have, so that this one is only told so.
    private var isCrowded = false

    private var verdict: Admission.Verdict?
    /// What the decoder found where the parser gave up.
    var malformed: MalformedRequest?

    private var waiting = CircularBuffer<Arrival>(initialCapacity: 4)
    private var waitingBytes = 0
    private var isTaking = false
    /// Whether the channel is handing in what it has read; its end is the time to flush.
    private var isReading = false
    private var isReadHeld = false
    private var needsFlush = false
    /// Whether what comes by here now are the bytes of a subscriber.
    private var isHandedOver = false

    /// An answer up to this size goes out in one piece.
    private static let smallBytesMax = 32 << 10
    /// Memory that parts of requests may take which wait for the answer to an earlier one. The last read of a
    /// connection that the client has half closed brings all the kernel holds, which may be more than this.
    private static let waitingBytesMax = 2 << 20

    init(context: HTTPContext, routes: RouteTable, lane: Lane) {
        self.context = context
        self.lane = lane
        admission = Admission(context: context, routes: routes, lane: lane)
        machine = ConnectionStateMachine(limits: context.service.limits, at: .now())
    }

    func handlerAdded(context: ChannelHandlerContext) {
        channelContext = context
        peer = Peer(address: context.remoteAddress?.ipAddress ?? "", trusted: self.context.settings.trustedProxies)
        switch lane.state.add(self, from: peer.network) {
        case .welcome: break
        case .crowded: isCrowded = true
        case .full: close()
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        channelContext = nil
        machine.close()
        current?.abandon()
        current = nil
        verdict = nil
        waiting.removeAll()
        // Nothing happens if the connection is a socket by now.
        lane.state.remove(self)
    }

    func close() {
        machine.close()
        channelContext?.close(promise: nil)
    }
}

// MARK: - What arrives

extension HTTPConnection {
    /// Bytes came; what is to be done with them.
    ///
    /// - Parameter isBlank: whether they are line ends only, which may stand before a request (RFC 9112, section 2.2).
    func bytesArrived(isBlank: Bool) -> ConnectionStateMachine.Reading {
        if !isBlank { machine.arrived(at: .now()) }
        return machine.reading
    }

    /// The bytes that come from here on are the subscriber's.
    func handOver() {
        isHandedOver = true
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isHandedOver else {
            context.fireChannelRead(data)
            return
        }
        isReading = true
        arrive(.part(unwrapInboundIn(data)))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        readingEnded()
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case let error as HTTPParserError:
            readingEnded()
            arrive(.failure(error))
        // More bytes after some that were no HTTP.
        case is ByteToMessageDecoderError: break
        default: close()
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed {
            readingEnded()
            arrive(.endOfInput)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func read(context: ChannelHandlerContext) {
        if machine.takes { context.read() } else { isReadHeld = true }
    }

    private func arrive(_ arrival: Arrival) {
        waitingBytes += arrival.bytes
        guard waitingBytes <= Self.waitingBytesMax else {
            close()
            return
        }
        waiting.append(arrival)
        takeWaiting()
    }

    /// Takes what waits as far as it may be taken now. Requests that are answered at once do not call this again from
    /// within: however many are sent together, the stack stays as it is.
    private func takeWaiting() {
        guard !isTaking else { return }
        isTaking = true
        while machine.takes, let arrival = waiting.popFirst() {
            waitingBytes -= arrival.bytes
            take(arrival)
        }
        isTaking = false
        if !isReading { flushIfNeeded() }
        guard isReadHeld, machine.takes else { return }
        isReadHeld = false
        channelContext?.read()
    }

    private func take(_ arrival: Arrival) {
        switch arrival {
        case .part(.head(let head)): begin(head)
        case .part(.body(let part)): collect(part)
        case .part(.end): end()
        case .failure(let error): fail(error, malformed)
        case .endOfInput: act(on: machine.inputEnded())
        }
    }

    private func act(on action: ConnectionStateMachine.InputAction) {
        switch action {
        case .none: break
        case .close: close()
        case .finish: finish()
        }
    }

    /// Whether the client has ended its side, behind what is being done.
    var hasEndOfInputWaiting: Bool {
        waiting.contains { if case .endOfInput = $0 { true } else { false } }
    }

    private func readingEnded() {
        isReading = false
        flushIfNeeded()
    }

    private func flushIfNeeded() {
        guard needsFlush else { return }
        needsFlush = false
        channelContext?.flush()
    }
}

// MARK: - Requests

extension HTTPConnection {
    private func begin(_ head: HTTPRequestHead) {
        let head = head.trimmed
        var facts = ConnectionStateMachine.Head(head)
        if isCrowded { facts.keepsAlive = false }
        switch machine.head(facts) {
        case .none: return
        case .close:
            close()
            return
        case .judge: break
        }
        let exchange = exchange(for: head)
        guard !isCrowded else {
            decide(.refusal(.tooMany("connections of this address")), exchange)
            return
        }
        admission.judge(exchange) { [self] verdict in decide(verdict, exchange) }
    }

    func exchange(for head: HTTPRequestHead) -> Exchange {
        let exchange = Exchange(
            context: context, head: head, requestID: lane.state.nextRequestID(),
            address: peer.client(of: head, trusted: context.settings.trustedProxies), lane: lane
        ) { [weak self] exchange, reply in self?.answer(reply, to: exchange) }
        current = exchange
        return exchange
    }

    /// What was decided about the request's head, at once or after its token was verified.
    private func decide(_ verdict: Admission.Verdict, _ exchange: Exchange) {
        guard current === exchange else { return }
        self.verdict = verdict
        switch verdict {
        case .route(let route):
            let bytesMax = route.takesBody ? context.service.limits.bodyBytesMax : 0
            switch machine.admit(bodyBytesMax: bytesMax, at: .now()) {
            case .none: break
            case .sendContinue: write(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n"))
            case .tooLarge: exchange.fail(.bodyTooLarge(bytesMax: bytesMax))
            }
        case .socket: _ = machine.admit(bodyBytesMax: 0, at: .now())
        case .reply, .refusal:
            if machine.refuse(at: .now()) == .answer { perform(exchange) }
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
        perform(exchange)
    }

    /// Does what was decided.
    private func perform(_ exchange: Exchange) {
        let decided = verdict
        verdict = nil
        switch decided {
        case nil: break
        case .route(let route):
            do throws(ApusError) {
                switch route.handler {
                case .answer(let handle): try handle(exchange)
                case .stream(let open): becomeStream(try open(exchange), exchange)
                case .tail(let open): try becomeTail(try open(exchange), exchange)
                case .download(let make): exchange.start(try make(exchange), on: self)
                }
            } catch {
                exchange.refuse(error)
            }
        case .socket(let handshake): becomeSocket(handshake, exchange)
        case .reply(let reply): exchange.reply(reply)
        case .refusal(let error): exchange.refuse(error)
        }
    }
}

// MARK: - Answers

extension HTTPConnection {
    private func answer(_ reply: HTTPReply, to exchange: Exchange) {
        guard current === exchange, let channelContext,
            case .send(let isLast) = machine.answer(at: .now())
        else { return }
        current = nil
        verdict = nil
        let isSmall = reply.body.readableBytes <= Self.smallBytesMax
        let hasBody = exchange.head.method != .HEAD && reply.body.readableBytes > 0
        var bytes = channelContext.channel.allocator.buffer(
            capacity: 512 + (isSmall && hasBody ? reply.body.readableBytes : 0))
        bytes.writeHead(of: reply, to: exchange, date: lane.state.httpDate(at: context.service.now()), isLast: isLast)
        if isSmall, hasBody { bytes.writeImmutableBuffer(reply.body) }
        channelContext.write(wrapOutboundOut(bytes), promise: nil)
        if !isSmall, hasBody { channelContext.write(wrapOutboundOut(reply.body), promise: nil) }
        if isLast { finish() } else { deliver() }
    }

    /// Lets the next request in once the client has taken most of this answer: whoever asks without reading must not
    /// fill our memory with answers.
    func deliver() {
        guard let channel = channelContext?.channel else { return }
        needsFlush = true
        if !channel.isWritable || !isTaking && !isReading { flushIfNeeded() }
        if channel.isWritable { taken() }
    }

    private func taken() {
        switch machine.taken(at: .now()) {
        case .none: current?.download?.taken()
        case .next: takeWaiting()
        case .finish: finish()
        }
    }

    /// Waits until all that was written has left.
    func finish() {
        guard let channelContext else { return }
        let promise = channelContext.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.written() }
        needsFlush = false
        channelContext.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise)
        // What waited is dropped, and what the client still sends is read, to be dropped, too.
        takeWaiting()
    }

    private func written() {
        switch machine.written(at: .now()) {
        case .none: break
        case .close: close()
        case .closeOutput: channelContext?.close(mode: .output, promise: nil)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { taken() }
        context.fireChannelWritabilityChanged()
    }
}

extension HTTPConnection: LaneMember {
    func tick(at moment: NIODeadline, wallTime: Timestamp) {
        noteProgress(at: moment)
        let late = ApusError(.requestTimeout, "the request took too long to arrive")
        switch machine.tick(at: moment) {
        case .none: break
        case .timeOut: current?.fail(late)
        case .timeOutAnew: failAnew(late)
        case .refuseStopping: current?.fail(.stopping)
        case .refuseStoppingAnew: failAnew(.stopping)
        case .close: abort()
        }
    }

    func drain() {
        act(on: machine.stop(at: .now()))
    }

    func abort() {
        close()
    }
}
