import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// One HTTP connection: collects a request, has it admitted, calls its route, writes the answer; one at a time.
final class HTTPConnection: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// Why the upgrade this connection asked for was refused.
    var upgradeRefusal: ApusError?
    /// The socket this connection has become.
    private var session: WebSocketSession?

    private enum Progress {
        case idle
        case receiving(Exchange)
        /// The answer is out before the request was whole; the rest is dropped, and then the connection.
        case discarding
        case answering(Exchange)
        /// The answer is written but the client has not taken it yet; the next request waits.
        case flushing
    }

    private let context: HTTPContext
    private let routes: RouteTable
    private let lane: Lane
    private var channelContext: ChannelHandlerContext?
    private var progress = Progress.idle
    private var keepsAlive = true
    private var isHead = false
    private var bodyBytesTaken = 0
    private var bodyBytesReceived = 0
    private var bodyBytesAtTick = 0
    /// Seconds in which hardly anything of the body came.
    private var slowTicks: Int64 = 0
    private var changedAt = NIODeadline.now()
    private var peer = ""

    /// An answer up to this size goes out with its end in one write.
    private static let smallBytesMax = 32 << 10
    /// A second in which less of a request comes counts as slow.
    private static let bodyBytesPerSecondMin = 1024

    init(context: HTTPContext, routes: RouteTable, lane: Lane) {
        self.context = context
        self.routes = routes
        self.lane = lane
    }

    func handlerAdded(context: ChannelHandlerContext) {
        channelContext = context
        peer = context.remoteAddress?.ipAddress ?? ""
        guard lane.state.add(self) else {
            context.close(promise: nil)
            return
        }
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        context.channel.closeFuture.whenComplete { _ in bound.value.closed() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        channelContext = nil
    }

    /// Hands the connection over to a socket; `false` if it has closed meanwhile.
    func becomes(_ session: WebSocketSession) -> Bool {
        self.session = session
        return lane.state.replace(self, with: session)
    }

    private func closed() {
        session?.closed()
        current?.abandon()
        progress = .idle
        releaseBody()
        lane.state.remove(self)
    }
}

// MARK: - Requests

extension HTTPConnection {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head)
        case .body(let part): collect(part)
        case .end: end()
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        changedAt = .now()
        // After an upgrade that was asked for but not made the parser reads no further request.
        let mayChangeProtocol = head.headers.contains(name: "Upgrade") || head.method == .CONNECT
        keepsAlive = head.isKeepAlive && !lane.state.isDraining && !mayChangeProtocol
        isHead = head.method == .HEAD
        bodyBytesReceived = 0
        bodyBytesAtTick = 0
        slowTicks = 0
        let exchange = exchange(for: head)
        progress = .receiving(exchange)
        do throws(ApusError) {
            try accept(head)
            if head.headers[canonicalForm: "Expect"].contains(where: { $0.lowercased() == "100-continue" }) {
                let go = HTTPResponseHead(version: head.version, status: .continue)
                channelContext?.writeAndFlush(wrapOutboundOut(.head(go)), promise: nil)
            }
        } catch {
            exchange.fail(error)
        }
    }

    private func exchange(for head: HTTPRequestHead) -> Exchange {
        let address = ClientAddress.resolve(
            peer: peer, forwardedFor: head.headers["X-Forwarded-For"], trusted: context.settings.trustedProxies)
        return Exchange(
            context: context, head: head, requestID: lane.state.nextRequestID(), address: address, lane: lane
        ) { [weak self] reply in self?.write(reply) }
    }

    /// What can be refused before the body has come.
    private func accept(_ head: HTTPRequestHead) throws(ApusError) {
        let limits = context.service.limits
        guard head.uri.utf8.count <= limits.urlBytesMax else {
            throw ApusError(.uriTooLong, "the URL has more than \(limits.urlBytesMax) bytes")
        }
        if let length = head.headers.first(name: "Content-Length").flatMap({ Int($0) }), length > limits.bodyBytesMax {
            throw .bodyTooLarge(limits)
        }
    }

    private func collect(_ part: ByteBuffer) {
        guard case .receiving(let exchange) = progress else { return }
        let limits = context.service.limits
        bodyBytesReceived += part.readableBytes
        guard bodyBytesReceived <= limits.bodyBytesMax else {
            exchange.fail(.bodyTooLarge(limits))
            return
        }
        guard context.hub.takeBodyBytes(part.readableBytes, max: limits.bodiesBytesMax) else {
            exchange.fail(.overloaded("the room for request bodies"))
            return
        }
        bodyBytesTaken += part.readableBytes
        exchange.append(part)
    }

    private func end() {
        switch progress {
        case .receiving(let exchange):
            progress = .answering(exchange)
            if let upgradeRefusal {
                self.upgradeRefusal = nil
                keepsAlive = false
                refuse(exchange, upgradeRefusal, action: "socket.open")
            } else {
                dispatch(exchange)
            }
        case .discarding: channelContext?.close(promise: nil)
        case .idle, .answering, .flushing: break
        }
    }

    private func dispatch(_ exchange: Exchange) {
        do throws(ApusError) {
            let target = try RequestTarget(exchange.head.uri)
            exchange.target = target
            switch routes.match(exchange.head.method, target.segments) {
            case .none: throw ApusError(.notFound, "there is nothing at this path")
            case .otherMethods(let methods): answerOtherMethod(exchange, methods)
            case .found(let route, let parameters):
                exchange.parameters = parameters
                try admit(exchange, to: route)
            }
        } catch {
            exchange.fail(error)
        }
    }

    private func answerOtherMethod(_ exchange: Exchange, _ methods: [HTTPMethod]) {
        let allow = ("Allow", methods.map(\.rawValue).joined(separator: ", "))
        guard exchange.head.method != .OPTIONS else {
            exchange.reply(CrossOrigin.preflight(exchange.head, allow: allow))
            return
        }
        var reply = HTTPReply.problem(
            ApusError(.methodNotAllowed, "this path does not take \(exchange.head.method.rawValue)"),
            requestID: exchange.requestID)
        reply.headers.append(allow)
        exchange.reply(reply)
    }
}

