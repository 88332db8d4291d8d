import Crypto
import Glibc

/// Signs tokens as any service that shares the server's secret would: JWT, HS256.
struct TokenSigner {
    let secret: String

    /// A token of the user that is good for a day from now.
    func token(user: String) -> String {
        let issued = time(nil)
        let head = Self.base64URL(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8))
        let claims = """
            {"user_id":"\(user)","sub":"\(user)","iat":\(issued),"exp":\(issued + 86_400),"jti":"bench-\(user)"}
            """
        let signed = head + "." + Self.base64URL(Array(claims.utf8))
        let key = SymmetricKey(data: Array(secret.utf8))
        let code = HMAC<SHA256>.authenticationCode(for: Array(signed.utf8), using: key)
        return signed + "." + Self.base64URL(Array(code))
    }

    /// RFC 4648, section 5, without padding.
    static func base64URL(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var text: [UInt8] = []
        for first in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[first..<min(first + 3, bytes.count)]
            var bits = 0
            for place in 0..<3 { bits = bits << 8 | (place < group.count ? Int(bytes[first + place]) : 0) }
            for digit in 0...group.count { text.append(alphabet[bits >> (18 - 6 * digit) & 63]) }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
