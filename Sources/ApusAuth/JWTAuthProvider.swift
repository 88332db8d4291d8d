public import ApusCore
import JWTKit

/// Tokens as JSON Web Tokens (RFC 7519), signed with HMAC-SHA256 and one shared secret; no other algorithm or key.
///
/// JWTKit makes and checks the signatures. Header and claims are read by ``JSONScanner``, because a JSON decoder lets
/// through what tokens are forged with: names given twice, numbers in strings, dates that overflow.
public final class JWTAuthProvider: AuthProvider {
    private let key: HMACKey
    private let leewaySeconds: Int64
    private let clock: any WallClock
    private let verified: VerifiedTokenCache

    /// - Parameters:
    ///   - secret: at least 32 bytes, as RFC 7518, section 3.2 asks of HS256 keys; the settings see to that.
    ///   - leewaySeconds: how far `exp`, `nbf` and `iat` may be off, for clocks that differ.
    ///   - rememberedTokensMax: at least 2.
    public init(secret: String, leewaySeconds: Int64, clock: any WallClock, rememberedTokensMax: Int) {
        precondition(secret.utf8.count >= 32)
        key = HMACKey(from: secret)
        self.leewaySeconds = leewaySeconds
        self.clock = clock
        verified = VerifiedTokenCache(tokensMax: rememberedTokensMax)
    }

    /// How many verified tokens are remembered now.
    package var rememberedTokens: Int { verified.count }

    public func remembered(_ token: String) -> Principal? {
        guard token.utf8.count <= TokenText.bytesMax else { return nil }
        return verified.principal(of: token)
    }

    public func verify(_ token: String) async throws(ApusError) -> Principal {
        let text = try TokenText(token)
        do {
            _ = try await keys().verify(token, as: UnreadClaims.self)
        } catch {
            throw ApusError(.unauthenticated, "the token's signature is not good")
        }
        let claims = try TokenClaims(reading: text.payload)
        let principal = try claims.principal(at: clock.now(), leewaySeconds: leewaySeconds)
        verified.remember(principal, of: token)
        return principal
    }

    /// The token for `grant`; `iat` and `exp` are whole seconds, rounded down.
    ///
    /// - Throws: `invalid-field` if the custom claims are no JSON object, or make the token longer than one may be.
    public func sign(_ grant: TokenGrant) async throws(ApusError) -> String {
        try await token(of: GrantClaims(grant, generation: grant.generation))
    }

    /// A token issued without the server's records: it carries no generation, so `iat` decides whether it was revoked.
    package func signOffline(_ grant: TokenGrant) async throws(ApusError) -> String {
        try await token(of: GrantClaims(grant, generation: nil))
    }

    private func token(of claims: GrantClaims) async throws(ApusError) -> String {
        let token: String
        do {
            token = try await keys().sign(claims)
        } catch {
            throw ApusError(.unauthenticated, "the token could not be signed", cause: "\(error)")
        }
        guard token.utf8.count <= TokenText.bytesMax else {
            throw ApusError(
                .invalidField, "claims make the token longer than \(TokenText.bytesMax) bytes", at: "/claims")
        }
        return token
    }

    /// One key, the default: what a header's `kid` says finds no other.
    private func keys() async -> JWTKeyCollection {
        await JWTKeyCollection().add(hmac: key, digestAlgorithm: .sha256, serializer: GrantSerializer())
    }
}

/// What JWTKit is to make of the payload while it checks the signature: nothing.
private struct UnreadClaims: JWTPayload {
    func verify(using algorithm: some JWTAlgorithm) async throws {}
}
