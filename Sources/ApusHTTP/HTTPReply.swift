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
        switch error.code.status {
        case 401: reply.headers.append(("WWW-Authenticate", "Bearer"))
        // RFC 9110, section 15.5.22, and RFC 6455, section 4.4.
        case 426: reply.headers += [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
        default: break
        }
        if let seconds = error.retryAfterSeconds { reply.headers.append(("Retry-After", String(seconds))) }
        return reply
    }
}

extension ByteBuffer {
    /// Appends the status line and the headers of an answer, up to its body.
    ///
    /// - Parameter isLast: whether the connection ends after it.
    mutating func writeHead(of reply: HTTPReply, to exchange: Exchange, date: String, isLast: Bool) {
        writeStaticString("HTTP/1.1 ")
        writeDecimal(Int64(reply.status.code))
        writeStaticString(" ")
        writeString(reply.status.reasonPhrase)
        writeStaticString("\r\n")
        if reply.status != .notModified, reply.status != .noContent {
            writeHeader("Content-Type", reply.contentType)
            writeStaticString("Content-Length: ")
            writeDecimal(Int64(reply.body.readableBytes))
            writeStaticString("\r\n")
        }
        writeHeader("Date", date)
        writeHeader("X-Request-Id", exchange.requestID)
        for header in reply.headers { writeHeader(header.name, header.value) }
        if reply.status == .upgradeRequired {
            // RFC 9110, section 7.8: Upgrade is named in Connection.
            writeStaticString(isLast ? "Connection: close, upgrade\r\n" : "Connection: upgrade\r\n")
        } else if isLast {
            writeStaticString("Connection: close\r\n")
        } else if exchange.head.isHTTP10 {
            writeStaticString("Connection: keep-alive\r\n")
        }
        CrossOrigin.writeHeaders(
            for: exchange.head, allowed: exchange.context.settings.corsAllowOrigins, to: &self)
        writeStaticString("\r\n")
    }

    /// Appends the answer that turns a connection into a socket (RFC 6455, section 4.2.2).
    mutating func writeUpgrade(_ handshake: WebSocketHandshake, requestID: String) {
        writeStaticString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writeHeader("Sec-WebSocket-Accept", handshake.accept)
        if let offered = handshake.protocolOffered { writeHeader("Sec-WebSocket-Protocol", offered) }
        writeHeader("X-Request-Id", requestID)
        writeStaticString("\r\n")
    }

    /// Appends the head of an answer that ends with its connection.
    mutating func writeStreamHead(to exchange: Exchange, date: String) {
        writeStaticString("HTTP/1.1 200 OK\r\n")
        writeHeader("Content-Type", EventStream.contentType)
        // Proxies must neither keep it nor hold it back.
        writeStaticString("Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n")
        writeHeader("Date", date)
        writeHeader("X-Request-Id", exchange.requestID)
        writeStaticString("Connection: close\r\n")
        CrossOrigin.writeHeaders(
            for: exchange.head, allowed: exchange.context.settings.corsAllowOrigins, to: &self)
        writeStaticString("\r\nretry: 2000\n\n")
    }

    /// Appends one header line. What would end it early becomes a space: nothing a client sent may split an answer.
    mutating func writeHeader(_ name: String, _ value: String) {
        writeString(name)
        writeStaticString(": ")
        if value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) {
            writeString(value)
        } else {
            writeBytes(value.utf8.map { $0 >= 0x20 && $0 != 0x7F ? $0 : 0x20 })
        }
        writeStaticString("\r\n")
    }
}
