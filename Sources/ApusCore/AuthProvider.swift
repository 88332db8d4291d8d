/// Who is asking. It checks signatures and claims; whether the token was revoked since is the engine's to say.
public protocol AuthProvider: Sendable {
    /// The principal of a token that was verified before and is still remembered; `nil` says nothing about the token.
    /// Never blocks. The caller still has to meet ``Principal/expiresAt``.
    func remembered(_ token: String) -> Principal?

    /// - Throws: `unauthenticated` for a token that was never good, `token-expired` for one that no longer is.
    func verify(_ token: String) async throws(ApusError) -> Principal

    /// The token that ``verify(_:)`` turns into this grant's principal.
    func sign(_ grant: TokenGrant) async throws(ApusError) -> String
}
