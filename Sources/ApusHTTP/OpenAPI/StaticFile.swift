import Crypto
import NIOCore
import NIOHTTP1

/// Bytes that are the same for everyone as long as the server runs.
struct StaticFile: Sendable {
    static let html = "text/html; charset=utf-8"
    static let css = "text/css; charset=utf-8"

    private let type: String
    private let bytes: ByteBuffer
    private let tag: String

    init(_ bytes: ByteBuffer, type: String) {
        self.bytes = bytes
        self.type = type
        let digest = SHA256.hash(data: Array(bytes.readableBytesView)).prefix(12)
        tag = "\"" + digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\""
    }

    func reply(to exchange: Exchange) {
        let known = exchange.head.headers[canonicalForm: "If-None-Match"]
        let isKnown = known.contains { $0 == "*" || $0 == tag || $0 == "W/" + tag }
        var reply = isKnown ? HTTPReply(status: .notModified) : HTTPReply(status: .ok, contentType: type, body: bytes)
        reply.headers = [
            ("ETag", tag), ("Cache-Control", "no-cache"), ("X-Content-Type-Options", "nosniff"),
            // A page of ours loads nothing but its own style sheet, runs nothing and is shown in nobody else's.
            (
                "Content-Security-Policy",
                "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
        ]
        exchange.reply(reply)
    }
}
