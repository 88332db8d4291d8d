import ApusCore

/// The claims of a token whose signature was checked (RFC 7519, section 4.1), each of them read strictly.
struct TokenClaims {
    private(set) var subject: String?
    private(set) var userID: String?
    private(set) var tokenID: String?
    private(set) var issuedAt: Timestamp?
    private(set) var notBefore: Timestamp?
    private(set) var expiresAt: Timestamp?
    private(set) var generation: Int64?

    /// - Throws: `unauthenticated` for a payload that is no object, and a claim of the wrong type or given twice.
    init(reading payload: [UInt8]) throws(ApusError) {
        var claims = TokenClaims()
        var seen: Set<String> = []
        do throws(ApusError) {
            try ClaimsObject.forEachMember(of: payload) { name, token, text throws(ApusError) in
                guard GrantClaims.standardNames.contains(name) || name == "nbf" else { return }
                guard seen.insert(name).inserted else {
                    throw ApusError(.unauthenticated, "the token gives \(name) twice")
                }
                try claims.set(name, to: token, in: text)
            }
        } catch {
            guard error.code == .unauthenticated else {
                throw ApusError(.unauthenticated, "the token's claims cannot be read", cause: error.message)
            }
            throw error
        }
        self = claims
    }

    private init() {}

    /// Who the token speaks for at `now`.
    ///
    /// - Throws: `token-expired` from `exp` plus the leeway on; `unauthenticated` if the token names nobody, two
    ///   users, no end, or a start later than the leeway reaches.
    func principal(at now: Timestamp, leewaySeconds: Int64) throws(ApusError) -> Principal {
        guard let name = userID ?? subject else {
            throw ApusError(.unauthenticated, "the token names no user: neither sub nor user_id is there")
        }
        if let subject, !subject.utf8.elementsEqual(name.utf8) {
            throw ApusError(.unauthenticated, "the token's sub and user_id differ")
        }
        guard OwnerID.complaint(about: name) == nil else {
            throw ApusError(.unauthenticated, "the token's user is not a valid user_id")
        }
        guard let expiresAt else { throw ApusError(.unauthenticated, "the token has no exp") }
        guard now < expiresAt.advanced(bySeconds: leewaySeconds) else {
            throw ApusError(.tokenExpired, "the token has expired")
        }
        let startsBy = now.advanced(bySeconds: leewaySeconds)
        if let notBefore, notBefore > startsBy {
            throw ApusError(.unauthenticated, "the token is not valid yet (nbf)")
        }
        if let issuedAt, issuedAt > startsBy {
            throw ApusError(.unauthenticated, "the token was issued in the future (iat)")
        }
        return Principal(
            user: OwnerID(stored: name), tokenID: tokenID, issuedAt: issuedAt, expiresAt: expiresAt,
            generation: generation)
    }

    /// The moment a `NumericDate` names: seconds since 1970, decimals past the third cut off, up to the year 9999.
    static func numericDate(_ token: JSONToken, in text: Span<UInt8>) -> Timestamp? {
        guard token.kind == .number, let seconds = Double(JSONString.raw(text, range: token.range)),
            (0..<253_402_300_800).contains(seconds)
        else { return nil }
        return Timestamp(milliseconds: Int64((seconds * 1000).rounded(.down)))
    }

    private mutating func set(_ name: String, to token: JSONToken, in text: Span<UInt8>) throws(ApusError) {
        switch name {
        case "sub": subject = try string(name, token, text)
        case "user_id": userID = try string(name, token, text)
        case "jti": tokenID = try string(name, token, text)
        case "iat": issuedAt = try date(name, token, text)
        case "nbf": notBefore = try date(name, token, text)
        case "exp": expiresAt = try date(name, token, text)
        case "apus_gen":
            guard token.kind == .number, let number = Int64(JSONString.raw(text, range: token.range)) else {
                throw ApusError(.unauthenticated, "the token's apus_gen must be an integer")
            }
            generation = number
        default: return
        }
    }

    private func string(_ name: String, _ token: JSONToken, _ text: Span<UInt8>) throws(ApusError) -> String {
        guard token.kind == .string else {
            throw ApusError(.unauthenticated, "the token's \(name) must be a string")
        }
        return JSONString.decode(text, range: token.range)
    }

    private func date(_ name: String, _ token: JSONToken, _ text: Span<UInt8>) throws(ApusError) -> Timestamp {
        guard let date = Self.numericDate(token, in: text) else {
            throw ApusError(.unauthenticated, "the token's \(name) must be a number of seconds since 1970")
        }
        return date
    }
}
