import ApusCore
import NIOCore
import NIOHTTP1

/// What can be told from the bytes of a request that the parser refused.
struct MalformedRequest {
    /// Where it says it comes from: a page there may be listed, and shall be able to read what was wrong.
    private(set) var origin: String?
    /// Whether it looks like a request with a method that nobody knows.
    private(set) var hasUnknownMethod = false

    /// More than the parser ever has in hand.
    private static let bytesMax = 64 << 10

    init(_ bytes: ByteBufferView) {
        let lines = bytes.prefix(Self.bytesMax).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard let first = lines.first else { return }
        let words = first.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        if words.count == 3, words[2].starts(with: "HTTP/1.".utf8) {
            let method = HTTPMethod(rawValue: String(decoding: words[0], as: UTF8.self))
            if case .RAW(let name) = method { hasUnknownMethod = !name.isEmpty && name.utf8.allSatisfy(Self.isToken) }
        }
        let name = "origin:".utf8
        for line in lines.dropFirst() where line.count > name.count {
            guard zip(line, name).allSatisfy({ $0 | 0x20 == $1 | 0x20 }) else { continue }
            let value = line.dropFirst(name.count).drop { $0 == UInt8(ascii: " ") }.prefix { $0 > 0x20 && $0 < 0x7F }
            origin = String(decoding: value, as: UTF8.self)
        }
    }

    /// RFC 9110, section 5.6.2.
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}

extension HTTPConnection {
    /// Answers what the parser refused.
    func fail(_ error: HTTPParserError, _ request: MalformedRequest?) {
        let limits = context.service.limits
        let refusal =
            switch error {
            case .headerOverflow: ApusError.headersTooLarge(limits)
            case .invalidMethod where request?.hasUnknownMethod == true:
                ApusError(.methodNotAllowed, "no path takes this method")
            default: ApusError(.badParameter, "this is not valid HTTP/1.1")
            }
        switch machine.failed() {
        case .none: break
        case .refuse: current?.fail(refusal)
        case .refuseAnew: failAnew(refusal, origin: request?.origin)
        case .close: close()
        }
    }

    /// Answers what did not become a request.
    ///
    /// - Parameter origin: of the page that sent it, if that is known.
    func failAnew(_ error: ApusError, origin: String? = nil) {
        var headers = HTTPHeaders()
        if let origin { headers.add(name: "Origin", value: origin) }
        let exchange = exchange(for: HTTPRequestHead(version: .http1_1, method: .GET, uri: "/", headers: headers))
        var reply = HTTPReply.problem(error, requestID: exchange.requestID)
        if error.code == .methodNotAllowed { reply.headers.append(("Allow", Admission.everyMethod)) }
        exchange.reply(reply)
    }
}
