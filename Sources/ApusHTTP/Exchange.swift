import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// One request and the way to answer it, once, on its event loop.
final class Exchange {
    let context: HTTPContext
    let head: HTTPRequestHead
    let requestID: String
    /// The client's own address, behind trusted proxies.
    let address: String
    /// Whose token it is; set before a user's route is called.
    var principal: Principal?
    /// Who the administrator is, on a route for one.
    var administrator: Administrator?
    /// Whether it was sent to where only administrators are let in.
    var isAdministrators = false
    /// What it is told to bring if it is not let in.
    var challenge = "Bearer"
    /// What is left to its user after it; `nil` for as much as anybody likes.
    var allowance: Allowance?
    /// Whether the audit log knows already why it is refused.
    var isRefusalNoted = false
    /// Set, with the parameters, before a route is called.
    var target = RequestTarget.root
    var parameters: [String] = []
    /// What the audit log calls it.
    var action = "request"
    /// Its route's, for what is counted; 0 without one.
    var routeNumber = 0
    /// When its head was there.
    let begunAt = NIODeadline.now()
    /// Whether its route reads a body.
    var takesBody = false
    private(set) var body = ByteBuffer()
    /// A body up to this size takes none of the room that all share.
    var freeBodyBytes: Int
    /// The room its body takes, until it is answered.
    private var room: BodyRoom.Share?

    let lane: Lane
    /// What makes its answer piece by piece, and the way that takes; set until it is done.
    var download: DownloadPipe?
    weak var carrier: (any DownloadCarrier)?
    /// Whether the head of such an answer was sent.
    private(set) var isInPieces = false
    private var finish: ((Exchange, HTTPReply) -> Void)?

    init(
        context: HTTPContext, head: HTTPRequestHead, requestID: String, address: String, lane: Lane,
        finish: @escaping (Exchange, HTTPReply) -> Void
    ) {
        self.context = context
        self.head = head
        self.requestID = requestID
        self.address = address
        self.lane = lane
        self.finish = finish
        freeBodyBytes = context.service.limits.smallBodyBytesMax
    }

    /// Appends to the body.
    ///
    /// - Throws: `rate-limited`, `overloaded` if there is no room.
    func append(_ part: ByteBuffer) throws(ApusError) {
        // Small bodies are bounded by the number of connections: nobody's large ones keep them out.
        if body.readableBytes + part.readableBytes > freeBodyBytes {
            let isFirst = room == nil
            let room =
                room
                ?? context.hub.bodies.share(
                    at: address, user: principal?.user, limits: service.limits)
            self.room = room
            try room.take(part.readableBytes + (isFirst ? body.readableBytes : 0))
        }
        if body.readableBytes == 0 { body = part } else { body.writeImmutableBuffer(part) }
    }

    /// Sends the answer; a second one is dropped.
    func reply(_ reply: HTTPReply) {
        let finish = self.finish
        self.finish = nil
        room = nil
        download?.cut()
        download = nil
        guard let finish else { return }
        count(reply.status)
        finish(self, reply)
    }

    /// Counts it as answered.
    func count(_ status: HTTPResponseStatus) {
        lane.state.meters.answered(self, status)
    }

    func fail(_ error: ApusError) {
        lane.state.meters.refused(error.code)
        if error.cause != nil, error.code.status >= 500 { context.log(error, requestID: requestID) }
        if let allowance = error.allowance { self.allowance = allowance }
        reply(
            AdminPages.refusal(error, of: self)
                ?? .problem(error, requestID: requestID, challenge: challenge))
    }

    /// Answers with the error; the audit log counts those that say "you may not".
    func refuse(_ error: ApusError) {
        if !isRefusalNoted, [401, 403, 429].contains(error.code.status) {
            service.noteRefusal(error, of: "\(head.method.rawValue) \(action)", origin: strangersOrigin)
        }
        fail(error)
    }

    /// The answer is on its way piece by piece; there will be no other.
    func replyInPieces() {
        isInPieces = true
        finish = nil
        room = nil
    }

    /// Drops the answer: nobody waits for it any more.
    func abandon() {
        finish = nil
        download?.cut()
        download = nil
    }

    /// A completion for the engine: hops back to the event loop, once for all answers of a batch, and replies there.
    func answer<Answer: Sendable>(
        _ encode: @escaping @Sendable (Answer, Exchange) throws(ApusError) -> HTTPReply
    ) -> Completion<Answer> {
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        return { [lane] result in
            lane.post {
                let exchange = bound.value
                do throws(ApusError) {
                    exchange.reply(try encode(try result.get(), exchange))
                } catch {
                    exchange.refuse(error)
                }
            }
        }
    }

    /// Answers with what `body` makes in a task, for the rare paths that must wait.
    func answer<Given: Sendable>(
        awaiting body: @escaping @Sendable (Given) async throws(ApusError) -> HTTPReply
    ) -> Completion<Given> {
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        return { [lane] result in
            Task {
                let reply: Result<HTTPReply, ApusError>
                do throws(ApusError) {
                    reply = .success(try await body(try result.get()))
                } catch {
                    reply = .failure(error)
                }
                lane.post {
                    switch reply {
                    case .success(let reply): bound.value.reply(reply)
                    case .failure(let error): bound.value.refuse(error)
                    }
                }
            }
        }
    }

    /// Whether reading the body would keep the event loop, and everybody on it, for more than a millisecond or so.
    var isLarge: Bool { body.readableBytes > 256 << 10 }

    /// Has the body read, and goes on with what was read; a large one is read in a task, of which no more run at once
    /// than there are cores.
    func readBody<Body: Sendable>(
        _ read: @escaping @Sendable (ByteBuffer) throws(ApusError) -> Body,
        then: @escaping @Sendable (Body, Exchange) throws(ApusError) -> Void
    ) throws(ApusError) {
        guard isLarge else {
            try then(try read(body), self)
            return
        }
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        Task(priority: .utility) { [body, lane] in
            let outcome: Result<Body, ApusError>
            do throws(ApusError) {
                outcome = .success(try read(body))
            } catch {
                outcome = .failure(error)
            }
            lane.post {
                let exchange = bound.value
                do throws(ApusError) {
                    try then(try outcome.get(), exchange)
                } catch {
                    exchange.refuse(error)
                }
            }
        }
    }

    var service: any SyncService { context.service }

    /// Who asks, for the audit log, once that is known.
    var origin: RequestOrigin {
        RequestOrigin(actor: actor ?? "admin", ip: address, requestID: requestID)
    }

    /// The same of somebody who may be anybody.
    var strangersOrigin: RequestOrigin {
        RequestOrigin(actor: actor ?? "unknown", ip: address, requestID: requestID)
    }

    private var actor: String? { principal.map { "user:\($0.user)" } ?? administrator?.actor }

    func header(_ name: String) -> String? { head.headers.first(name: name) }
}

/// What every request needs; one for all event loops.
struct HTTPContext: Sendable {
    let service: any SyncService
    let auth: any AuthProvider
    let settings: HTTPSettings
    let cursors: CursorSealer
    let hub: FeedHub
    let log: @Sendable (ApusError, _ requestID: String) -> Void

    func log(_ error: ApusError, requestID: String) { log(error, requestID) }
}
