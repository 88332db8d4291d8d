import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// The audit log, for the administrator.
enum AuditRoutes {
    static let all: [Route] = [
        Route(method: .GET, pattern: "/v1/admin/audit", access: .administrator, handle: search)
    ]

    private static let scope = ["audit"]

    private static func search(_ exchange: Exchange) throws(ApusError) {
        let query = try query(of: exchange)
        exchange.service.auditEntries(
            query,
            then: exchange.answer { page, exchange in
                let cursor = page.next.map { exchange.context.cursors.seal(.audit(before: $0), scope: scope) }
                return .json { $0.writeAuditPage(page.entries, nextCursor: cursor) }
            })
    }

    private static func query(of exchange: Exchange) throws(ApusError) -> AuditQuery {
        var query = AuditQuery(limit: try exchange.limit())
        query.since = try exchange.time("since")
        query.until = try exchange.time("until")
        query.actor = try exchange.target.parameter("actor")
        query.target = try exchange.target.parameter("target")
        if let action = try exchange.target.parameter("action") {
            query.action = action.hasSuffix("*") ? .beginning(with: String(action.dropLast())) : .named(action)
        }
        if let cursor = try exchange.target.parameter("cursor") {
            guard case .audit(let before) = try exchange.openCursor(cursor, scopes: [scope]) else {
                throw ApusError(.badCursor, "the cursor is not one that was given for this list")
            }
            query.before = before
        }
        return query
    }
}
