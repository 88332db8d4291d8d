import ApusCore
import ApusProtocol
import ApusTesting
import NIOCore
import NIOEmbedded
import NIOHTTP1

@testable import ApusHTTP

/// A socket or an event stream of the real server, on a channel without a network.
final class Connection {
    /// What the server sent.
    enum Sent {
        case message(ByteBuffer, eventID: Int64?)
        case close(UInt16)
    }

    let lane: Lane
    let wire: Wire
    /// Nothing of it may be left when it has gone.
    private(set) weak var session: AnyObject?
    private(set) weak var subscriber: Subscriber?
    private let channel: EmbeddedChannel
    private let throttle: Throttle

    /// Opens it as `HTTPConnection` does once it knows the token; `nil` if there are too many.
    init?(
        as principal: Principal, _ opening: StreamOpening, wire: Wire, context: HTTPContext, lane: Lane,
        on loop: EmbeddedEventLoop, seed: UInt64
    ) throws {
        self.lane = lane
        self.wire = wire
        channel = EmbeddedChannel(handler: nil, loop: loop)
        throttle = Throttle(channel, seed: seed)
        try channel.pipeline.syncOperations.addHandler(throttle)
        channel.pipeline.fireChannelActive()
        switch wire {
        case .frames:
            let session = WebSocketSession(
                principal: principal, opening: opening, address: "127.0.0.1", context: context, lane: lane)
            guard try enter(session, of: session.subscriber) else { return nil }
            session.start()
        case .events:
            let stream = EventStream(
                principal: principal, opening: opening, address: "127.0.0.1", context: context, lane: lane)
            guard try enter(stream, of: stream.subscriber) else { return nil }
            stream.start()
        }
        loop.run()
    }

    private func enter(
        _ session: some ChannelInboundHandler & SubscriberConnection, of subscriber: Subscriber
    ) throws -> Bool {
        let guest = Guest()
        guard lane.state.add(guest, from: "127.0.0.1") == .welcome, lane.state.takeSocket(of: subscriber.user),
            lane.state.replace(guest, with: session, for: subscriber)
        else { return false }
        self.session = session
        self.subscriber = subscriber
        try channel.pipeline.syncOperations.addHandler(session)
        return true
    }

    var isGone: Bool { throttle.isGone }

    // MARK: What its client does

    /// What has come since the last call; nothing while the client does not read.
    func read() throws -> [Sent] {
        guard channel.isWritable else { return [] }
        var sent: [Sent] = []
        while var bytes = try channel.readOutbound(as: ByteBuffer.self) {
            switch wire {
            case .frames: try Self.cutFrames(&bytes, into: &sent)
            case .events: try Self.cutEvents(&bytes, into: &sent)
            }
        }
        return sent
    }

    /// Stops reading, so that what is sent from now on waits.
    func stall() { throttle.stall() }

    /// Takes what waits and what comes.
    func takeAll(forGood: Bool) {
        throttle.takeAll(forGood: forGood)
        channel.embeddedEventLoop.run()
    }

    func send(_ opcode: Opcode, _ payload: ByteBuffer) throws {
        guard !isGone else { return }
        var frame = ByteBuffer()
        frame.writeInteger(0x80 | opcode.rawValue)
        switch payload.readableBytes {
        case ...125: frame.writeInteger(0x80 | UInt8(payload.readableBytes))
        default:
            frame.writeInteger(UInt8(0x80 | 126))
            frame.writeInteger(UInt16(payload.readableBytes))
        }
        // The mask that changes nothing.
        frame.writeInteger(UInt32(0))
        frame.writeImmutableBuffer(payload)
        try channel.writeInbound(frame)
        channel.embeddedEventLoop.run()
    }

    func hangUp() {
        guard !isGone else { return }
        channel.close(promise: nil)
        channel.embeddedEventLoop.run()
    }

    /// Can send no more.
    func halfClose() {
        guard !isGone else { return }
        channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        channel.embeddedEventLoop.run()
    }

    // MARK: Cutting

    private static func cutFrames(_ bytes: inout ByteBuffer, into sent: inout [Sent]) throws {
        while let opcode = bytes.readInteger(as: UInt8.self) {
            let length: Int? =
                switch bytes.readInteger(as: UInt8.self) {
                case 126: bytes.readInteger(as: UInt16.self).map { Int($0) }
                case 127: bytes.readInteger(as: UInt64.self).map { Int($0) }
                case let short: short.map { Int($0) }
                }
            guard var payload = length.flatMap({ bytes.readSlice(length: $0) }) else { throw Uncut() }
            switch opcode {
            case 0x80 | Opcode.text.rawValue: sent.append(.message(payload, eventID: nil))
            case 0x80 | Opcode.close.rawValue: sent.append(.close(payload.readInteger() ?? 1005))
            case 0x80 | Opcode.ping.rawValue, 0x80 | Opcode.pong.rawValue: break
            default: throw Uncut()
            }
        }
    }

    /// `event: TYPE`, perhaps `id: NUMBER`, `data: JSON`, and an empty line.
    private static func cutEvents(_ bytes: inout ByteBuffer, into sent: inout [Sent]) throws {
        while bytes.readableBytes > 0 {
            var id: Int64?
            var data: ByteBuffer?
            while let line = readLine(&bytes), line.readableBytes > 0 {
                let colon = line.readableBytesView.firstIndex(of: UInt8(ascii: ":")) ?? line.writerIndex
                let name = String(buffer: line.slice(0..<colon - line.readerIndex))
                let value = line.slice(min(line.readableBytes, name.utf8.count + 2)..<line.readableBytes)
                switch name {
                case "id": id = Int64(String(buffer: value))
                case "data": data = value
                case "event", "": break
                default: throw Uncut()
                }
            }
            if let data { sent.append(.message(data, eventID: id)) }
        }
    }

    private static func readLine(_ bytes: inout ByteBuffer) -> ByteBuffer? {
        guard let end = bytes.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let line = bytes.readSlice(length: end - bytes.readerIndex)
        bytes.moveReaderIndex(forwardBy: 1)
        return line
    }
}

/// The server sent what a client cannot cut into messages.
struct Uncut: Error {}

/// Who a connection is before it is a socket.
private final class Guest: LaneMember {
    func tick(at moment: NIODeadline, wallTime: Timestamp) {}
    func drain() {}
    func abort() {}
}

/// A network that is full after some writes, and takes what waits at once or when it is told.
private final class Throttle: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    private(set) var isGone = false
    private weak var channel: EmbeddedChannel?
    private var random: SplitMix64
    private var isStalled = false
    private var takesAll = false

    init(_ channel: EmbeddedChannel, seed: UInt64) {
        self.channel = channel
        random = SplitMix64(seed: seed)
    }

    func handlerRemoved(context: ChannelHandlerContext) { isGone = true }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        context.write(data, promise: promise)
        guard !takesAll, let channel, channel.isWritable else { return }
        if isStalled || Int.random(in: 0..<6, using: &random) == 0 { become(writable: false) }
    }

    func flush(context: ChannelHandlerContext) {
        context.flush()
        guard !isStalled, let channel, !channel.isWritable else { return }
        if Bool.random(using: &random) { become(writable: true) }
    }

    func stall() {
        guard !takesAll else { return }
        isStalled = true
        if channel?.isWritable == true { become(writable: false) }
    }

    func takeAll(forGood: Bool) {
        isStalled = false
        if forGood { takesAll = true }
        if channel?.isWritable == false { become(writable: true) }
    }

    private func become(writable: Bool) {
        channel?.isWritable = writable
        channel?.pipeline.fireChannelWritabilityChanged()
    }
}
