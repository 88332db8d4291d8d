import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// What is sent back for one request.
struct HTTPReply: Sendable {
    var status: HTTPResponseStatus
    var headers: [(name: String, value: String)] = []
    var contentType = "application/json"
    var body = ByteBuffer()

    /// A JSON body that `write` appends.
    static func json(_ status: HTTPResponseStatus = .ok, _ write: (inout ByteBuffer) -> Void) -> HTTPReply {
        var reply = HTTPReply(status: status)
        write(&reply.body)
        return reply
    }

    /// The error's problem object, with the headers its status asks for.
    static func problem(_ error: ApusError, requestID: String) -> HTTPReply {
        var reply = HTTPReply(
            status: HTTPResponseStatus(statusCode: error.code.status, reasonPhrase: error.code.title),
            contentType: "application/problem+json")
        reply.body.writeProblem(error, requestID: requestID)
        if error.code.status == 401 { reply.headers.append(("WWW-Authenticate", "Bearer")) }
        if let seconds = error.retryAfterSeconds { reply.headers.append(("Retry-After", String(seconds))) }
        return reply
    }
}
