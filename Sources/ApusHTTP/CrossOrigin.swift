import NIOCore
import NIOHTTP1

/// Cross-origin requests from browsers (the Fetch standard's CORS protocol), for listed origins only.
enum CrossOrigin {
    private static let requestHeaders =
        "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Conflict-Field, "
        + "X-Conflict-Policy"
    private static let exposedHeaders =
        "ETag, Idempotency-Replayed, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"

    /// Lets a listed origin read the answer; others get the answer without leave to read it.
    static func writeHeaders(for request: HTTPRequestHead, allowed: [String], to buffer: inout ByteBuffer) {
        guard !allowed.isEmpty else { return }
        buffer.writeHeader("Vary", "Origin")
        guard let origin = request.headers.first(name: "Origin"), allowed.contains(origin) else { return }
        buffer.writeHeader("Access-Control-Allow-Origin", origin)
        buffer.writeHeader("Access-Control-Expose-Headers", exposedHeaders)
    }

    /// The answer to `OPTIONS`, also when it asks on a page's behalf: then a listed origin is told what it may send.
    static func preflight(
        _ request: HTTPRequestHead, allowed: [String], allow: (name: String, value: String)
    ) -> HTTPReply {
        var reply = HTTPReply(status: .noContent, headers: [allow])
        guard request.headers.contains(name: "Access-Control-Request-Method"),
            let origin = request.headers.first(name: "Origin"), allowed.contains(origin)
        else { return reply }
        reply.headers.append(("Access-Control-Allow-Methods", allow.value))
        reply.headers.append(("Access-Control-Allow-Headers", requestHeaders))
        reply.headers.append(("Access-Control-Max-Age", "600"))
        return reply
    }
}
