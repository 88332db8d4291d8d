import ApusCore
import NIOCore
import NIOHTTP1

/// All owners' changes as they happen, for the operator.
enum TailRoutes {
    static let all: [Route] = [
        Route(pattern: "/v1/admin/changes") { exchange throws(ApusError) -> TailFilter in
            try TailFilter(exchange.target)
        }
    ]
}

extension TailFilter {
    /// `?user_id&collection&prefix`
    ///
    /// - Throws: `bad-parameter` for names that are none.
    init(_ target: RequestTarget) throws(ApusError) {
        owner = try Self.name("user_id", in: target)
        collection = try Self.name("collection", in: target)
        prefix = try Self.name("prefix", in: target)
    }

    private static func name<Kind>(_ name: String, in target: RequestTarget) throws(ApusError) -> Name<Kind>? {
        guard let text = try target.parameter(name) else { return nil }
        do throws(ApusError) {
            return try Name(text)
        } catch {
            throw ApusError(.badParameter, error.message)
        }
    }
}

// Becoming an administrator's stream, once the audit log says so.
extension HTTPConnection {
    func becomeTail(_ filter: TailFilter, _ exchange: Exchange) throws(ApusError) {
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        try exchange.prepareTail(filter) { exchange throws(ApusError) in try bound.value.openTail(filter, exchange) }
    }

    private func openTail(_ filter: TailFilter, _ exchange: Exchange) throws(ApusError) {
        guard current === exchange, channelContext != nil else { return }
        // It would never be answered, nor say that it goes.
        guard !hasEndOfInputWaiting else { return close() }
        let stream = try TailStream(filter, context: context, lane: lane)
        guard machine.upgrade(), lane.state.replace(self, with: stream) else {
            stream.discard()
            return close()
        }
        var head = ByteBuffer()
        head.writeStreamHead(to: exchange, date: lane.state.httpDate(at: context.service.now()))
        do {
            try giveWay(exchange, to: stream, status: .ok, head: head) { stream.start() }
        } catch {
            stream.discard()
            close()
        }
    }
}

extension HTTP2Stream {
    func becomeTail(_ filter: TailFilter, _ exchange: Exchange) throws(ApusError) {
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        try exchange.prepareTail(filter) { exchange throws(ApusError) in try bound.value.openTail(filter, exchange) }
    }

    private func openTail(_ filter: TailFilter, _ exchange: Exchange) throws(ApusError) {
        guard current === exchange, channelContext != nil else { return }
        let stream = try TailStream(filter, context: context, lane: lane)
        guard lane.state.add(stream, from: connection.peer.network) == .welcome else {
            stream.discard()
            throw .tooMany("connections of this address")
        }
        become(stream, exchange, discard: stream.discard) { stream.start(over: $0) }
    }
}

extension Exchange {
    /// Goes on with `open` once the audit log says who watches what.
    fileprivate func prepareTail(
        _ filter: TailFilter, open: @escaping @Sendable (Exchange) throws(ApusError) -> Void
    ) throws(ApusError) {
        guard head.method != .HEAD else {
            reply(HTTPReply(status: .ok, contentType: EventStream.contentType))
            return
        }
        guard !context.hub.tails.isFull else { throw .tooManyTails }
        audit(AuditedRead(target: filter.text, detail: "live"), then: open)
    }
}

extension TailStream {
    /// - Throws: `overloaded` if there are as many as there may be, or the server stops.
    convenience init(_ filter: TailFilter, context: HTTPContext, lane: Lane) throws(ApusError) {
        guard !lane.state.isDraining else { throw .stopping }
        let bytesMax = context.service.limits.socketBufferBytesMax
        guard let tail = context.hub.tails.open(filter, bytesMax: bytesMax) else { throw .tooManyTails }
        self.init(tail: tail, context: context, lane: lane)
    }
}

extension ApusError {
    fileprivate static var tooManyTails: ApusError {
        var error = ApusError(.overloaded, "\(ChangeTails.countMax) administrators watch the changes already")
        error.retryAfterSeconds = 5
        return error
    }
}
