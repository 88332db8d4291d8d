import ApusCore
import ApusProtocol
import NIOCore

/// One WebSocket: carries out what ``FrameStateMachine`` decides about bytes, and answers what the client asks in
/// frames; what it is told of its user's changes is the ``Subscriber``'s.
///
/// A client that asks faster than it is answered, or than it takes the answers, is read no further until then.
final class WebSocketSession: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let subscriber: Subscriber
    let context: HTTPContext
    let lane: Lane
    /// The client's own address, behind trusted proxies.
    let address: String
    var answers = AnswerQueue()
    /// Whether a bulk is being answered, beside which nothing else is taken: its answer may be large.
    var isBulkUnderWay = false

    private var channelContext: ChannelHandlerContext?
    private var machine: FrameStateMachine
    private var isTaking = false
    private var isFlushPosted = false
    /// Whether the server stops, and the socket ends as soon as what it asked for is answered.
    private var isDraining = false
    private var isReadHeld = false
    /// The room that the unfinished message takes.
    private var room: BodyRoom.Share?
    /// The room that answers take which the client does not.
    private var answerRoom: BodyRoom.Share?
    private var heardAt = NIODeadline.now()
    private var pingedAt: NIODeadline
    private var messageSince: NIODeadline?
    /// Since when the client takes nothing of what is written.
    private var unwritableSince: NIODeadline?
    private var closesAt: NIODeadline?

    /// How long the peer has to answer a close frame, or to take what was sent before it.
    private static let closeWait = TimeAmount.seconds(5)
    /// The same when the server stops, and for what is being answered then.
    private static let drainWait = TimeAmount.seconds(2)

    init(principal: Principal, opening: StreamOpening, address: String, context: HTTPContext, lane: Lane) {
        self.context = context
        self.lane = lane
        self.address = address
        pingedAt = lane.state.heartbeatStart(at: .now())
        machine = FrameStateMachine(messageBytesMax: context.service.limits.messageBytesMax)
        subscriber = Subscriber(
            principal: principal, opening: opening, wire: .frames, address: address, context: context, lane: lane)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        channelContext = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        closed()
    }

    /// Called once the socket is open and its lane knows it.
    func start() {
        guard let channelContext else { return }
        subscriber.start(on: self, writingTo: channelContext)
    }

    /// The connection has ended.
    func closed() {
        channelContext = nil
        forget()
        subscriber.stop()
        lane.state.remove(self, of: subscriber)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            unwritableSince = nil
            subscriber.pump()
            sendAnswers()
        } else {
            unwritableSince = .now()
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A client that cannot send can neither say goodbye nor answer a ping.
        if event as? ChannelEvent == .inputClosed { abort() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        abort()
    }
}

// MARK: - Frames

