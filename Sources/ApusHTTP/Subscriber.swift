import ApusCore
import ApusProtocol
import NIOCore

/// The connection of a subscriber, in whatever protocol.
protocol SubscriberConnection: LaneMember {
    /// Hello has been said.
    func opened()

    /// Says goodbye, as far as the protocol has a way to say why.
    ///
    /// - Parameter reason: for people, in words that fit a close frame.
    func close(_ code: CloseCode, reason: String)
}

extension SubscriberConnection {
    func close(_ code: CloseCode) { close(code, reason: "") }
}

/// One who is told of a user's changes: carries out what ``SessionStateMachine`` decides, and writes the events.
final class Subscriber {
    let feedKey: FeedKey
    private(set) var principal: Principal
    /// The feed it takes part in, if any, and its place there.
    var feed: OwnerFeed?
    var cursor = FeedCursor()

    private let context: HTTPContext
    private let lane: Lane
    private weak var connection: (any SubscriberConnection)?
    /// Where it writes to; `nil` from the moment when nothing more may be sent.
    private var output: ChannelHandlerContext?
    private var machine: SessionStateMachine
    let device: DeviceID?
    /// The client's own address, behind trusted proxies.
    let address: String
    /// What it is called on its event loop, and since when it is open; set by ``start(on:writingTo:)``.
    private(set) var opening: (number: UInt64, at: Timestamp)?
    private var isDeviceConnected = false
    /// A page of the storage that is read as soon as the client has taken what was sent.
    private var nextPage: ChangesQuery?
    private var isPumping = false
    /// About what was written since the last flush: until then, TLS does not count it as untaken.
    private var unflushedBytes = 0
    private var isReadingState = false
    private var progressedAt = NIODeadline.now()
    private var ticksBehind = 0

    /// A subscriber that is far behind and takes nothing for this long is closed.
    static let stalledFor = TimeAmount.seconds(2)
    /// So is one that takes a little but stays far behind for so many seconds.
    private static let ticksBehindMax = 10
    /// Bytes written to one subscriber before others have their turn.
    private static let pumpBytes = 512 << 10
    private static let unflushedBytesMax = 64 << 10

    init(
        principal: Principal, opening: StreamOpening, wire: Wire, address: String, context: HTTPContext, lane: Lane
    ) {
        self.address = address
        self.principal = principal
        self.context = context
        self.lane = lane
        device = opening.device
        feedKey = FeedKey(owner: principal.user, wire: wire)
        machine = SessionStateMachine(
            owner: principal.user, epoch: context.service.epoch, scope: opening.scope, resume: opening.resume,
            expiresAt: principal.expiresAt, limits: context.service.limits)
    }

    var user: OwnerID { feedKey.owner }

    /// Called once the connection is open and its lane knows it.
    func start(on connection: any SubscriberConnection, writingTo output: ChannelHandlerContext) {
        self.connection = connection
        self.output = output
        opening = (lane.state.nextOpeningNumber(), context.service.now())
        lane.state.meters.opened(feedKey.wire)
        do throws(ApusError) {
            // It may have been revoked between the check before the upgrade and now.
            try context.service.checkStanding(of: principal)
        } catch {
            close(.unauthenticated)
            return
        }
        perform(machine.start())
    }

    /// Nothing may be sent any more.
    func stop() {
        if output != nil { lane.state.meters.closed(feedKey.wire) }
        output = nil
        guard isDeviceConnected, let device else { return }
        isDeviceConnected = false
        context.service.deviceDisconnected(device, of: user)
    }

    func close(_ code: CloseCode, reason: String = "") {
        connection?.close(code, reason: reason)
    }

    /// Its client reads too slowly; it can come back and resume.
    func closeSlow() {
        // One that says goodbye already is not closed once more.
        if output != nil { lane.state.meters.closedSlow() }
        close(.tryAgainLater)
    }
}

// MARK: - What the machine decides

extension Subscriber {
    private func perform(_ actions: [SessionStateMachine.Action]) {
        let wasPumping = isPumping
        // What is written may make room by leaving at once, and what waits in the feed comes after all of it.
        isPumping = true
        for action in actions {
            switch action {
            case .send(let message): send(message)
            case .sendRecords(let records): send(records)
            case .join(let scopes): if output != nil { lane.state.join(self, scopes: scopes) }
            case .leave: lane.state.leave(self)
            case .readState:
                isReadingState = true
                context.service.ownerState(user, then: hop { $0.stateRead($1) })
            case .read(let query): nextPage = query
            case .refuse(let error, let id):
                send(.error(error, id: id, requestID: lane.state.nextRequestID()))
            case .close(let code): close(code)
            }
        }
        isPumping = wasPumping
        readNextPage()
    }

    private func stateRead(_ state: OwnerState) {
        isReadingState = false
        let wasOpen = machine.isOpen
        perform(machine.stateRead(state, at: context.service.now()))
        if !wasOpen {
            progressedAt = .now()
            connectDevice()
            connection?.opened()
        }
        pump()
    }

    /// The device comes after hello, when a revocation would already have found its connection.
    private func connectDevice() {
        guard output != nil, let device, !isDeviceConnected else { return }
        isDeviceConnected = true
        context.service.deviceConnected(device, of: user)
    }

