import ApusAuth
import ApusCore
import Crypto
import NIOCore
import Synchronization

/// A clock that stands where the test puts it.
final class StillClock: WallClock {
    private let moment: Mutex<Timestamp>

    init(seconds: Int64) {
        moment = Mutex(Timestamp(milliseconds: seconds * 1000))
    }

    func now() -> Timestamp { moment.withLock { $0 } }

    func move(toMilliseconds milliseconds: Int64) {
        moment.withLock { $0 = Timestamp(milliseconds: milliseconds) }
    }
}

/// Tokens made by hand, so that they can be wrong in any way.
enum Forge {
    static let secret = "a-secret-of-at-least-thirty-two-bytes"
    static let start: Int64 = 1_800_000_000

    static func provider(clock: any WallClock = StillClock(seconds: start), remembering tokens: Int = 100)
        -> JWTAuthProvider
    {
        JWTAuthProvider(secret: secret, leewaySeconds: 30, clock: clock, rememberedTokensMax: tokens)
    }

    static func token(
        _ payload: String, header: String = #"{"alg":"HS256","typ":"JWT"}"#, secret: String = secret
    ) -> String {
        let input = encode(header.utf8) + "." + encode(payload.utf8)
        return input + "." + signature(input, secret: secret)
    }

    static func signature(_ input: String, secret: String = secret) -> String {
        let key = SymmetricKey(data: Array(secret.utf8))
        return encode(HMAC<SHA256>.authenticationCode(for: Array(input.utf8), using: key))
    }

    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        Base64.encodeURL(Array(bytes))
    }

    static func payload(of token: String) -> String {
        let part = token.utf8.split(separator: UInt8(ascii: "."))[1]
        return String(decoding: Base64.decodeURL(part) ?? [], as: UTF8.self)
    }

    static func grant(_ user: String = "u1", claims: String? = nil, generation: Int64 = 3) throws -> TokenGrant {
        TokenGrant(
            user: try OwnerID(user), id: "token-1", issuedAt: Timestamp(milliseconds: start * 1000 + 250),
            expiresAt: Timestamp(milliseconds: (start + 60) * 1000 + 999), generation: generation,
            claims: claims.map { JSONText(validated: ByteBuffer(string: $0)) })
    }

    /// The code with which `token` is refused; `nil` when it is taken.
    static func refusal(of token: String, by provider: JWTAuthProvider = provider()) async -> ApusError.Code? {
        do throws(ApusError) {
            _ = try await provider.verify(token)
            return nil
        } catch {
            return error.code
        }
    }
}
