import ApusCore
import ApusProtocol
import NIOCore
import NIOWebSocket

/// One socket: carries out what ``SessionStateMachine`` decides, and sends the events of its user.
///
/// It opens in this order: see the feed, read the storage, say hello, go live. What the storage already held is
/// skipped in the feed, and what is committed later is in the feed: no gap, no duplicate.
final class WebSocketSession: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame

    let principal: Principal
    /// The owner's feed and this socket's place in it, while it takes part.
    var feed: OwnerFeed?
    var cursor = FeedCursor()

    private let resume: ResumeRequest?
    private let context: HTTPContext
    private let lane: Lane
    private var channelContext: ChannelHandlerContext?
    private var machine: SessionStateMachine
    /// The last change the client has or was told about; `nil` until the events may flow.
    private var position: SequenceNumber?
    private var catchUp: CatchUp?
    private var isPumping = false
    private var isGone = false
    /// Frames that came before hello was said, which comes first; `nil` from then on.
    private var early: [SessionStateMachine.Frame]? = []
    private var heardAt = NIODeadline.now()
    private var pingedAt = NIODeadline.now()
    private var progressedAt = NIODeadline.now()
    private var closesAt: NIODeadline?
    private var ticksBehind = 0

    /// A socket that is far behind and takes nothing for this long is closed.
    private static let stalledFor = TimeAmount.seconds(2)
    /// So is one that takes a little but stays far behind for so many seconds.
    private static let ticksBehindMax = 10
    /// How long the peer has to answer a close frame, or to take what was sent before it.
    private static let closeWait = TimeAmount.seconds(5)
    /// The same when the server stops.
    private static let drainWait = TimeAmount.seconds(2)
    /// Frames a client may send without waiting for hello.
    private static let earlyFramesMax = 8
    /// Bytes written to one socket before others have their turn.
    private static let pumpBytes = 512 << 10

    init(principal: Principal, resume: ResumeRequest?, context: HTTPContext, lane: Lane) {
        self.principal = principal
        self.resume = resume
        self.context = context
        self.lane = lane
        machine = SessionStateMachine(messageBytesMax: context.service.limits.messageBytesMax)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        channelContext = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        channelContext = nil
        closed()
    }

    /// The connection has ended.
    func closed() {
        isGone = true
        lane.state.removeSocket(self)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { pump() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A client that cannot send can neither say goodbye nor answer a ping.
        if event as? ChannelEvent == .inputClosed { abort() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard machine.isOpen else { return }
        switch error as? NIOWebSocketError {
        case .invalidFrameLength?: close(.messageTooBig)
        case .fragmentedControlFrame?, .multiByteControlFrameLength?: close(.protocolError)
        case nil: abort()
        }
    }
}

// MARK: - Opening

extension WebSocketSession {
    /// Called once the socket is open and its lane knows it.
    func start() {
        do throws(ApusError) {
            // It may have been revoked between the check before the upgrade and now.
            try context.service.checkStanding(of: principal)
        } catch {
            close(.unauthenticated)
            return
        }
        if resume == nil { lane.state.join(self) }
        context.service.ownerState(principal.user, then: hop { session, state in session.greet(state) })
    }

    private func greet(_ state: OwnerState) {
        let service = context.service
        send(
            .hello(
                user: principal.user, epoch: service.epoch, sequence: state.lastSequence, time: service.now(),
                heartbeatMilliseconds: service.limits.heartbeatSeconds * 1000))
        takeEarlyFrames()
        guard let resume else {
            goLive(after: state.lastSequence)
            return
        }
        var start = CatchUp(position: ChangesPosition(after: resume.since, baseline: .zero))
        if let reason = resume.resetReason(epoch: service.epoch, state: state) {
            send(.reset(reason))
            start.position.after = .zero
        }
        catchUp = start
        readNextPage()
    }

    private func readNextPage() {
        guard let position = catchUp?.position else { return }
        catchUp?.isReading = true
        let limits = context.service.limits
        let query = ChangesQuery(
            owner: principal.user, collection: nil, start: .position(position), limit: CatchUp.pageRecords,
            bytesMax: limits.socketBufferBytesMax / 2)
        context.service.changes(
            query,
            then: hop(
                onFailure: { session, error in session.cannotCatchUp(error) },
                { session, page in session.send(page) }))
    }

    private func send(_ page: ChangesPage) {
        var runs = FeedRunWriter()
        for record in page.records { runs.append(Change(record: record)) }
        for run in runs.finish() { write(run.bytes) }
        channelContext?.flush()
        progressedAt = .now()
        catchUp?.position = page.reached
        catchUp?.isReading = false
        if page.hasMore {
            if isWritable { readNextPage() }
        } else if feed == nil {
            // Everything committed from here on is in the feed; what was committed until here is in one more page.
            lane.state.join(self)
            readNextPage()
        } else {
            catchUp = nil
            send(.current(page.reached.after))
            goLive(after: page.reached.after)
        }
    }

    private func cannotCatchUp(_ error: ApusError) {
        guard error.code == .resyncRequired else {
            fail(error)
            return
        }
        send(.reset(.purged))
        catchUp?.position = ChangesPosition(after: .zero, baseline: .zero)
        readNextPage()
    }

    private func goLive(after sequence: SequenceNumber) {
        position = sequence
        progressedAt = .now()
        pump()
    }

    /// A completion that comes back to this socket on its event loop.
    private func hop<Answer: Sendable>(
        onFailure: @escaping @Sendable (WebSocketSession, ApusError) -> Void = { $0.fail($1) },
        _ body: @escaping @Sendable (WebSocketSession, Answer) -> Void
    ) -> Completion<Answer> {
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        return { [lane] result in
            lane.post {
                let session = bound.value
                guard !session.isGone, session.machine.isOpen else { return }
                switch result {
                case .success(let answer): body(session, answer)
                case .failure(let error): onFailure(session, error)
                }
            }
        }
    }

    private func fail(_ error: ApusError) {
        context.log(error, requestID: "")
        close(.tryAgainLater)
    }
}

// MARK: - Events

extension WebSocketSession {
    /// Whether more events wait for this socket than one may leave untaken.
    var isFarBehind: Bool {
        guard let feed else { return false }
        return feed.bytesBehind(cursor) > context.service.limits.socketBufferBytesMax
    }

    /// Writes what waits for this socket, as long as its client takes it.
    func pump() {
        guard machine.isOpen, !isPumping else { return }
        if let catchUp {
            if !catchUp.isReading, isWritable { readNextPage() }
            return
        }
        guard let feed, position != nil else { return }
        isPumping = true
        defer { isPumping = false }
        var written = 0
        while isWritable, written < Self.pumpBytes {
            var round = 0
            while isWritable, let run = feed.next(after: &cursor) { round += take(run) }
            guard round > 0 else { break }
            written += round
            channelContext?.flush()
            progressedAt = .now()
        }
        if written >= Self.pumpBytes, isWritable {
            let bound = NIOLoopBound(self, eventLoop: lane.loop)
            lane.post { bound.value.pump() }
        }
    }

    /// Whether the client takes what is written.
    private var isWritable: Bool { !isGone && channelContext?.channel.isWritable ?? false }

    /// Writes the run unless the client has it already; the bytes written.
    private func take(_ run: FeedRun) -> Int {
        guard let position, run.last > position else { return 0 }
        self.position = run.last
        write(run.bytes)
        return run.bytes.readableBytes
    }

    private func send(_ message: ServerMessage) {
        var text = ByteBuffer()
        text.writeMessage(message)
        sendFrame(Opcode.text, text)
    }

    private func sendFrame(_ opcode: UInt8, _ payload: ByteBuffer) {
        var frame = ByteBuffer()
        frame.writeFrame(opcode, payload)
        write(frame)
        channelContext?.flush()
    }

    private func write(_ bytes: ByteBuffer) {
        channelContext?.write(NIOAny(bytes), promise: nil)
    }
}

// MARK: - Frames

extension WebSocketSession {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        heardAt = .now()
        let arrived = SessionStateMachine.Frame(
            opcode: UInt8(webSocketOpcode: frame.opcode), isFinal: frame.fin,
            hasReservedBits: frame.rsv1 || frame.rsv2 || frame.rsv3, isMasked: frame.maskKey != nil,
            payload: frame.unmaskedData)
        guard machine.isOpen, let waiting = early?.count else {
            perform(machine.receive(arrived))
            return
        }
        if waiting < Self.earlyFramesMax { early?.append(arrived) } else { close(.tryAgainLater) }
    }

    private func takeEarlyFrames() {
        let waiting = early ?? []
        early = nil
        for frame in waiting { perform(machine.receive(frame)) }
    }

    private func perform(_ action: SessionStateMachine.Action) {
        switch action {
        case .none: break
        case .deliver(let text): take(ClientFrame(text, limits: context.service.limits))
        // A client that is being sent events it has not taken yet needs no pong to know that we are here.
        case .sendPong(let payload): if isWritable { sendFrame(Opcode.pong, payload) }
        case .sendClose(let payload):
            sendFrame(Opcode.close, payload)
            closesAt = .now() + Self.closeWait
            if machine.isClosed { channelContext?.close(promise: nil) }
        case .closeConnection: channelContext?.close(promise: nil)
        }
    }

    private func take(_ frame: ClientFrame) {
        do throws(ApusError) {
            switch try frame.request.get() {
            case .ping: reply(.acknowledged(id: frame.id))
            }
        } catch {
            reply(.error(error, id: frame.id, requestID: lane.state.nextRequestID()))
        }
    }

    private func reply(_ message: ServerMessage) {
        var text = ByteBuffer()
        text.writeMessage(message)
        answer(Opcode.text, text)
    }

    /// Answers a frame, unless the client sends them without ever reading what comes back.
    private func answer(_ opcode: UInt8, _ payload: ByteBuffer) {
        guard isWritable else {
            close(.tryAgainLater)
            return
        }
        sendFrame(opcode, payload)
    }

    /// Says goodbye with `code`; the connection ends when the client answers, or a little later.
    func close(_ code: CloseCode) {
        perform(machine.close(code))
    }
}

