import ApusCore
import ApusProtocol
import NIOCore

/// The headers that every answer has, as bytes ready to be sent.
///
/// They are for answers that no browser shall show, run or keep; a page brings its own, which then stand instead.
enum StandingHeaders {
    private static let lines: [(name: String, value: String)] = [
        ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("X-Frame-Options", "DENY"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ]
    private static let neverKept = [("Cache-Control", "no-store")]
    private static let neverKeptBlock = bytes(lines + neverKept)
    /// The client may keep its copy, and asks each time whether it still holds.
    private static let revalidated = [("Cache-Control", "private, no-cache")]
    private static let revalidatedBlock = bytes(lines + revalidated)
    private static let secureBlock = bytes([("Strict-Transport-Security", "max-age=31536000")])

    private static func bytes(_ lines: [(name: String, value: String)]) -> ByteBuffer {
        var bytes = ByteBuffer()
        for line in lines { bytes.writeHeader(line.name, line.value) }
        return bytes
    }

    /// - Parameters:
    ///   - own: the headers that the answer brings.
    ///   - isSecure: whether clients come by TLS.
    static func write(
        beside own: [(name: String, value: String)], isRevalidated: Bool, isSecure: Bool, to buffer: inout ByteBuffer
    ) {
        if own.contains(where: { isStanding($0.name) }) {
            for line in lines + (isRevalidated ? revalidated : neverKept) {
                guard !own.contains(where: { $0.name == line.name }) else { continue }
                buffer.writeHeader(line.name, line.value)
            }
        } else {
            buffer.writeImmutableBuffer(isRevalidated ? revalidatedBlock : neverKeptBlock)
        }
        if isSecure { buffer.writeImmutableBuffer(secureBlock) }
    }

    private static func isStanding(_ name: String) -> Bool {
        name == "Cache-Control" || lines.contains { $0.name == name }
    }
}

extension ByteBuffer {
    /// What is left of a user's requests (draft-ietf-httpapi-ratelimit-headers).
    mutating func writeAllowance(_ allowance: Allowance) {
        writeStaticString("RateLimit-Policy: \"default\";q=")
        writeDecimal(Int64(allowance.perMinute))
        writeStaticString(";w=60\r\nRateLimit: \"default\";r=")
        writeDecimal(Int64(allowance.left))
        writeStaticString(";t=")
        writeDecimal(Int64(allowance.secondsToFull))
        writeStaticString("\r\n")
    }
}
