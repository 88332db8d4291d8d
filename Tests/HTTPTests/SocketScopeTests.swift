import ApusCore
import ApusProtocol
import NIOCore
import NIOEmbedded
import Testing

@testable import ApusHTTP

@Suite struct SocketScopeTests {
    private func sequences(_ channel: EmbeddedChannel) throws -> [Int64] {
        try channel.sentTexts().compactMap { text in
            text.hasPrefix(#"{"type":"data.updated""#) ? Int64(text.dropFirst(29).prefix { $0 != "," }) : nil
        }
    }

    private func key(_ key: String) -> StreamScope {
        .key(CollectionName(stored: "c"), RecordKey(stored: key))
    }

    @Test func `sockets of one user with different scopes each hear their own part of one commit`() throws {
        let stage = SocketStage()
        let (all, one, some, none) = (
            try stage.session(), try stage.session(), try stage.session(), try stage.session()
        )
        let channels = try [all, one, some, none].map { try stage.connect($0) }
        one.subscriber.subscribe(to: key("b"), nil, id: nil)
        some.subscriber.subscribe(to: key("a"), nil, id: nil)
        some.subscriber.subscribe(to: .prefix(CollectionName(stored: "c"), KeyPrefix(stored: "a")), nil, id: nil)
        none.subscriber.subscribe(to: .collection(CollectionName(stored: "d")), nil, id: nil)
        for channel in channels { _ = try channel.sentTexts() }
        stage.hub.publish(["a", "ab", "b", "x", "a"].map { stage.service.commit($0, "1", owner: "u1") })
        stage.loop.run()
        #expect(try channels.map { try sequences($0) } == [[1, 2, 3, 4, 5], [3], [1, 2, 5], []])
        stage.write("b")
        stage.loop.run()
        #expect(try channels.map { try sequences($0) } == [[6], [6], [], []])
    }

    @Test func `a scope that changes between two commits misses none and repeats none`() throws {
        let stage = SocketStage()
        let (changing, other) = (try stage.session(), try stage.session())
        let (channel, otherChannel) = (try stage.connect(changing), try stage.connect(other))
        other.subscriber.subscribe(to: key("a"), nil, id: nil)
        // Both are published before the loop gets to either.
        stage.write("a")
        changing.subscriber.subscribe(to: key("a"), nil, id: nil)
        stage.write("a")
        stage.write("b")
        stage.loop.run()
        changing.subscriber.unsubscribe(from: key("a"), id: nil)
        stage.write("a")
        stage.loop.run()
        #expect(try sequences(channel) == [1, 2])
        #expect(try sequences(otherChannel) == [1, 2, 4])
    }

    @Test func `a slow socket takes its new scope after all that was told before`() throws {
        let stage = SocketStage()
        let session = try stage.session()
        let channel = try stage.connect(session)
        _ = try channel.sentTexts()
        channel.isWritable = false
        stage.write("a")
        stage.write("b")
        stage.loop.run()
        session.subscriber.subscribe(to: key("b"), nil, id: nil)
        stage.write("a")
        stage.write("b")
        stage.loop.run()
        #expect(try channel.sentTexts().isEmpty)
        channel.isWritable = true
        channel.pipeline.fireChannelWritabilityChanged()
        stage.loop.run()
        stage.write("a")
        stage.write("b")
        stage.loop.run()
        #expect(try sequences(channel) == [1, 2, 3, 4, 6])
    }

    @Test func `an event stream gets the same events as text`() throws {
        let stage = SocketStage()
        let stream = EventStream(
            principal: stage.subscriber().principal, opening: .everything, address: "127.0.0.1",
            context: stage.context, lane: stage.lane)
        let channel = EmbeddedChannel(handler: nil, loop: stage.loop)
        try channel.pipeline.syncOperations.addHandler(stream)
        channel.pipeline.fireChannelActive()
        stream.start()
        stage.loop.run()
        _ = try channel.readOutbound(as: ByteBuffer.self)
        stage.write("a")
        stage.loop.run()
        let event = try channel.readOutbound(as: ByteBuffer.self).map { String(buffer: $0) }
        #expect(event?.hasPrefix("event: data.updated\nid: 1\ndata: {\"type\":\"data.updated\",\"seq\":1,") == true)
    }
}

@Suite struct AnswerQueueTests {
    @Test func `answers come in the order of their frames, whichever is known first`() {
        var queue = AnswerQueue()
        let (first, second, third) = (queue.take(), queue.take(), queue.take())
        func ready() -> [Int64] {
            var found: [Int64] = []
            while let frame = queue.next() { found.append(Int64(String(buffer: frame).filter(\.isNumber)) ?? 0) }
            return found
        }
        queue.fill(second, with: .current(SequenceNumber(2), id: nil))
        #expect(ready().isEmpty && queue.count == 3)
        queue.fill(first, with: .current(SequenceNumber(1), id: nil))
        #expect(ready() == [1, 2])
        queue.fill(queue.take(), with: .current(SequenceNumber(4), id: nil))
        queue.fill(third, with: .current(SequenceNumber(3), id: nil))
        #expect(ready() == [3, 4] && queue.count == 0)
        let (known, unknown) = (queue.take(), queue.take())
        queue.fill(known, with: .acknowledged(.answer(ByteBuffer(string: "{12345}")), id: nil))
        #expect(queue.bytesReady == 2 + #"{"type":"ack",12345}"#.utf8.count)
        queue.drop()
        queue.fill(unknown, with: .current(SequenceNumber(5), id: nil))
        #expect(queue.bytesReady == 0 && queue.count == 0)
    }
}
