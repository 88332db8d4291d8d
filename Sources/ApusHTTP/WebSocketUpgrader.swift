import ApusCore
import Crypto
import NIOCore
import NIOHTTP1
import NIOWebSocket

/// Turns a connection into a socket once the token behind the request is known to be good (RFC 6455, section 4.2).
///
/// A request that is refused stays HTTP: the refusal is left in the connection, whose handler answers with it.
final class WebSocketUpgrader: HTTPServerProtocolUpgrader {
    let supportedProtocol = "websocket"
    /// Must be in `Connection`: otherwise the HTTP parser reads on, and what it made of the bytes behind the request
    /// would reach the frame decoder.
    let requiredUpgradeHeaders = ["upgrade"]

    private let connection: HTTPConnection
    private let context: HTTPContext
    private let lane: Lane
    private var session: WebSocketSession?

    private static let tokenProtocol = "apus.bearer."

    init(connection: HTTPConnection, context: HTTPContext, lane: Lane) {
        self.connection = connection
        self.context = context
        self.lane = lane
    }

    func buildUpgradeResponse(
        channel: any Channel, upgradeRequest head: HTTPRequestHead, initialResponseHeaders: HTTPHeaders
    ) -> EventLoopFuture<HTTPHeaders> {
        let promise = channel.eventLoop.makePromise(of: HTTPHeaders.self)
        do throws(ApusError) {
            let target = try RequestTarget(head.uri)
            let headers = try handshake(head, target, initialResponseHeaders)
            let resume = try ResumeRequest(target)
            let token = try token(in: head, target)
            let bound = NIOLoopBound(self, eventLoop: lane.loop)
            Authentication(context: context, lane: lane).admit(token) { result in
                let upgrader = bound.value
                do throws(ApusError) {
                    let principal = try result.get()
                    upgrader.session = WebSocketSession(
                        principal: principal, resume: resume, context: upgrader.context, lane: upgrader.lane)
                    promise.succeed(headers)
                } catch {
                    upgrader.refuse(error, promise)
                }
            }
        } catch {
            refuse(error, promise)
        }
        return promise.futureResult
    }

    func upgrade(context: ChannelHandlerContext, upgradeRequest: HTTPRequestHead) -> EventLoopFuture<Void> {
        guard let session else { return context.eventLoop.makeSucceededVoidFuture() }
        do {
            let decoder = WebSocketFrameDecoder(maxFrameSize: self.context.service.limits.messageBytesMax)
            try context.pipeline.syncOperations.addHandlers([ByteToMessageHandler(decoder), session])
            if connection.becomes(session) { session.start() }
            return context.eventLoop.makeSucceededVoidFuture()
        } catch {
            return context.eventLoop.makeFailedFuture(error)
        }
    }

    private func refuse(_ error: ApusError, _ promise: EventLoopPromise<HTTPHeaders>) {
        connection.upgradeRefusal = error
        promise.fail(error)
    }

    private func handshake(
        _ head: HTTPRequestHead, _ target: RequestTarget, _ initial: HTTPHeaders
    ) throws(ApusError) -> HTTPHeaders {
        guard RealtimePath.isRealtime(target) else { throw ApusError(.notFound, "no WebSocket is served here") }
        guard head.version == .http1_1, head.headers["Transfer-Encoding"].isEmpty,
            head.headers["Content-Length"].allSatisfy({ $0 == "0" })
        else { throw ApusError(.badParameter, "a WebSocket is opened with HTTP/1.1 and without a body") }
        guard head.method == .GET else { throw ApusError(.badParameter, "a WebSocket is opened with GET") }
        guard head.headers["Sec-WebSocket-Version"] == ["13"] else {
            throw ApusError(.badParameter, "Sec-WebSocket-Version must be 13")
        }
        let keys = head.headers["Sec-WebSocket-Key"]
        guard keys.count == 1, keys[0].utf8.count == 24, keys[0].hasSuffix("==") else {
            throw ApusError(.badParameter, "Sec-WebSocket-Key must be 16 bytes in base64")
        }
        try checkOrigin(head)
        var headers = initial
        headers.add(name: "Sec-WebSocket-Accept", value: Self.accept(keys[0]))
        if let offered = Self.tokenProtocolOffered(in: head) {
            headers.add(name: "Sec-WebSocket-Protocol", value: offered)
        }
        return headers
    }

    private func checkOrigin(_ head: HTTPRequestHead) throws(ApusError) {
        let allowed = context.settings.corsAllowOrigins
        guard !allowed.isEmpty, let origin = head.headers.first(name: "Origin") else { return }
        guard allowed.contains(origin) else {
            throw ApusError(.originNotAllowed, "this origin may not open a socket")
        }
    }

    private func token(in head: HTTPRequestHead, _ target: RequestTarget) throws(ApusError) -> String {
        if let token = try target.parameter("token") { return token }
        if let token = Authentication.bearer(head.headers) { return token }
        if let offered = Self.tokenProtocolOffered(in: head) {
            return String(offered.dropFirst(Self.tokenProtocol.count))
        }
        throw ApusError(.unauthenticated, "a token is needed to open a socket")
    }

    private static func tokenProtocolOffered(in head: HTTPRequestHead) -> String? {
        head.headers[canonicalForm: "Sec-WebSocket-Protocol"].first { $0.hasPrefix(tokenProtocol) }.map(String.init)
    }

    private static func accept(_ key: String) -> String {
        var digest = Insecure.SHA1()
        digest.update(data: Array(key.utf8))
        digest.update(data: Array("258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8))
        return Base64.encode(Array(digest.finalize()))
    }
}
