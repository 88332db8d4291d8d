import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// Records over REST.
enum DataRoutes {
    static let all: [Route] = [
        Route(method: .POST, pattern: "/v1/data", access: .user, takesBody: true, handle: upsert),
        Route(method: .POST, pattern: "/v1/data/bulk", access: .user, takesBody: true, handle: bulk),
        Route(method: .GET, pattern: "/v1/data/{user}", access: .user, handle: listOwner),
        Route(method: .GET, pattern: "/v1/data/{user}/{collection}", access: .user, handle: listCollection),
        Route(method: .GET, pattern: "/v1/data/{user}/{collection}/{key}", access: .user, handle: read),
        Route(
            method: .PUT, pattern: "/v1/data/{user}/{collection}/{key}", access: .user, takesBody: true
        ) { exchange throws(ApusError) in try put(exchange, by: .user) },
        Route(method: .DELETE, pattern: "/v1/data/{user}/{collection}/{key}", access: .user) {
            exchange throws(ApusError) in try delete(exchange, by: .user)
        },
        Route(method: .GET, pattern: "/v1/collections/{user}", access: .user, handle: collections),
    ]

    /// Who writes.
    enum Writer {
        /// The token's user.
        case user
        case administrator
    }
}

// MARK: - Writes

extension DataRoutes {
    private static func upsert(_ exchange: Exchange) throws(ApusError) {
        try exchange.requireJSON()
        let (policy, limits) = (try exchange.conflictPolicy(), exchange.service.limits)
        let precondition = try exchange.precondition()
        let claim = try ClaimDraft(exchange)
        try exchange.readBody { bytes throws(ApusError) in
            var body = try WriteBody.single(bytes, policy: policy, limits: limits)
            if precondition != .none { body.require(precondition) }
            return (body, claim?.made(of: bytes, isBulk: false))
        } then: { read, exchange throws(ApusError) in
            try write(exchange, read.0, read.1, isBulk: false, by: .user)
        }
    }

    private static func bulk(_ exchange: Exchange) throws(ApusError) {
        try exchange.requireJSON()
        let (policy, limits) = (try exchange.conflictPolicy(), exchange.service.limits)
        let claim = try ClaimDraft(exchange)
        try exchange.readBody { bytes throws(ApusError) in
            (try WriteBody.bulk(bytes, policy: policy, limits: limits), claim?.made(of: bytes, isBulk: true))
        } then: { read, exchange throws(ApusError) in
            try write(exchange, read.0, read.1, isBulk: true, by: .user)
        }
    }

    static func put(_ exchange: Exchange, by writer: Writer) throws(ApusError) {
        try exchange.requireJSON()
        let limits = exchange.service.limits
        let address = try exchange.recordAddress()
        let (expiry, updatedAt) = (try expiry(exchange), try exchange.time("updated_at"))
        let (policy, precondition) = (try exchange.conflictPolicy(), try exchange.precondition())
        let claim = try ClaimDraft(exchange)
        try exchange.readBody { bytes throws(ApusError) in
            let value = try JSONText(parsing: bytes, depthMax: limits.valueDepthMax)
            guard value.byteCount <= limits.valueBytesMax else { throw .valueTooLarge(value.byteCount, limits: limits) }
            let item = WriteItem(
                collection: address.collection, key: address.key, operation: .set(value, expiry),
                updatedAt: updatedAt, policy: policy, precondition: precondition)
            let body = WriteBody(owner: address.owner, items: [.success(item)], isAtomic: true)
            return (body, claim?.made(of: bytes, isBulk: false))
        } then: { read, exchange throws(ApusError) in
            try write(exchange, read.0, read.1, isBulk: false, by: writer)
        }
    }

    static func delete(_ exchange: Exchange, by writer: Writer) throws(ApusError) {
        let address = try exchange.recordAddress()
        let item = WriteItem(
            collection: address.collection, key: address.key, operation: .delete,
            updatedAt: try exchange.time("updated_at"), policy: try exchange.conflictPolicy(),
            precondition: try exchange.precondition())
        let body = WriteBody(owner: address.owner, items: [.success(item)], isAtomic: true)
        let claim = try ClaimDraft(exchange)?.made(of: ByteBuffer(), isBulk: false)
        try write(exchange, body, claim, isBulk: false, by: writer)
    }