// MARK: - Admission

extension HTTPConnection {
    private func admit(_ exchange: Exchange, to route: Route) throws(ApusError) {
        switch route.access {
        case .everyone: call(route, exchange)
        case .administrator: try admitAdministrator(exchange, to: route)
        case .user:
            guard let token = Authentication.bearer(exchange.head.headers) else {
                refuse(exchange, ApusError(.unauthenticated, "a Bearer token is needed"), action: route.pattern)
                return
            }
            Authentication(context: context, lane: lane).admit(token) { [self] result in
                do throws(ApusError) {
                    let principal = try result.get()
                    exchange.principal = principal
                    if route.namesOwner {
                        try context.service.authorize(principal, for: try exchange.owner())
                    }
                    call(route, exchange)
                } catch {
                    refuse(exchange, error, action: route.pattern)
                }
            }
        }
    }

    private func admitAdministrator(_ exchange: Exchange, to route: Route) throws(ApusError) {
        do throws(ApusError) {
            let allowlist = context.settings.adminAllowlist
            guard allowlist.isEmpty || allowlist.contains(where: { $0.contains(exchange.address) }) else {
                throw ApusError(.ipNotAllowed, "this address may not use the administrator's routes")
            }
            try context.service.admitAdministrator(from: exchange.address)
            guard context.settings.isAdministratorKey(exchange.header("X-Admin-Api-Key") ?? "") else {
                throw ApusError(.unauthenticated, "X-Admin-Api-Key is missing or wrong")
            }
        } catch {
            refuse(exchange, error, action: route.pattern)
            return
        }
        call(route, exchange)
    }

    private func call(_ route: Route, _ exchange: Exchange) {
        do throws(ApusError) {
            try route.handle(exchange)
        } catch {
            refuse(exchange, error, action: route.pattern)
        }
    }

    /// Answers with the error; the audit log counts those that say "you may not".
    private func refuse(_ exchange: Exchange, _ error: ApusError, action: String) {
        switch error.code.status {
        case 401, 403, 429:
            let actor = exchange.principal.map { "user:\($0.user)" } ?? "unknown"
            context.service.noteRefusal(
                error, of: "\(exchange.head.method.rawValue) \(action)",
                origin: RequestOrigin(actor: actor, ip: exchange.address, requestID: exchange.requestID))
        default: break
        }
        exchange.fail(error)
    }
}

// MARK: - Answers

