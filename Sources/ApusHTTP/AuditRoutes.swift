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
        let read = AuditedRead(target: "audit", detail: query.filter.detail)
        exchange.service.auditEntries(
            query,
            then: exchange.answer(audited: read) { page, exchange in
                let cursor = page.next.map { exchange.context.cursors.seal(.audit(before: $0), scope: scope) }
                return .json { $0.writeAuditPage(page.entries, nextCursor: cursor) }
            })
    }

    private static func query(of exchange: Exchange) throws(ApusError) -> AuditQuery {
        var query = AuditQuery(limit: try exchange.limit())
        query.filter = try exchange.auditFilter()
        if let cursor = try exchange.target.parameter("cursor") {
            guard case .audit(let before) = try exchange.openCursor(cursor, scopes: [scope]) else {
                throw ApusError(.badCursor, "the cursor is not one that was given for this list")
            }
            query.before = before
        }
        return query
    }
}

extension Exchange {
    /// `?since&until&actor&action&target`; an `action` with `*` behind it is the beginning of one.
    func auditFilter() throws(ApusError) -> AuditFilter {
        let action = try target.parameter("action").map { action in
            action.hasSuffix("*") ? AuditFilter.Action.beginning(with: String(action.dropLast())) : .named(action)
        }
        return AuditFilter(
            since: try time("since"), until: try time("until"), actor: try target.parameter("actor"), action: action,
            target: try target.parameter("target"))
    }
}