    private static func expiry(_ exchange: Exchange) throws(ApusError) -> Expiry {
        let expiresAt = try exchange.time("expires_at")
        guard let text = try exchange.target.parameter("ttl_seconds") else {
            return expiresAt.map { .at($0) } ?? .never
        }
        guard expiresAt == nil else { throw ApusError(.badParameter, "give ttl_seconds or expires_at, not both") }
        guard let seconds = Int64(text), 1...exchange.service.limits.ttlSecondsMax ~= seconds else {
            throw ApusError(
                .badParameter, "ttl_seconds must be a whole number from 1 to \(exchange.service.limits.ttlSecondsMax)")
        }
        return .afterSeconds(seconds)
    }

    private static func write(
        _ exchange: Exchange, _ body: WriteBody, _ claim: IdempotencyClaim?, isBulk: Bool, by writer: Writer
    ) throws(ApusError) {
        switch writer {
        case .administrator: break
        case .user:
            guard let principal = exchange.principal else { throw ApusError(.unauthenticated, "a token is needed") }
            try exchange.service.authorize(principal, for: body.owner)
        }
        let request = WriteRequest(
            owner: body.owner, items: body.items, isAtomic: body.isAtomic, isBulk: isBulk,
            idempotency: claim, principal: exchange.principal, origin: exchange.origin)
        let requestID = exchange.requestID
        guard exchange.isLarge else {
            exchange.service.write(
                request,
                then: exchange.answer { answer, _ throws(ApusError) in
                    try reply(answer, isBulk: isBulk, requestID: requestID)
                })
            return
        }
        exchange.service.write(
            request,
            then: exchange.answer(awaiting: { answer async throws(ApusError) in
                try reply(answer, isBulk: isBulk, requestID: requestID)
            }))
    }

    private static func reply(
        _ answer: WriteAnswer, isBulk: Bool, requestID: String
    ) throws(ApusError) -> HTTPReply {
        var reply = HTTPReply(status: .ok, body: answer.encoded(isBulk: isBulk, requestID: requestID))
        switch answer {
        case .replayed: reply.headers.append(("Idempotency-Replayed", "true"))
        case .decided(let results):
            if !isBulk, case .applied(let record)? = results.first {
                reply.headers.append(("ETag", Exchange.tag(record.sequence)))
            }
        }
        return reply
    }
}

/// An `Idempotency-Key` and what of the head makes a request the same as another.
private struct ClaimDraft: Sendable {
    private let key: String
    private let parts: [String]
    private let requestID: String

    /// `nil` without the header.
    init?(_ exchange: Exchange) throws(ApusError) {
        guard let key = exchange.header("Idempotency-Key") else { return nil }
        let bytesMax = exchange.service.limits.idempotencyKeyBytesMax
        guard 1...bytesMax ~= key.utf8.count else {
            throw ApusError(.badParameter, "Idempotency-Key must be 1 to \(bytesMax) bytes")
        }
        self.key = key
        requestID = exchange.requestID
        parts = [
            exchange.head.method.rawValue, exchange.head.uri, exchange.header("X-Conflict-Policy") ?? "",
            exchange.header("X-Conflict-Field") ?? "", exchange.header("If-Match") ?? "",
            exchange.header("If-None-Match") ?? "",
        ]
    }

    func made(of body: ByteBuffer, isBulk: Bool) -> IdempotencyClaim {
        IdempotencyClaim(key: key, parts: parts, body: [body], isBulk: isBulk, requestID: requestID)
    }
}

// MARK: - Reads

extension DataRoutes {
    private static func read(_ exchange: Exchange) throws(ApusError) {
        let precondition = try exchange.precondition()
        exchange.service.record(
            at: try exchange.recordAddress(),
            then: exchange.answer { record, _ in reply(record, unless: precondition) })
    }

    /// The record, or that the client has it already.
    ///
    /// - Parameter isRestorable: whether it is a tombstone whose value is kept; told where that is known.
    static func reply(
        _ record: Record, unless precondition: Precondition, isRestorable: Bool? = nil
    ) -> HTTPReply {
        let tag = ("ETag", Exchange.tag(record.sequence))
        let same = HTTPReply(status: .notModified, headers: [tag], isRevalidated: true)
        switch precondition {
        case .absent: return same
        case .sequenceNotIn(let known) where known.contains(record.sequence): return same
        case .none, .present, .sequenceIn, .sequenceNotIn: break
        }
        var reply = HTTPReply.json { body in
            body.writeStaticString("{\"data\":")
            body.writeRecord(record)
            if let isRestorable { body.writeString(",\"restorable\":\(isRestorable)") }
            body.writeStaticString("}")
        }
        reply.headers.append(tag)
        reply.isRevalidated = true
        return reply
    }

