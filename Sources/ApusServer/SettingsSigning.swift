import ApusAuth
import ApusCore
import ApusEngine
import NIOCore

extension Settings {
    /// What it takes to sign tokens without a running server.
    ///
    /// Such a token is as good as one the server issues, but the server does not list it, and a revocation of all the
    /// user's tokens reaches it by its `iat`.
    public struct Signing: Sendable {
        private let jwtSecret: Secret
        private let tokenTTLSeconds: Int64

        public init(_ settings: Settings) {
            jwtSecret = Secret(settings.jwtSecret)
            tokenTTLSeconds = settings.tokenTTLSeconds
        }

        /// Reads `JWT_SECRET` and `TOKEN_TTL_SECONDS` from where ``Settings`` has them; makes up no secret.
        public static func load(
            environment: [String: String], dotEnv path: String = ".env"
        ) throws(SettingsError) -> Signing {
            let file = SettingsFile(path: path)
            let source = try SettingsSource(environment: environment, file: file, flags: [:])
            guard let secret = try source.value(of: SettingsTable.jwtSecret) else {
                throw SettingsError(
                    "JWT_SECRET is not set: use the server's own, in the environment or in \(file.path)")
            }
            return Signing(
                jwtSecret: Secret(secret), tokenTTLSeconds: try source.required(SettingsTable.tokenTTLSeconds))
        }

        private init(jwtSecret: Secret, tokenTTLSeconds: Int64) {
            self.jwtSecret = jwtSecret
            self.tokenTTLSeconds = tokenTTLSeconds
        }

        /// A new token.
        ///
        /// - Parameters:
        ///   - user: its `user_id`.
        ///   - ttlSeconds: 1 to 315,360,000; `TOKEN_TTL_SECONDS` if `nil`.
        ///   - claims: custom claims, a JSON object's text.
        /// - Throws: if one of the three is wrong, saying which.
        public func token(
            for user: String, ttlSeconds: Int64? = nil, claims: String? = nil
        ) async throws(SettingsError) -> String {
            do throws(ApusError) {
                return try await sign(OwnerID(user), ttlSeconds: ttlSeconds ?? tokenTTLSeconds, claims: claims)
            } catch {
                throw SettingsError(error.message)
            }
        }

        private func sign(_ user: OwnerID, ttlSeconds: Int64, claims: String?) async throws(ApusError) -> String {
            let limits = Limits()
            guard (1...limits.ttlSecondsMax).contains(ttlSeconds) else {
                throw ApusError(.invalidField, "the life of a token is 1 to \(limits.ttlSecondsMax) seconds")
            }
            let clock = SystemClock()
            let now = clock.now()
            var grant = TokenGrant(
                user: user, id: SecretsFile.random(), issuedAt: now, expiresAt: now.advanced(bySeconds: ttlSeconds),
                generation: 0, claims: nil)
            if let claims {
                grant.claims = try JSONText(parsing: ByteBuffer(string: claims), depthMax: limits.valueDepthMax)
            }
            let provider = JWTAuthProvider(
                secret: jwtSecret.text, leewaySeconds: limits.tokenLeewaySeconds, clock: clock, rememberedTokensMax: 2)
            return try await provider.signOffline(grant)
        }
    }
}