extension WebSocketSession: LaneMember {
    func tick(at moment: NIODeadline, wallTime: Timestamp) {
        if let closesAt {
            if moment >= closesAt { abort() }
            return
        }
        let limits = context.service.limits
        ticksBehind = isFarBehind ? ticksBehind + 1 : 0
        if wallTime >= principal.expiresAt {
            close(.unauthenticated)
        } else if moment - heardAt >= .seconds(limits.silenceSecondsMax) {
            close(.policyViolation)
        } else if ticksBehind >= Self.ticksBehindMax || isFarBehind && moment - progressedAt >= Self.stalledFor {
            close(.tryAgainLater)
        } else if moment - pingedAt >= .seconds(limits.heartbeatSeconds) {
            pingedAt = moment
            sendFrame(Opcode.ping, ByteBuffer())
        }
    }

    func drain() {
        close(.goingAway)
        closesAt = .now() + Self.drainWait
    }

    func abort() {
        channelContext?.close(promise: nil)
    }
}

/// Where a client wants to go on: `?since&epoch`.
struct ResumeRequest: Sendable {
    var since: SequenceNumber
    var epoch: String?

    /// - Throws: `bad-parameter` unless `since` is a number from 0 to 2^63-1.
    init?(_ target: RequestTarget) throws(ApusError) {
        guard let text = try target.parameter("since") else { return nil }
        guard !text.isEmpty, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
            let number = Int64(text)
        else { throw ApusError(.badParameter, "since must be a whole number from 0 to 9223372036854775807") }
        since = SequenceNumber(number)
        epoch = try target.parameter("epoch")
    }

    /// Why the position cannot be served, as far as that is known without reading changes.
    func resetReason(epoch current: Epoch, state: OwnerState) -> ResetReason? {
        if let epoch, epoch != current.text { return .otherEpoch }
        if since > state.lastSequence { return .future }
        if since != .zero, since < state.purgedThrough { return .purged }
        return nil
    }
}

/// How far a socket has come in what was stored before it went live.
private struct CatchUp {
    static let pageRecords = 500

    var position: ChangesPosition
    /// Whether a page is on its way.
    var isReading = false
}
