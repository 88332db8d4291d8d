import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// Everybody's data, for the administrator: what there is at a glance, and record by record.
enum AdminDataRoutes {
    private static let record = "/v1/admin/data/{owner}/{collection}/{key}"

    static let all: [Route] = [
        Route(method: .GET, pattern: "/admin/data", access: .administrator, handle: overview),
        Route(method: .GET, pattern: "/v1/admin/data", access: .administrator, handle: owners),
        Route(method: .GET, pattern: "/v1/admin/data/{owner}", access: .administrator, handle: collections),
        Route(method: .GET, pattern: "/v1/admin/data/{owner}/{collection}", access: .administrator, handle: list),
        Route(method: .GET, pattern: record, access: .administrator, handle: read),
        Route(method: .PUT, pattern: record, access: .administrator, takesBody: true) { exchange throws(ApusError) in
            try DataRoutes.put(exchange, by: .administrator)
        },
        Route(method: .DELETE, pattern: record, access: .administrator) { exchange throws(ApusError) in
            try DataRoutes.delete(exchange, by: .administrator)
        },
    ]

    private static func overview(_ exchange: Exchange) throws(ApusError) {
        exchange.service.overview(
            then: exchange.answer(audited: AuditedRead(target: "overview")) { overview, exchange in
                let context = exchange.context
                let (counts, rates) = (context.hub.connectionCounts, context.settings.telemetry.ratesOfLastMinute())
                return .json { $0.writeOverview(overview, counts, rates) }
            })
    }

    private static func owners(_ exchange: Exchange) throws(ApusError) {
        let prefix = try exchange.target.parameter("prefix") ?? ""
        let (limit, scope) = (try exchange.limit(), ["owners", prefix])
        let read = AuditedRead(target: "data", detail: prefix.isEmpty ? "" : "prefix=\(prefix)")
        exchange.service.owners(
            after: try exchange.start(of: prefix, scope: scope), limit: limit + 1,
            then: exchange.answer(audited: read) { owners, exchange in
                let page = NamedPage(owners, limit: limit, prefix: prefix) { $0.owner }
                return exchange.json(page, scope: scope) { $0.writeOwner($1) }
            })
    }

    private static func collections(_ exchange: Exchange) throws(ApusError) {
        let owner = try exchange.owner()
        exchange.service.collections(
            of: owner,
            then: exchange.answer(audited: AuditedRead(target: owner.text)) { collections, _ in
                DataRoutes.reply(collections)
            })
    }

    private static func list(_ exchange: Exchange) throws(ApusError) {
        let owner = try exchange.owner()
        let collection: CollectionName = try exchange.name(1)
        let prefix = try exchange.target.parameter("prefix") ?? ""
        let isDeletedShown = try exchange.isDeletedShown()
        let scope = ["rows", owner.text, collection.text, prefix]
        var after = RecordKey.justBefore(prefix)
        if let cursor = try exchange.target.parameter("cursor") {
            guard case .key(let key) = try exchange.openCursor(cursor, scopes: [scope]) else {
                throw ApusError(.badCursor, "the cursor is not one that was given for this list")
            }
            after = key
        }
        let query = ListQuery(
            owner: owner, collection: collection, after: after, limit: try exchange.limit(),
            includesTombstones: isDeletedShown)
        let narrowing = [prefix.isEmpty ? nil : "prefix=\(prefix)", isDeletedShown ? "deleted=true" : nil]
        let read = AuditedRead(
            target: "\(owner)/\(collection)", detail: narrowing.compactMap(\.self).joined(separator: " "))
        exchange.service.list(
            query,
            then: exchange.answer(audited: read) { page, exchange in
                let rows = page.records.prefix { $0.address.key.starts(with: prefix) }
                let hasMore = page.hasMore && rows.count == page.records.count
                let last = hasMore ? rows.last : nil
                let cursor = last.map { exchange.context.cursors.seal(.key($0.address.key), scope: scope) }
                return .json { $0.writePage(Array(rows), nextCursor: cursor, hasMore: hasMore) }
            })
    }

    private static func read(_ exchange: Exchange) throws(ApusError) {
        let precondition = try exchange.precondition()
        let address = try exchange.recordAddress()
        let read = AuditedRead(target: "\(address.owner)/\(address.collection)/\(address.key)")
        exchange.service.storedRecord(
            at: address,
            then: exchange.answer(audited: read) { stored, _ in
                let isRestorable = stored.record.isTombstone ? stored.isRestorable : nil
                return DataRoutes.reply(stored.record, unless: precondition, isRestorable: isRestorable)
            })
    }
}

/// A page of a list in byte order of names, of those that start with a prefix.
struct NamedPage<Row: Sendable, Kind: NameKind>: Sendable {
    let rows: [Row]
    /// The last row's name if there are more.
    let next: Name<Kind>?

    /// - Parameter found: one more than `limit`, if there are so many.
    init(_ found: [Row], limit: Int, prefix: String, name: (Row) -> Name<Kind>) {
        let fitting = found.prefix { name($0).starts(with: prefix) }
        rows = Array(fitting.prefix(limit))
        next = fitting.count > limit ? rows.last.map(name) : nil
    }
}

extension Exchange {
    /// What a page of owners or users comes after: what the cursor says, or what is before the first of the prefix.
    func start(of prefix: String, scope: [String]) throws(ApusError) -> OwnerID? {
        guard let cursor = try target.parameter("cursor") else { return OwnerID.justBefore(prefix) }
        guard case .user(let user) = try openCursor(cursor, scopes: [scope]) else {
            throw ApusError(.badCursor, "the cursor is not one that was given for this list")
        }
        return user
    }

    /// A list's answer.
    func json<Row>(
        _ page: NamedPage<Row, OwnerKind>, scope: [String], _ write: (inout ByteBuffer, Row) -> Void
    ) -> HTTPReply {
        let cursor = page.next.map { context.cursors.seal(.user($0), scope: scope) }
        return .json { body in
            body.writeStaticString("{\"data\":")
            body.writeJSONArray(page.rows, write)
            body.writeStaticString(",\"next_cursor\":")
            body.writeJSON(cursor)
            body.writeStaticString(cursor == nil ? ",\"has_more\":false}" : ",\"has_more\":true}")
        }
    }

    /// A query parameter that is a name; `nil` if it is not there.
    func parameter<Kind>(_ name: String, as: Name<Kind>.Type = Name<Kind>.self) throws(ApusError) -> Name<Kind>? {
        guard let text = try target.parameter(name) else { return nil }
        if let complaint = Name<Kind>.complaint(about: text) { throw ApusError(.badParameter, complaint) }
        return Name(stored: text)
    }

    /// `?deleted=true`: tombstones are asked for, too.
    func isDeletedShown() throws(ApusError) -> Bool {
        switch try target.parameter("deleted") {
        case nil, "false": return false
        case "true": return true
        default: throw ApusError(.badParameter, "deleted must be true or false")
        }
    }
}