    private static func listCollection(_ exchange: Exchange) throws(ApusError) {
        let owner = try exchange.owner()
        let collection: CollectionName = try exchange.name(1)
        if try exchange.target.parameter("updated_since") != nil {
            return try listChanges(exchange, owner, collection)
        }
        let scope = ["keys", owner.text, collection.text]
        var after: RecordKey?
        if let cursor = try exchange.target.parameter("cursor") {
            switch try exchange.openCursor(cursor, scopes: [scope, changesScope(owner, collection)]) {
            case .key(let key): after = key
            case .changes: return try listChanges(exchange, owner, collection)
            case .user, .audit: throw ApusError(.badCursor, "the cursor is not one that was given for this list")
            }
        }
        let query = ListQuery(owner: owner, collection: collection, after: after, limit: try exchange.limit())
        exchange.service.list(
            query,
            then: exchange.answer { page, exchange in
                let last = page.hasMore ? page.records.last : nil
                let cursor = last.map { exchange.context.cursors.seal(.key($0.address.key), scope: scope) }
                return .json { $0.writePage(page.records, nextCursor: cursor, hasMore: page.hasMore) }
            })
    }

    private static func listOwner(_ exchange: Exchange) throws(ApusError) {
        try listChanges(exchange, try exchange.owner(), nil)
    }

    /// Changes from a time, from a cursor (as `cursor` or as `updated_since`), or from the beginning.
    private static func listChanges(
        _ exchange: Exchange, _ owner: OwnerID, _ collection: CollectionName?
    ) throws(ApusError) {
        let scope = changesScope(owner, collection)
        var start = ChangesQuery.Start.position(ChangesPosition(after: .zero, baseline: .zero))
        let since = try exchange.target.parameter("updated_since")
        let cursor = try exchange.target.parameter("cursor")
        if let moment = since.flatMap({ Timestamp($0) }), cursor == nil {
            start = .committedAtOrAfter(moment)
        } else if let text = cursor ?? since {
            guard case .changes(let position) = try exchange.openCursor(text, scopes: [scope]) else {
                throw ApusError(.badCursor, "the cursor is not one that was given for this list")
            }
            start = .position(position)
        }
        let query = ChangesQuery(
            owner: owner, scope: collection.map { .collection($0) } ?? .everything, start: start,
            limit: try exchange.limit())
        exchange.service.changes(
            query,
            then: exchange.answer { page, exchange in
                let cursor = exchange.context.cursors.seal(.changes(page.reached), scope: scope)
                return .json { $0.writePage(page.records, nextCursor: cursor, hasMore: page.hasMore) }
            })
    }

    private static func changesScope(_ owner: OwnerID, _ collection: CollectionName?) -> [String] {
        ["changes", owner.text] + (collection.map { [$0.text] } ?? [])
    }

    private static func collections(_ exchange: Exchange) throws(ApusError) {
        exchange.service.collections(
            of: try exchange.owner(),
            then: exchange.answer { collections, _ in reply(collections) })
    }

    static func reply(_ collections: [CollectionCount]) -> HTTPReply {
        .json { body in
            body.writeStaticString("{\"data\":")
            body.writeJSONArray(collections) { body, collection in
                body.writeStaticString("{\"collection\":")
                body.writeJSON(collection.collection.text)
                body.writeStaticString(",\"count\":")
                body.writeDecimal(Int64(collection.count))
                body.writeStaticString("}")
            }
            body.writeStaticString("}")
        }
    }
}

extension Exchange {
    /// Opens a cursor that belongs to one of `scopes`.
    func openCursor(_ text: String, scopes: [[String]]) throws(ApusError) -> CursorSealer.Cursor {
        for scope in scopes.dropLast() {
            do throws(ApusError) {
                return try context.cursors.open(text, scope: scope)
            } catch  where error.code == .badCursor {
                continue
            } catch {
                throw error
            }
        }
        return try context.cursors.open(text, scope: scopes.last ?? [])
    }
}
