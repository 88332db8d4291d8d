import ApusCore
import NIOCore
import NIOHTTP1

/// Judges a request by its head, before anything of its body is taken: a stranger must not fill our memory.
struct Admission {
    let context: HTTPContext
    let routes: RouteTable
    let lane: Lane

    enum Verdict {
        case route(Route)
        case socket(WebSocketHandshake)
        /// There is nothing to do but to say so.
        case reply(HTTPReply)
        case refusal(ApusError)
    }

    /// `then` is called on the event loop: at once, unless a token has to be verified.
    func judge(_ exchange: Exchange, then: @escaping (Verdict) -> Void) {
        do throws(ApusError) {
            let head = exchange.head
            try checkForm(head)
            guard head.method != .OPTIONS || head.uri != "*" else {
                then(.reply(HTTPReply(status: .noContent, headers: [("Allow", Self.everyMethod)])))
                return
            }
            // The parser of HTTP/1.1 lets none of these through; in HTTP/2 a client can make up any.
            if case .RAW = head.method { throw ApusError(.methodNotAllowed, "no path takes this method") }
            exchange.target = try RequestTarget(head.uri)
            let isGuarded = AdministratorGate.guards(exchange.target)
            guard isGuarded || !WebSocketHandshake.isAsked(by: head) else {
                try judgeHandshake(exchange, then)
                return
            }
            let match = routes.match(head.method, exchange.target.segments)
            if case .found(let route, let parameters) = match {
                exchange.action = route.pattern
                exchange.routeNumber = route.number
                exchange.parameters = parameters
                exchange.takesBody = route.takesBody
            }
            guard isGuarded || match.isAdministrators else {
                judge(exchange, match, then)
                return
            }
            AdministratorGate(context: context, lane: lane).admit(exchange) { result in
                switch result {
                case .success(let administrator):
                    exchange.administrator = administrator
                    judge(exchange, match, then)
                case .failure(let error): then(.refusal(error))
                }
            }
        } catch {
            then(.refusal(error))
        }
    }

    private func judge(_ exchange: Exchange, _ match: RouteTable.Match, _ then: @escaping (Verdict) -> Void) {
        switch match {
        case .none: then(.refusal(ApusError(.notFound, "there is nothing at this path")))
        case .otherMethods(let methods): then(.reply(otherMethod(exchange, methods)))
        case .found(let route, _): judge(exchange, for: route, then)
        }
    }

    static let everyMethod = "GET, HEAD, POST, PUT, DELETE, OPTIONS"

    private func checkForm(_ head: HTTPRequestHead) throws(ApusError) {
        // RFC 9112, section 3.2.
        let hosts = head.headers.reduce(0) { $0 + ($1.name.utf8.count == 4 && $1.name.lowercased() == "host" ? 1 : 0) }
        guard hosts == 1 || hosts == 0 && head.isHTTP10 else {
            throw ApusError(.badParameter, "a request has one Host header")
        }
        // Section 6.1: only the last coding frames a body, and we know no other.
        guard head.headers["Transfer-Encoding"].allSatisfy({ $0.lowercased() == "chunked" }) else {
            throw ApusError(.badParameter, "the only Transfer-Encoding is chunked")
        }
        // The same section: in 1.0 it means nothing, and who frames a body so cannot be trusted with a next request.
        guard !head.isHTTP10 || !head.headers.contains(name: "Transfer-Encoding") else {
            throw ApusError(.badParameter, "HTTP/1.0 has no Transfer-Encoding")
        }
        let bytesMax = context.service.limits.urlBytesMax
        guard head.uri.utf8.count <= bytesMax else {
            throw ApusError(.uriTooLong, "the URL has more than \(bytesMax) bytes")
        }
    }

    private func otherMethod(_ exchange: Exchange, _ methods: [HTTPMethod]) -> HTTPReply {
        let allow = ("Allow", methods.map(\.rawValue).joined(separator: ", "))
        guard exchange.head.method != .OPTIONS else {
            let origins = exchange.isAdministrators ? [] : context.settings.corsAllowOrigins
            return CrossOrigin.preflight(exchange.head, allowed: origins, allow: allow)
        }
        var reply = HTTPReply.problem(
            ApusError(.methodNotAllowed, "this path does not take \(exchange.head.method.rawValue)"),
            requestID: exchange.requestID)
        reply.headers.append(allow)
        return reply
    }