extension WebSocketSession {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        heardAt = .now()
        machine.receive(unwrapInboundIn(data))
        takeFrames()
    }

    func read(context: ChannelHandlerContext) {
        if takes { context.read() } else { isReadHeld = true }
    }

    /// Whether the next frame may be taken. Before hello there is none: it comes first.
    private var takes: Bool {
        guard machine.isOpen else { return true }
        return subscriber.isOpen && subscriber.isWritable && !isBulkUnderWay && !isDraining
            && answers.count < context.service.limits.framesUnderWayMax
    }

    /// Takes the frames that may be taken now, and flushes once for all their answers. One that is answered at once
    /// does not call this again from within.
    func takeFrames() {
        guard !isTaking else { return }
        isTaking = true
        while takes, let action = machine.next() { perform(action) }
        isTaking = false
        channelContext?.flush()
        guard takes else {
            // What waits for us is not the client's to hurry with.
            messageSince = nil
            machine.compact()
            return
        }
        accountForMessage()
        guard isReadHeld else { return }
        isReadHeld = false
        channelContext?.read()
    }

    private func perform(_ action: FrameStateMachine.Action) {
        switch action {
        case .deliver(let text):
            messageSince = nil
            let room = self.room
            self.room = nil
            take(ClientFrame(text, owner: subscriber.user, limits: context.service.limits), text.readableBytes, room)
        // A client that is being sent events it has not taken yet needs no pong to know that we are here.
        case .sendPong(let payload): if subscriber.isWritable { writeFrame(.pong, payload) }
        case .sendClose(let payload):
            subscriber.stop()
            forget()
            writeFrame(.close, payload)
            channelContext?.flush()
            closesAt = .now() + (isDraining ? Self.drainWait : Self.closeWait)
            if machine.isClosed { channelContext?.close(promise: nil) }
        case .closeConnection: channelContext?.close(promise: nil)
        }
    }

    /// An unfinished message takes room that all clients share, and has a time to end.
    private func accountForMessage() {
        messageSince = machine.isInsideMessage ? messageSince ?? .now() : nil
        do throws(ApusError) {
            room = try share(of: machine.bytesHeld, given: room)
        } catch {
            close(.tryAgainLater)
        }
    }

    /// Room for a message of which so many bytes are here; a small one needs none.
    ///
    /// - Parameter room: what it has already.
    /// - Throws: `rate-limited`, `overloaded` if there is none.
    func share(of byteCount: Int, given room: BodyRoom.Share?) throws(ApusError) -> BodyRoom.Share? {
        let limits = context.service.limits
        guard byteCount > limits.smallBodyBytesMax else { return room }
        let share = room ?? context.hub.bodies.share(at: address, user: subscriber.user, limits: limits)
        if byteCount > share.bytes { try share.take(byteCount - share.bytes) }
        return share
    }

    /// Sends the answers whose turn it is, as long as the client takes them, then takes what waited for that.
    func sendAnswers() {
        while machine.isOpen, subscriber.isWritable, let answer = answers.next() { subscriber.write(answer) }
        if isDraining, answers.count == 0 { close(.goingAway) }
        accountForAnswers()
        takeFrames()
    }

    private func accountForAnswers() {
        do throws(ApusError) {
            answerRoom = answers.bytesReady > 0 ? try share(of: answers.bytesReady, given: answerRoom) : nil
        } catch {
            close(.tryAgainLater)
        }
    }

    /// What waits to be sent or completed never will be.
    private func forget() {
        room = nil
        answerRoom = nil
        answers.drop()
    }

    /// Sends answers that became known together with others: they leave in one write.
    func sendAnswersSoon() {
        guard !isFlushPosted else { return }
        isFlushPosted = true
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        lane.post {
            bound.value.isFlushPosted = false
            bound.value.sendAnswers()
        }
    }

    private func writeFrame(_ opcode: Opcode, _ payload: ByteBuffer) {
        var frame = ByteBuffer()
        frame.writeFrame(opcode, payload)
        channelContext?.write(wrapOutboundOut(frame), promise: nil)
    }
}

// MARK: - Its life

extension WebSocketSession: SubscriberConnection {
    func opened() {
        takeFrames()
    }

    /// Says goodbye with `code`; the connection ends when the client answers, or a little later.
    func close(_ code: CloseCode, reason: String) {
        if let action = machine.close(code, reason: reason) { perform(action) }
    }

    func tick(at moment: NIODeadline, wallTime: Timestamp) {
        if let closesAt {
            guard moment >= closesAt else { return }
            if machine.isOpen { close(.goingAway) } else { abort() }
            return
        }
        subscriber.tick(at: moment, wallTime: wallTime)
        let limits = context.service.limits
        let silence = TimeAmount.seconds(limits.silenceSecondsMax)
        let isStalled = answers.bytesReady > limits.socketBufferBytesMax
        if let unwritableSince, moment - unwritableSince >= (isStalled ? Subscriber.stalledFor : silence) {
            subscriber.closeSlow()
        } else if let messageSince, moment - messageSince >= .seconds(limits.messageSecondsMax) {
            close(.policyViolation)
        } else if !takes {
            // We do not listen, so that we cannot say that the client is silent.
            heardAt = moment
        } else if moment - heardAt >= silence {
            close(.policyViolation)
        }
        if machine.isOpen, moment - pingedAt >= .seconds(limits.heartbeatSeconds) {
            pingedAt = moment
            writeFrame(.ping, ByteBuffer())
            channelContext?.flush()
        }
    }

    func drain() {
        isDraining = true
        closesAt = .now() + Self.drainWait
        if answers.count == 0 { close(.goingAway) }
    }

    func abort() {
        channelContext?.close(promise: nil)
    }
}