extension HTTPConnection {
    private func write(_ reply: HTTPReply) {
        guard let channelContext, channelContext.channel.isActive else { return }
        let isWhole: Bool
        switch progress {
        case .answering: isWhole = true
        case .receiving: isWhole = false
        case .idle, .discarding, .flushing: return
        }
        if !isWhole { keepsAlive = false }
        releaseBody()
        var head = HTTPResponseHead(version: .http1_1, status: reply.status)
        addHeaders(of: reply, to: &head)
        channelContext.write(wrapOutboundOut(.head(head)), promise: nil)
        if !isHead, reply.body.readableBytes > 0 {
            channelContext.write(wrapOutboundOut(.body(.byteBuffer(reply.body))), promise: nil)
        }
        if isWhole {
            progress = .flushing
            changedAt = .now()
            finish(isLarge: reply.body.readableBytes > Self.smallBytesMax)
        } else {
            progress = .discarding
            channelContext.flush()
        }
    }

    private func addHeaders(of reply: HTTPReply, to head: inout HTTPResponseHead) {
        if reply.status != .notModified, reply.status != .noContent {
            head.headers.add(name: "Content-Type", value: reply.contentType)
            head.headers.add(name: "Content-Length", value: String(reply.body.readableBytes))
        }
        head.headers.add(name: "Date", value: lane.state.httpDate(at: context.service.now()))
        if let exchange = current { head.headers.add(name: "X-Request-Id", value: exchange.requestID) }
        for header in reply.headers { head.headers.add(name: header.name, value: header.value) }
        if !keepsAlive { head.headers.add(name: "Connection", value: "close") }
        if let exchange = current {
            CrossOrigin.addHeaders(
                for: exchange.head, allowed: context.settings.corsAllowOrigins, to: &head.headers)
        }
    }

    private var current: Exchange? {
        switch progress {
        case .receiving(let exchange), .answering(let exchange): exchange
        case .idle, .discarding, .flushing: nil
        }
    }

    /// Ends the answer, and lets the next request in, once the client has taken most of this one: whoever asks without
    /// reading must not fill our memory with answers.
    private func finish(isLarge: Bool) {
        guard let channelContext else { return }
        if isLarge || !channelContext.channel.isWritable { channelContext.flush() }
        if channelContext.channel.isWritable { endResponse() }
    }

    private func endResponse() {
        guard case .flushing = progress, let channelContext else { return }
        progress = .idle
        changedAt = .now()
        let closes = !keepsAlive
        channelContext.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        if closes { channelContext.close(promise: nil) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { endResponse() }
        context.fireChannelWritabilityChanged()
    }

    private func releaseBody() {
        guard bodyBytesTaken > 0 else { return }
        context.hub.releaseBodyBytes(bodyBytesTaken)
        bodyBytesTaken = 0
    }

    func errorCaught(context channelContext: ChannelHandlerContext, error: any Error) {
        // An upgrade that was refused comes by here before its request does, to be answered there.
        if error is ApusError { return }
        guard let error = error as? HTTPParserError, case .idle = progress else {
            channelContext.close(promise: nil)
            return
        }
        let refusal =
            error == .headerOverflow
            ? ApusError(.headersTooLarge, "the headers have more than \(context.service.limits.headerBytesMax) bytes")
            : ApusError(.badParameter, "this is not valid HTTP/1.1")
        keepsAlive = false
        let exchange = exchange(for: HTTPRequestHead(version: .http1_1, method: .GET, uri: "/"))
        progress = .answering(exchange)
        exchange.fail(refusal)
    }
}

extension HTTPConnection: LaneMember {
    func tick(at moment: NIODeadline, wallTime: Timestamp) {
        let limits = context.service.limits
        let waited = moment - changedAt
        switch progress {
        case .idle, .flushing:
            if waited >= .seconds(limits.idleSecondsMax) { abort() }
        case .receiving(let exchange):
            slowTicks += bodyBytesReceived - bodyBytesAtTick < Self.bodyBytesPerSecondMin ? 1 : 0
            bodyBytesAtTick = bodyBytesReceived
            if slowTicks >= limits.requestSecondsMax || waited >= .seconds(limits.bodySecondsMax) {
                exchange.fail(ApusError(.requestTimeout, "the request took too long to arrive"))
            }
        case .discarding:
            if waited >= .seconds(2 * limits.requestSecondsMax) { abort() }
        case .answering: break
        }
    }

    func drain() {
        keepsAlive = false
        if case .idle = progress { abort() }
    }

    func abort() {
        channelContext?.close(promise: nil)
    }
}

extension ApusError {
    fileprivate static func bodyTooLarge(_ limits: Limits) -> ApusError {
        ApusError(.bodyTooLarge, "the body has more than \(limits.bodyBytesMax) bytes")
    }
}