    private func readNextPage() {
        guard isWritable, let query = nextPage else { return }
        nextPage = nil
        context.service.changes(
            query,
            then: hop(onFailure: { $0.perform($0.machine.readFailed($1)) }) { subscriber, page in
                subscriber.perform(subscriber.machine.pageRead(page))
                subscriber.pump()
            })
    }

    /// A completion that comes back to this subscriber on its event loop.
    private func hop<Answer: Sendable>(
        onFailure: @escaping @Sendable (Subscriber, ApusError) -> Void = { $0.fail($1) },
        _ body: @escaping @Sendable (Subscriber, Answer) -> Void
    ) -> Completion<Answer> {
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        return { [lane] result in
            lane.post {
                let subscriber = bound.value
                guard subscriber.output != nil else { return }
                switch result {
                case .success(let answer): body(subscriber, answer)
                case .failure(let error): onFailure(subscriber, error)
                }
            }
        }
    }

    private func fail(_ error: ApusError) {
        context.log(error, requestID: "")
        close(.tryAgainLater)
    }
}

// MARK: - Writing

extension Subscriber {
    /// Whether the client takes what is written.
    var isWritable: Bool { output?.channel.isWritable ?? false }

    /// Bytes of messages that its client has not taken: those that wait in the feed, and those on their way.
    var bytesUntaken: Int {
        let sending = (try? output?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        return sending + (feed?.bytesBehind(cursor) ?? 0)
    }

    /// The last change it was sent or has passed over.
    var position: SequenceNumber { machine.position }

    /// Whether it is told what happens.
    var isConnected: Bool { output != nil }

    /// Whether hello has been said.
    var isOpen: Bool { machine.isOpen }

    /// Whether more events wait for this subscriber than one may leave untaken.
    var isFarBehind: Bool {
        guard let feed else { return false }
        return feed.bytesBehind(cursor) > context.service.limits.socketBufferBytesMax
    }

    func send(_ message: ServerMessage) {
        var bytes = ByteBuffer()
        feedKey.wire.write(message, to: &bytes)
        write(bytes)
        output?.flush()
    }

    private func send(_ records: [Record]) {
        var runs = FeedRunWriter(wire: feedKey.wire)
        for record in records { runs.append(Change(record: record)) }
        lane.state.meters.delivered(records.count, over: feedKey.wire)
        for marked in runs.finish() { write(marked.run.bytes) }
        output?.flush()
        progressedAt = .now()
    }

    /// Writes what waits for this subscriber, as long as its client takes it.
    func pump() {
        guard !isPumping, isWritable else { return }
        guard machine.isLive else {
            readNextPage()
            return
        }
        isPumping = true
        defer { isPumping = false }
        var written = 0
        while isWritable, written < Self.pumpBytes {
            var round = 0
            while isWritable, let run = feed?.next(after: &cursor) { round += take(run) }
            guard round > 0 else { break }
            written += round
            output?.flush()
            progressedAt = .now()
        }
        guard isWritable else { return }
        if written >= Self.pumpBytes {
            pumpSoon()
        } else if machine.waitsForDrain, !isReadingState {
            perform(machine.drained(published: lane.state.published(to: self)))
            // The client may have asked for more while it was told of this.
            if machine.waitsForDrain, !isReadingState { pumpSoon() }
        }
    }

    private func pumpSoon() {
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        lane.post { bound.value.pump() }
    }

    /// Writes the run unless the client has it already; the bytes written.
    private func take(_ run: FeedRun) -> Int {
        if let last = run.last, !machine.take(upTo: last) { return 0 }
        write(run.bytes)
        if run.changeCount > 0 { lane.state.meters.delivered(run.changeCount, over: feedKey.wire) }
        return run.bytes.readableBytes
    }

    /// Writes and flushes only what is much: whoever has several to send flushes at the end.
    func write(_ bytes: ByteBuffer) {
        output?.write(NIOAny(bytes), promise: nil)
        unflushedBytes += bytes.readableBytes
        guard unflushedBytes >= Self.unflushedBytesMax else { return }
        unflushedBytes = 0
        output?.flush()
    }
}

// MARK: - What the client asks

extension Subscriber {
    func subscribe(to scope: StreamScope, _ resume: ResumePoint?, id: JSONText?) {
        perform(machine.subscribe(to: scope, resume, id: id))
        pump()
    }

    func unsubscribe(from scope: StreamScope?, id: JSONText?) {
        perform(machine.unsubscribe(from: scope, id: id))
        pump()
    }

    /// Goes on with another token of the same user.
    func renew(_ principal: Principal) {
        self.principal = principal
        machine.renew(until: principal.expiresAt)
    }

    /// Called once a second.
    func tick(at moment: NIODeadline, wallTime: Timestamp) {
        perform(machine.tick(at: wallTime))
        pump()
        ticksBehind = isFarBehind ? ticksBehind + 1 : 0
        if ticksBehind >= Self.ticksBehindMax || isFarBehind && moment - progressedAt >= Self.stalledFor {
            closeSlow()
        }
    }
}