    private func judge(_ exchange: Exchange, for route: Route, _ then: @escaping (Verdict) -> Void) {
        do throws(ApusError) {
            switch route.access {
            case .everyone: then(.route(route))
            case .administrator:
                precondition(exchange.administrator != nil, "the gate comes first")
                try checkType(exchange, for: route)
                then(.route(route))
            case .user:
                let inURL = route.opensStream ? try exchange.target.parameter("token") : nil
                guard let token = inURL ?? Authentication.bearer(exchange.head.headers) else {
                    throw ApusError(.unauthenticated, "a Bearer token is needed")
                }
                Authentication(context: context, lane: lane).admit(token, from: exchange.address) { result in
                    do throws(ApusError) {
                        let (principal, allowance) = try result.get()
                        exchange.principal = principal
                        exchange.allowance = allowance
                        if route.namesOwner {
                            try context.service.authorize(principal, for: try exchange.owner())
                        }
                        try checkType(exchange, for: route)
                        then(.route(route))
                    } catch {
                        then(.refusal(error))
                    }
                }
            }
        } catch {
            then(.refusal(error))
        }
    }

    private func checkType(_ exchange: Exchange, for route: Route) throws(ApusError) {
        if route.takesBody, exchange.head.announcedBodyBytes != 0 { try exchange.requireJSONType() }
    }

    private func judgeHandshake(_ exchange: Exchange, _ then: @escaping (Verdict) -> Void) throws(ApusError) {
        exchange.action = "socket.open"
        exchange.routeNumber = RouteTable.socketNumber
        let handshake = try WebSocketHandshake(exchange.head, exchange.target, settings: context.settings)
        Authentication(context: context, lane: lane).admit(handshake.token, from: exchange.address) { result in
            switch result {
            case .success(let (principal, allowance)):
                exchange.principal = principal
                exchange.allowance = allowance
                then(.socket(handshake))
            case .failure(let error): then(.refusal(error))
            }
        }
    }
}

extension HTTPRequestHead {
    /// The parser lets through no other major version.
    var isHTTP10: Bool { version.minor == 0 }

    /// Bytes of the body as announced; `nil` if they come in chunks.
    var announcedBodyBytes: Int? {
        guard !headers.contains(name: "Transfer-Encoding") else { return nil }
        // A number too large to count is one too large to take.
        return headers.first(name: "Content-Length").map { Int($0) ?? .max } ?? 0
    }
}

extension ConnectionStateMachine.Head {
    init(_ head: HTTPRequestHead) {
        // After an upgrade that was asked for, made or not, the parser reads no further request.
        let mayChangeProtocol = head.method == .CONNECT || head.headers.contains(name: "Upgrade")
        let isFramedWrongly = head.isHTTP10 && head.headers.contains(name: "Transfer-Encoding")
        keepsAlive = head.isKeepAlive && !mayChangeProtocol && !isFramedWrongly
        bodyBytes = head.announcedBodyBytes
        awaitsContinue =
            bodyBytes != 0 && !head.isHTTP10
            && head.headers[canonicalForm: "Expect"].contains { $0.lowercased() == "100-continue" }
    }
}

/// The other end of a connection.
struct Peer {
    let address: String
    /// Whether it is a proxy that speaks for others.
    let isTrusted: Bool

    init(address: String, isTrusted: Bool) {
        self.address = address
        self.isTrusted = isTrusted
    }

    init(address: String, trusted: [AddressRange]) {
        let plain = ClientAddress.resolve(peer: address, forwardedFor: [], trusted: [])
        self.init(address: plain, isTrusted: trusted.contains { $0.contains(plain) })
    }

    /// The network whose connections are counted together; `nil` if they are not: those of a trusted proxy, which are
    /// many clients', and those of this machine.
    var network: String? { isTrusted ? nil : ClientAddress.network(of: address) }

    /// Whose request it is.
    func client(of head: HTTPRequestHead, trusted: [AddressRange]) -> String {
        guard isTrusted else { return address }
        return ClientAddress.resolve(peer: address, forwardedFor: head.headers["X-Forwarded-For"], trusted: trusted)
    }
}
