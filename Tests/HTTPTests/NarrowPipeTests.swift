import ApusCore
import ApusProtocol
import NIOCore
import NIOEmbedded
import Testing

@testable import ApusHTTP

@Suite struct NarrowPipeTests {
    @Test func `what happens while a page fills the connection is told after current`() throws {
        let stage = SocketStage()
        let session = try stage.session()
        let channel = try stage.connect(session)
        try channel.pipeline.syncOperations.addHandler(NarrowPipe(channel), position: .first)
        session.subscriber.subscribe(to: key("a"), nil, id: nil)
        stage.write("b")
        stage.loop.run()
        stage.service.hold()
        session.subscriber.subscribe(to: key("b"), ResumePoint(since: .zero, epoch: nil), id: nil)
        stage.write("a")
        stage.loop.run()
        _ = try channel.sentTexts()
        stage.service.release()
        stage.loop.run()
        let starts = [#"{"type":"data.updated","seq":1,"#, #"{"type":"current","#, #"{"type":"data.updated","seq":2,"#]
        let texts = try channel.sentTexts()
        #expect(texts.count == starts.count && zip(texts, starts).allSatisfy { $0.hasPrefix($1) }, "\(texts)")
    }

    private func key(_ key: String) -> StreamScope {
        .key(CollectionName(stored: "c"), RecordKey(stored: key))
    }
}

/// A network that is full after each write, and takes everything as soon as it is told to: then the channel says so
/// before the call that told it returns, as a real one does.
private final class NarrowPipe: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    private unowned let channel: EmbeddedChannel

    init(_ channel: EmbeddedChannel) {
        self.channel = channel
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        context.write(data, promise: promise)
        become(writable: false)
    }

    func flush(context: ChannelHandlerContext) {
        context.flush()
        become(writable: true)
    }

    private func become(writable: Bool) {
        guard channel.isWritable != writable else { return }
        channel.isWritable = writable
        channel.pipeline.fireChannelWritabilityChanged()
    }
}
