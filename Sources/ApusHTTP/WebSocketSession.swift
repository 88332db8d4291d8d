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
    private var isReadHeld = false
    /// The room that the unfinished message takes, and how much of it.
    private var room: (share: BodyRoom.Share, bytes: Int)?
    private var heardAt = NIODeadline.now()
    private var pingedAt = NIODeadline.now()
    private var messageSince: NIODeadline?
    /// Since when the client takes nothing of what is written.
    private var unwritableSince: NIODeadline?
    private var closesAt: NIODeadline?

    /// How long the peer has to answer a close frame, or to take what was sent before it.
    private static let closeWait = TimeAmount.seconds(5)
    /// The same when the server stops.
    private static let drainWait = TimeAmount.seconds(2)

    init(principal: Principal, opening: StreamOpening, address: String, context: HTTPContext, lane: Lane) {
        self.context = context
        self.lane = lane
        self.address = address
        machine = FrameStateMachine(messageBytesMax: context.service.limits.messageBytesMax)
        subscriber = Subscriber(principal: principal, opening: opening, wire: .frames, context: context, lane: lane)
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
        room = nil
        subscriber.stop()
        lane.state.remove(self, of: subscriber)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            unwritableSince = nil
            subscriber.pump()
            takeFrames()
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
        return subscriber.isOpen && subscriber.isWritable && !isBulkUnderWay
            && answers.count < context.service.limits.framesUnderWayMax
    }

    /// Takes the frames that may be taken now. One that is answered at once does not call this again from within.
    func takeFrames() {
        guard !isTaking else { return }
        isTaking = true
        while takes, let action = machine.next() { perform(action) }
        isTaking = false
        guard takes else { return hold() }
        accountForMessage()
        guard isReadHeld else { return }
        isReadHeld = false
        channelContext?.read()
    }

    private func hold() {
        machine.compact()
        accountForMessage()
    }

    private func perform(_ action: FrameStateMachine.Action) {
        switch action {
        case .deliver(let text):
            take(ClientFrame(text, owner: subscriber.user, limits: context.service.limits))
        // A client that is being sent events it has not taken yet needs no pong to know that we are here.
        case .sendPong(let payload): if subscriber.isWritable { sendFrame(.pong, payload) }
        case .sendClose(let payload):
            subscriber.stop()
            sendFrame(.close, payload)
            closesAt = .now() + Self.closeWait
            if machine.isClosed { channelContext?.close(promise: nil) }
        case .closeConnection: channelContext?.close(promise: nil)
        }
    }

    /// An unfinished message takes room that all clients share, and has a time to end.
    private func accountForMessage() {
        let limits = context.service.limits
        messageSince = machine.isInsideMessage ? messageSince ?? .now() : nil
        let held = machine.bytesHeld
        guard held > limits.smallBodyBytesMax else {
            room = nil
            return
        }
        var (share, bytes) =
            room
            ?? (
                BodyRoom.Share(
                    of: context.hub.bodies, network: ClientAddress.network(of: address), user: subscriber.user,
                    limits: limits), 0
            )
        guard held > bytes else { return }
        do throws(ApusError) {
            try share.take(held - bytes)
            bytes = held
            room = (share, bytes)
        } catch {
            close(.tryAgainLater)
        }
    }

    /// Sends the answers whose turn it is, then takes what waited for that.
    func sendAnswers() {
        while machine.isOpen, let answer = answers.next() { subscriber.send(answer) }
        takeFrames()
    }

    private func sendFrame(_ opcode: Opcode, _ payload: ByteBuffer) {
        var frame = ByteBuffer()
        frame.writeFrame(opcode, payload)
        channelContext?.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    }
}

// MARK: - Its life

extension WebSocketSession: SubscriberConnection {
    func opened() {
        takeFrames()
    }

    /// Says goodbye with `code`; the connection ends when the client answers, or a little later.
    func close(_ code: CloseCode) {
        if let action = machine.close(code) { perform(action) }
    }

    func tick(at moment: NIODeadline, wallTime: Timestamp) {
        if let closesAt {
            if moment >= closesAt { abort() }
            return
        }
        subscriber.tick(at: moment, wallTime: wallTime)
        let limits = context.service.limits
        let silence = TimeAmount.seconds(limits.silenceSecondsMax)
        if let unwritableSince, moment - unwritableSince >= silence {
            close(.tryAgainLater)
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
            sendFrame(.ping, ByteBuffer())
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
