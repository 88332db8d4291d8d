import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// Users and tokens, for the administrator.
enum AdminRoutes {
    static let all: [Route] = [
        Route(method: .POST, pattern: "/v1/admin/users", access: .administrator, takesBody: true, handle: issue),
        Route(method: .GET, pattern: "/v1/admin/users", access: .administrator, handle: list),
        Route(method: .GET, pattern: "/v1/admin/users/{id}", access: .administrator, handle: show),
        Route(method: .DELETE, pattern: "/v1/admin/users/{id}", access: .administrator, handle: delete),
        Route(method: .POST, pattern: "/v1/admin/users/{id}/rotate", access: .administrator, handle: rotate),
        Route(method: .POST, pattern: "/v1/admin/users/{id}/revoke", access: .administrator, handle: revokeUser),
        Route(
            method: .POST, pattern: "/v1/admin/tokens/revoke", access: .administrator, takesBody: true,
            handle: revokeToken),
    ]

    private static func issue(_ exchange: Exchange) throws(ApusError) {
        try exchange.requireJSON()
        let body = try IssueBody(exchange.body, limits: exchange.service.limits)
        let request = TokenRequest(
            user: body.user, displayName: body.displayName, claims: body.claims, ttlSeconds: body.ttlSeconds,
            origin: exchange.origin)
        exchange.service.issueToken(request, then: issued(exchange))
    }

    private static func rotate(_ exchange: Exchange) throws(ApusError) {
        exchange.service.rotateTokens(
            of: try exchange.name(0), ttlSeconds: nil, origin: exchange.origin, then: issued(exchange))
    }

    /// Signs the token and answers with it; this is the only time it is told.
    private static func issued(_ exchange: Exchange) -> Completion<IssuedToken> {
        let auth = exchange.context.auth
        return exchange.answer(awaiting: { issued async throws(ApusError) in
            let token = try await auth.sign(issued.grant)
            return .json(issued.isNewUser ? .created : .ok) { body in
                body.writeStaticString("{\"user\":")
                body.writeUser(issued.user)
                body.writeStaticString(",\"token\":")
                body.writeJSON(token)
                body.writeStaticString(",\"jti\":")
                body.writeJSON(issued.grant.id)
                body.writeStaticString(",\"expires_at\":")
                body.writeTime(issued.grant.expiresAt)
                body.writeStaticString("}")
            }
        })
    }

    private static func revokeToken(_ exchange: Exchange) throws(ApusError) {
        try exchange.requireJSON()
        let body = try RevokeBody(exchange.body, limits: exchange.service.limits)
        exchange.service.revokeToken(
            body.tokenID, expiresAt: body.expiresAt, origin: exchange.origin,
            then: exchange.answer { _, _ in
                .json { reply in
                    reply.writeStaticString("{\"revoked\":true,\"jti\":")
                    reply.writeJSON(body.tokenID)
                    reply.writeStaticString("}")
                }
            })
    }

    private static func revokeUser(_ exchange: Exchange) throws(ApusError) {
        let user: OwnerID = try exchange.name(0)
        exchange.service.revokeTokens(
            of: user, origin: exchange.origin, then: exchange.answer { _, _ in done("revoked", user) })
    }

    private static func delete(_ exchange: Exchange) throws(ApusError) {
        let user: OwnerID = try exchange.name(0)
        exchange.service.deleteUser(
            user, origin: exchange.origin, then: exchange.answer { _, _ in done("deleted", user) })
    }

    private static func done(_ what: StaticString, _ user: OwnerID) -> HTTPReply {
        .json { reply in
            reply.writeStaticString("{\"")
            reply.writeStaticString(what)
            reply.writeStaticString("\":true,\"user_id\":")
            reply.writeJSON(user.text)
            reply.writeStaticString("}")
        }
    }

    private static func list(_ exchange: Exchange) throws(ApusError) {
        let prefix = try exchange.target.parameter("prefix") ?? ""
        let (limit, scope) = (try exchange.limit(), prefix.isEmpty ? ["users"] : ["users", prefix])
        exchange.service.users(
            after: try exchange.start(of: prefix, scope: scope), limit: limit + 1,
            then: exchange.answer { users, exchange in
                let page = NamedPage(users, limit: limit, prefix: prefix) { $0.id }
                return exchange.json(page, scope: scope) { $0.writeUser($1) }
            })
    }

    private static func show(_ exchange: Exchange) throws(ApusError) {
        exchange.service.user(
            try exchange.name(0),
            then: exchange.answer { detail, _ in
                .json { body in
                    body.writeStaticString("{\"user\":")
                    body.writeUser(detail.user)
                    body.writeStaticString(",\"records\":")
                    body.writeDecimal(Int64(detail.usage.records))
                    body.writeStaticString(",\"bytes\":")
                    body.writeDecimal(Int64(detail.usage.valueBytes))
                    body.writeStaticString(",\"tokens\":")
                    body.writeJSONArray(detail.tokens) { body, grant in
                        body.writeStaticString("{\"jti\":")
                        body.writeJSON(grant.id)
                        body.writeStaticString(",\"issued_at\":")
                        body.writeTime(grant.issuedAt)
                        body.writeStaticString(",\"expires_at\":")
                        body.writeTime(grant.expiresAt)
                        body.writeStaticString("}")
                    }
                    body.writeStaticString(",\"devices\":")
                    body.writeJSONArray(detail.devices) { body, device in body.writeDevice(device) }
                    body.writeStaticString("}")
                }
            })
    }
}
