/// A user an administrator made. Tokens may also speak for users that were never made here.
public struct User: Hashable, Codable, Sendable {
    public var id: OwnerID
    public var displayName: String?
    public var createdAt: Timestamp

    public init(id: OwnerID, displayName: String?, createdAt: Timestamp) {
        self.id = id
        self.displayName = displayName
        self.createdAt = createdAt
    }
}

/// What an owner's records take up.
public struct OwnerUsage: Hashable, Sendable {
    /// Live records.
    public var records: Int
    /// Bytes of their values.
    public var valueBytes: Int

    public init(records: Int, valueBytes: Int) {
        self.records = records
        self.valueBytes = valueBytes
    }
}

/// A token that was issued here; the token itself is never stored.
public struct TokenGrant: Hashable, Codable, Sendable {
    public var user: OwnerID
    /// `jti`
    public var id: String
    public var issuedAt: Timestamp
    public var expiresAt: Timestamp
    /// The user's token generation; see ``Principal/generation``.
    public var generation: Int64
    /// Custom claims as a JSON object's text.
    public var claims: JSONText?

    public init(
        user: OwnerID, id: String, issuedAt: Timestamp, expiresAt: Timestamp, generation: Int64, claims: JSONText?
    ) {
        self.user = user
        self.id = id
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.generation = generation
        self.claims = claims
    }
}

/// A revoked `jti`, kept until no token with it can be good any more.
public struct TokenRevocation: Hashable, Codable, Sendable {
    public var tokenID: String
    public var keepUntil: Timestamp

    public init(tokenID: String, keepUntil: Timestamp) {
        self.tokenID = tokenID
        self.keepUntil = keepUntil
    }
}

/// Which tokens of a user stopped working together, by rotation or revocation.
public struct TokenCutoff: Hashable, Codable, Sendable {
    public var user: OwnerID
    /// Tokens issued here with a lower generation are revoked.
    public var generation: Int64
    /// Tokens signed elsewhere, which carry no generation, are revoked if issued in this second or before.
    public var issuedThrough: Timestamp

    public init(user: OwnerID, generation: Int64, issuedThrough: Timestamp) {
        self.user = user
        self.generation = generation
        self.issuedThrough = issuedThrough
    }
}

/// Who a verified token speaks for.
public struct Principal: Hashable, Sendable {
    public var user: OwnerID
    /// `jti`; a token signed elsewhere may have none.
    public var tokenID: String?
    public var issuedAt: Timestamp?
    public var expiresAt: Timestamp
    /// How often the user's tokens had been revoked together when this one was issued here; `nil` for one signed
    /// elsewhere. It is exact where `iat`, which counts whole seconds, is not.
    public var generation: Int64?

    public init(user: OwnerID, tokenID: String?, issuedAt: Timestamp?, expiresAt: Timestamp, generation: Int64?) {
        self.user = user
        self.tokenID = tokenID
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.generation = generation
    }
}

extension TokenCutoff {
    public func revokes(_ principal: Principal) -> Bool {
        guard principal.user == user else { return false }
        if let issued = principal.generation { return issued < generation }
        return (principal.issuedAt?.seconds ?? 0) <= issuedThrough.seconds
    }
}

/// A revocation as it takes effect.
public enum Revocation: Hashable, Sendable {
    case token(TokenRevocation)
    case user(TokenCutoff)

    public func revokes(_ principal: Principal) -> Bool {
        switch self {
        case .token(let revocation): principal.tokenID.map { $0.utf8.elementsEqual(revocation.tokenID.utf8) } ?? false
        case .user(let cutoff): cutoff.revokes(principal)
        }
    }
}
