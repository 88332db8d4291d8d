import Crypto

/// Bearer tokens made by hand, good and bad ones.
enum Token {
    /// A token of `user` signed elsewhere with the server's secret.
    static func external(
        _ user: String, issued: Int? = nil, expires: Int? = nil, jti: String? = nil, secret: String = TestSecret.jwt
    ) -> String {
        let now = Moment.now().seconds
        var payload = "{\"sub\":\(JSON.quoted(user)),\"user_id\":\(JSON.quoted(user))"
        payload += ",\"iat\":\(issued ?? now),\"exp\":\(expires ?? now + 3600)"
        if let jti { payload += ",\"jti\":\(JSON.quoted(jti))" }
        return signed(payload: payload + "}", secret: secret)
    }

    /// HS256 over any header and payload, which need not be JSON.
    static func signed(
        header: String = #"{"alg":"HS256","typ":"JWT"}"#, payload: String, secret: String = TestSecret.jwt
    ) -> String {
        let content = base64URL(Array(header.utf8)) + "." + base64URL(Array(payload.utf8))
        let key = SymmetricKey(data: Array(secret.utf8))
        let signature = HMAC<SHA256>.authenticationCode(for: Array(content.utf8), using: key)
        return content + "." + base64URL(Array(signature))
    }

    static func header(of token: String) throws -> JSON {
        try part(0, of: token)
    }

    static func payload(of token: String) throws -> JSON {
        try part(1, of: token)
    }

    private static func part(_ index: Int, of token: String) throws -> JSON {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw SocketFailure.malformed("\(parts.count) parts in a token") }
        return try JSON(fromBase64URL(String(parts[index])))
    }
}

let base64URLAlphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

func base64URL(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    for index in stride(from: 0, to: bytes.count, by: 3) {
        let chunk = bytes[index..<min(index + 3, bytes.count)]
        var bits = chunk.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - chunk.count))
        bits &= 0xFF_FFFF
        for position in 0...chunk.count { text.append(base64URLAlphabet[bits >> (18 - 6 * position) & 63]) }
    }
    return String(decoding: text, as: UTF8.self)
}

func fromBase64URL(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var bits = 0
    var count = 0
    for character in text.utf8 {
        guard let value = base64URLAlphabet.firstIndex(of: character) else { continue }
        bits = bits << 6 | value
        count += 6
        if count >= 8 {
            count -= 8
            bytes.append(UInt8(bits >> count & 0xFF))
        }
    }
    return bytes
}
