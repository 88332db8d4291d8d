public import ApusCore
public import NIOCore

/// `POST /v1/admin/users` `{"user_id","display_name"?,"claims"?,"ttl_seconds"?}`
public struct IssueBody: Sendable {
    public var user: OwnerID
    public var displayName: String?
    /// A JSON object's text.
    public var claims: JSONText?
    public var ttlSeconds: Int64?

    /// The claims a token's own fields take; a body may not set them.
    static let reservedClaims: Set<String> = ["sub", "user_id", "jti", "iat", "exp", "nbf", "apus_gen"]
    static let displayNameBytesMax = 256
    static let claimsBytesMax = 4096

    /// - Throws: `malformed-json`, `invalid-field`.
    public init(_ body: ByteBuffer, limits: Limits) throws(ApusError) {
        let text = body.readableBytesUInt8Span
        var scanner = JSONScanner(depthMax: limits.valueDepthMax)
        try WriteBody.requireObject(&scanner, text)
        var reader = EnvelopeReader(body: body, limits: limits)
        var user: OwnerID?
        try scanner.beginObject(in: text)
        while let name = try scanner.nextMember(in: text) {
            try reader.enter(name)
            switch name {
            case "user_id": user = try reader.name(name, &scanner, text)
            case "display_name":
                if try scanner.peek(in: text) == .null {
                    _ = try scanner.value(in: text)
                } else {
                    displayName = try reader.string(name, &scanner, text)
                    if displayName?.utf8.count ?? 0 > Self.displayNameBytesMax {
                        reader.fault(name, "display_name must be at most \(Self.displayNameBytesMax) bytes")
                    }
                }
            case "claims": claims = try Self.claims(&scanner, text, &reader, limits)
            case "ttl_seconds": ttlSeconds = try reader.integer(name, in: 1...limits.ttlSecondsMax, &scanner, text)
            default: _ = try scanner.value(in: text)
            }
        }
        try scanner.end(in: text)
        if !reader.has("user_id") { reader.fault("user_id", "user_id is missing") }
        if let failure = reader.failure() { throw failure }
        guard let user else { throw ApusError(.invalidField, "user_id is missing", at: "/user_id") }
        self.user = user
    }

    private static func claims(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>, _ reader: inout EnvelopeReader, _ limits: Limits
    ) throws(ApusError) -> JSONText? {
        switch try scanner.peek(in: text) {
        case .object: break
        case .null:
            _ = try scanner.value(in: text)
            return nil
        default:
            _ = try scanner.value(in: text)
            reader.fault("claims", "claims must be an object")
            return nil
        }
        let start = scanner.offset
        var names = EnvelopeReader(body: reader.body, limits: limits)
        try scanner.beginObject(in: text)
        while let name = try scanner.nextMember(in: text) {
            try names.enter(name)
            if reservedClaims.contains(name) { reader.fault("claims/\(name)", "\(name) is set by the server") }
            _ = try scanner.value(in: text)
        }
        let range = start..<scanner.offset
        guard range.count <= claimsBytesMax else {
            reader.fault("claims", "claims must be at most \(claimsBytesMax) bytes of JSON")
            return nil
        }
        return JSONText(validated: reader.body.slice(range))
    }
}

/// `POST /v1/admin/tokens/revoke` `{"jti","exp"?}`
public struct RevokeBody: Sendable {
    public var tokenID: String
    public var expiresAt: Timestamp?

    static let tokenIDBytesMax = 256

    /// - Throws: `malformed-json`, `invalid-field`.
    public init(_ body: ByteBuffer, limits: Limits) throws(ApusError) {
        let text = body.readableBytesUInt8Span
        var scanner = JSONScanner(depthMax: limits.valueDepthMax)
        try WriteBody.requireObject(&scanner, text)
        var reader = EnvelopeReader(body: body, limits: limits)
        var tokenID: String?
        try scanner.beginObject(in: text)
        while let name = try scanner.nextMember(in: text) {
            try reader.enter(name)
            switch name {
            case "jti":
                tokenID = try reader.string(name, &scanner, text)
                if let tokenID, !(1...Self.tokenIDBytesMax ~= tokenID.utf8.count) {
                    reader.fault(name, "jti must be 1 to \(Self.tokenIDBytesMax) bytes")
                }
            case "exp":
                let seconds = try reader.integer(name, in: 0...253_402_300_799, &scanner, text)
                expiresAt = seconds.map { Timestamp(milliseconds: $0 * 1000) }
            default: _ = try scanner.value(in: text)
            }
        }
        try scanner.end(in: text)
        if !reader.has("jti") { reader.fault("jti", "jti is missing") }
        if let failure = reader.failure() { throw failure }
        guard let tokenID else { throw ApusError(.invalidField, "jti is missing", at: "/jti") }
        self.tokenID = tokenID
    }
}
