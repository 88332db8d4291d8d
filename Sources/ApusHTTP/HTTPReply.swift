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
    /// Whether the client may keep it and ask, by its `ETag`, whether it still holds; otherwise it is kept nowhere.
    var isRevalidated = false
    /// Whether its body follows piece by piece, nobody knows how long.
    var isInPieces = false

    /// A JSON body that `write` appends.
    static func json(_ status: HTTPResponseStatus = .ok, _ write: (inout ByteBuffer) -> Void) -> HTTPReply {
        var reply = HTTPReply(status: status)
        write(&reply.body)
        return reply
    }

    /// The error's problem object, with the headers its status asks for.
    ///
    /// - Parameter challenge: what a 401 asks for.
    static func problem(_ error: ApusError, requestID: String, challenge: String = "Bearer") -> HTTPReply {
        var reply = HTTPReply(
            status: HTTPResponseStatus(statusCode: error.code.status, reasonPhrase: error.code.title),
            contentType: "application/problem+json")
        reply.body.writeProblem(error, requestID: requestID)
        switch error.code.status {
        case 401: reply.headers.append(("WWW-Authenticate", challenge))
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
            if !reply.isInPieces {
                writeStaticString("Content-Length: ")
                writeDecimal(Int64(reply.body.readableBytes))
                writeStaticString("\r\n")
            } else if !exchange.head.isHTTP10 {
                writeStaticString("Transfer-Encoding: chunked\r\n")
            }
        }
        writeHeader("Date", date)
        writeHeader("X-Request-Id", exchange.requestID)
        for header in reply.headers { writeHeader(header.name, header.value) }
        writeStandingHeaders(beside: reply.headers, isRevalidated: reply.isRevalidated, to: exchange)
        if reply.status == .upgradeRequired {
            // RFC 9110, section 7.8: Upgrade is named in Connection.
            writeStaticString(isLast ? "Connection: close, upgrade\r\n" : "Connection: upgrade\r\n")
        } else if isLast {
            writeStaticString("Connection: close\r\n")
        } else if exchange.head.isHTTP10 {
            writeStaticString("Connection: keep-alive\r\n")
        }
        writeStaticString("\r\n")
    }

    private mutating func writeStandingHeaders(
        beside own: [(name: String, value: String)], isRevalidated: Bool, to exchange: Exchange
    ) {
        let settings = exchange.context.settings
        StandingHeaders.write(
            beside: own, isRevalidated: isRevalidated && !exchange.isAdministrators, isSecure: settings.isSecure,
            to: &self)
        if let allowance = exchange.allowance { writeAllowance(allowance) }
        // What is the administrator's is for no page of another origin, whichever are listed.
        if !exchange.isAdministrators {
            CrossOrigin.writeHeaders(for: exchange.head, allowed: settings.corsAllowOrigins, to: &self)
        }
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
        // Proxies must not hold it back.
        writeStaticString("X-Accel-Buffering: no\r\n")
        writeHeader("Date", date)
        writeHeader("X-Request-Id", exchange.requestID)
        writeStaticString("Connection: close\r\n")
        writeStandingHeaders(beside: [], isRevalidated: false, to: exchange)
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
