import ApusCore
import FoundationEssentials
import JWTKit
import NIOCore

/// The payload of a token issued here, as JSON text: the standard claims, then the custom ones as they were given.
struct GrantClaims: JWTPayload {
    /// Claims that only the grant itself decides; custom ones of these names are left out.
    static let standardNames: Set<String> = ["sub", "user_id", "jti", "iat", "exp", "apus_gen"]

    let json: [UInt8]

    /// - Parameter generation: left out for a token that is issued without the server's records.
    /// - Throws: `invalid-field` if the custom claims are no object, name a claim twice, or hold an `nbf` that is no
    ///   date, with which the token could never be used.
    init(_ grant: TokenGrant, generation: Int64?) throws(ApusError) {
        var text = ByteBuffer()
        text.writeStaticString("{\"sub\":")
        text.writeJSON(grant.user.text)
        text.writeStaticString(",\"user_id\":")
        text.writeJSON(grant.user.text)
        text.writeStaticString(",\"jti\":")
        text.writeJSON(grant.id)
        text.writeStaticString(",\"iat\":")
        text.writeDecimal(grant.issuedAt.seconds)
        text.writeStaticString(",\"exp\":")
        text.writeDecimal(grant.expiresAt.seconds)
        if let generation {
            text.writeStaticString(",\"apus_gen\":")
            text.writeDecimal(generation)
        }
        if let claims = grant.claims {
            try Self.append(Array(claims.bytes.readableBytesView), to: &text)
        }
        text.writeStaticString("}")
        json = Array(text.readableBytesView)
    }

    func verify(using algorithm: some JWTAlgorithm) async throws {}

    private static func append(_ claims: [UInt8], to text: inout ByteBuffer) throws(ApusError) {
        var seen: Set<[UInt8]> = []
        var added = ByteBuffer()
        do throws(ApusError) {
            try ClaimsObject.forEachMember(of: claims) { name, token, source throws(ApusError) in
                guard !standardNames.contains(name) else { return }
                guard seen.insert(Array(name.utf8)).inserted else {
                    throw ApusError(.invalidField, "claims must not name the same claim twice", at: "/claims")
                }
                if name == "nbf", TokenClaims.numericDate(token, in: source) == nil {
                    throw ApusError(.invalidField, "nbf must be a number of seconds since 1970", at: "/claims/nbf")
                }
                added.writeStaticString(",")
                added.writeJSON(name)
                added.writeStaticString(":")
                added.writeBytes(claims[token.range])
            }
        } catch {
            guard error.code == .invalidField else {
                throw ApusError(.invalidField, "claims must be a JSON object", at: "/claims")
            }
            throw error
        }
        text.writeBuffer(&added)
    }
}

/// Writes ``GrantClaims`` as they are: an encoder would have to decode custom claims first and could change them.
struct GrantSerializer: JWTSerializer {
    let jsonEncoder: any JWTJSONEncoder

    init() {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        jsonEncoder = encoder
    }

    func serialize(_ payload: some JWTPayload, header: JWTHeader) throws -> Data {
        guard let claims = payload as? GrantClaims else {
            throw JWTError.generic(identifier: "payload", reason: "only GrantClaims are signed here")
        }
        return Data(Base64.encodeURL(claims.json).utf8)
    }
}
