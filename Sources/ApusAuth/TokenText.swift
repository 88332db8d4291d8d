import ApusCore

/// A token in its three parts (RFC 7515, compact serialization), its header judged and its payload not yet trusted.
struct TokenText {
    /// Longer ones are refused unread.
    static let bytesMax = 8 << 10

    let payload: [UInt8]

    /// - Throws: `unauthenticated` unless the parts are three, in strict base64url, and the header asks for HS256 and
    ///   for nothing that must be understood. Where a header points to other keys it is not followed.
    init(_ token: String) throws(ApusError) {
        guard token.utf8.count <= Self.bytesMax else {
            throw ApusError(.unauthenticated, "the token is longer than \(Self.bytesMax) bytes")
        }
        let parts = Array(token.utf8).split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }), let header = Base64.decodeURL(parts[0]),
            let payload = Base64.decodeURL(parts[1]), Base64.decodeURL(parts[2]) != nil
        else { throw ApusError(.unauthenticated, "the token is not a JSON Web Token") }
        try Self.check(header: header)
        self.payload = payload
    }

    private static func check(header: [UInt8]) throws(ApusError) {
        var algorithms: [String?] = []
        var isCritical = false
        do throws(ApusError) {
            try ClaimsObject.forEachMember(of: header) { name, token, text in
                switch name {
                case "alg":
                    algorithms.append(token.kind == .string ? JSONString.decode(text, range: token.range) : nil)
                case "crit": isCritical = true
                default: break
                }
            }
        } catch {
            throw ApusError(.unauthenticated, "the token's header cannot be read", cause: error.message)
        }
        guard algorithms == ["HS256"] else {
            throw ApusError(.unauthenticated, "the token's alg must be HS256")
        }
        guard !isCritical else {
            throw ApusError(.unauthenticated, "the token has a crit header, and nothing of that is understood here")
        }
    }
}

/// The JSON object that a token's header, its payload or custom claims are.
enum ClaimsObject {
    /// Calls `body` with each member's name and value, in order.
    ///
    /// - Throws: `malformed-json` unless `bytes` are one JSON object, and what `body` throws.
    static func forEachMember(
        of bytes: [UInt8], _ body: (String, JSONToken, Span<UInt8>) throws(ApusError) -> Void
    ) throws(ApusError) {
        var scanner = JSONScanner()
        let text = bytes.span
        guard try scanner.peek(in: text) == .object else {
            throw ApusError(.malformedJSON, "a JSON object was expected")
        }
        try scanner.beginObject(in: text)
        while let name = try scanner.nextMember(in: text) {
            try body(name, try scanner.value(in: text), text)
        }
        try scanner.end(in: text)
    }
}
