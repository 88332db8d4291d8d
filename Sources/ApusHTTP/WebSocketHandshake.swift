import ApusCore
import Crypto
import NIOCore
import NIOHTTP1

/// A request for a socket that is well-formed (RFC 6455, section 4.2); whether its token is good is seen later.
struct WebSocketHandshake {
    let token: String
    let opening: StreamOpening
    /// `Sec-WebSocket-Accept`
    let accept: String
    /// The subprotocol that carried the token, which the answer must name.
    let protocolOffered: String?

    private static let tokenProtocol = "apus.bearer."

    /// Whether the request asks for a socket. An upgrade must be named in `Connection`, too, to be one.
    static func isAsked(by head: HTTPRequestHead) -> Bool {
        head.headers.contains(name: "Upgrade")
            && head.headers[canonicalForm: "Upgrade"].contains { $0.lowercased() == "websocket" }
            && head.headers[canonicalForm: "Connection"].contains { $0.lowercased() == "upgrade" }
    }

    init(_ head: HTTPRequestHead, _ target: RequestTarget, settings: HTTPSettings) throws(ApusError) {
        guard RealtimePath.isRealtime(target) else { throw ApusError(.notFound, "no WebSocket is served here") }
        guard head.version == .http1_1, head.announcedBodyBytes == 0 else {
            throw ApusError(.badParameter, "a WebSocket is opened with HTTP/1.1 and without a body")
        }
        guard head.method == .GET else { throw ApusError(.badParameter, "a WebSocket is opened with GET") }
        let versions = head.headers["Sec-WebSocket-Version"]
        guard !versions.isEmpty else { throw ApusError(.badParameter, "Sec-WebSocket-Version must be 13") }
        guard versions == ["13"] else { throw ApusError(.upgradeRequired, "Sec-WebSocket-Version must be 13") }
        let keys = head.headers["Sec-WebSocket-Key"]
        guard keys.count == 1, keys[0].utf8.count == 24, Base64.decode(keys[0].utf8)?.count == 16 else {
            throw ApusError(.badParameter, "Sec-WebSocket-Key must be 16 bytes in base64")
        }
        let allowed = settings.corsAllowOrigins
        if !allowed.isEmpty, let origin = head.headers.first(name: "Origin"), !allowed.contains(origin) {
            throw ApusError(.originNotAllowed, "this origin may not open a socket")
        }
        opening = try StreamOpening(target)
        protocolOffered = head.headers[canonicalForm: "Sec-WebSocket-Protocol"]
            .first { $0.hasPrefix(Self.tokenProtocol) }.map(String.init)
        token = try Self.token(in: head, target, protocolOffered)
        accept = Self.accept(keys[0])
    }

    private static func token(
        in head: HTTPRequestHead, _ target: RequestTarget, _ offered: String?
    ) throws(ApusError) -> String {
        if let token = try target.parameter("token") { return token }
        if let token = Authentication.bearer(head.headers) { return token }
        if let offered { return String(offered.dropFirst(tokenProtocol.count)) }
        throw ApusError(.unauthenticated, "a token is needed to open a socket")
    }

    private static func accept(_ key: String) -> String {
        var digest = Insecure.SHA1()
        digest.update(data: Array(key.utf8))
        digest.update(data: Array("258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8))
        return Base64.encode(Array(digest.finalize()))
    }
}
