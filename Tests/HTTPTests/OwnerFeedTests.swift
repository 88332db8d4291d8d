import ApusCore
import ApusTesting
import NIOCore
import NIOEmbedded
import Testing

@testable import ApusHTTP

@Suite struct OwnerFeedTests {
    private let stage = SocketStage()

    private func run(_ sequence: Int64, _ text: String) -> FeedRun {
        FeedRun(last: SequenceNumber(sequence), bytes: ByteBuffer(string: text))
    }

    private func tell(_ feed: OwnerFeed, _ runs: FeedRun...) {
        for run in runs { feed.append(run) }
        feed.pump()
    }

    /// What `subscriber` takes next.
    private func take(_ subscriber: Subscriber, from feed: OwnerFeed) -> String? {
        feed.next(after: &subscriber.cursor).map { String(buffer: $0.bytes) }
    }

    @Test func `a feed that nobody reads keeps nothing`() {
        let feed = OwnerFeed(scopes: [.everything])
        #expect(feed.isEmpty)
        tell(feed, run(1, "abc"), run(2, "de"))
        #expect(feed.bytesHeld == 0)
        feed.trim()
        #expect(feed.bytesHeld == 0)
    }

    @Test func `each socket reads at its own pace, from where it joined`() throws {
        let feed = OwnerFeed(scopes: [.everything])
        let (quick, slow) = (stage.subscriber(), stage.subscriber())
        feed.join(quick)
        feed.join(slow)
        tell(feed, run(1, "abc"), run(2, "de"))
        #expect(take(quick, from: feed) == "abc")
        #expect(take(quick, from: feed) == "de")
        #expect(take(quick, from: feed) == nil)
        #expect(take(slow, from: feed) == "abc")
        let late = stage.subscriber()
        feed.join(late)
        tell(feed, run(3, "f"))
        #expect(take(late, from: feed) == "f")
        #expect(take(slow, from: feed) == "de")
        #expect(take(slow, from: feed) == "f")
        #expect(take(quick, from: feed) == "f")
    }

    @Test func `what every socket has taken is forgotten, and not sooner`() throws {
        let feed = OwnerFeed(scopes: [.everything])
        let (quick, slow) = (stage.subscriber(), stage.subscriber())
        feed.join(quick)
        feed.join(slow)
        tell(feed, run(1, "abc"), run(2, "de"))
        for _ in 1...2 { _ = take(quick, from: feed) }
        feed.trim()
        #expect(feed.bytesHeld == 5)
        #expect(feed.bytesBehind(quick.cursor) == 0)
        #expect(feed.bytesBehind(slow.cursor) == 5)
        _ = take(slow, from: feed)
        feed.trim()
        #expect(feed.bytesHeld == 2)
        #expect(feed.bytesBehind(slow.cursor) == 2)
        tell(feed, run(3, "fghi"))
        #expect(feed.bytesHeld == 6)
        #expect(feed.bytesBehind(quick.cursor) == 4)
        #expect(take(slow, from: feed) == "de", "places hold, though runs before them were forgotten")
        feed.leave(slow, at: slow.cursor)
        #expect(feed.bytesHeld == 4)
        #expect(take(quick, from: feed) == "fghi")
        feed.leave(quick, at: quick.cursor)
        #expect(feed.bytesHeld == 0 && feed.isEmpty)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `whoever leaves, in whatever order, what the slowest needs is kept and no more`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let feed = OwnerFeed(scopes: [.everything])
        var subscribers: [Subscriber] = []
        var sequence: Int64 = 0
        for _ in 0..<2000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                subscribers.append(stage.subscriber())
                feed.join(subscribers[subscribers.count - 1])
            case 1 where !subscribers.isEmpty:
                let gone = subscribers.remove(at: Int.random(in: 0..<subscribers.count, using: &random))
                feed.leave(gone, at: gone.cursor)
            case 2, 3:
                sequence += 1
                tell(feed, run(sequence, "\(sequence)"))
            default:
                guard let subscriber = subscribers.randomElement(using: &random) else { break }
                let last = feed.next(after: &subscriber.cursor)?.last
                #expect(last.map { $0 <= SequenceNumber(sequence) } ?? (feed.bytesBehind(subscriber.cursor) == 0))
                feed.trim()
            }
            #expect(feed.bytesHeld == subscribers.map { feed.bytesBehind($0.cursor) }.max() ?? 0)
        }
        for subscriber in subscribers { feed.leave(subscriber, at: subscriber.cursor) }
        #expect(feed.isEmpty && feed.bytesHeld == 0)
    }

    @Test func `a socket is far behind one byte past the limit`() throws {
        let stage = SocketStage { $0.socketBufferBytesMax = 10 }
        let feed = OwnerFeed(scopes: [.everything])
        let subscriber = stage.subscriber()
        #expect(!subscriber.isFarBehind)
        feed.join(subscriber)
        subscriber.feed = feed
        tell(feed, run(1, "0123456789"))
        #expect(!subscriber.isFarBehind)
        tell(feed, run(2, "x"))
        #expect(subscriber.isFarBehind)
        _ = take(subscriber, from: feed)
        #expect(!subscriber.isFarBehind)
    }
}

@Suite struct SocketEventsTests {
    private func event(_ sequence: Int64, _ key: String, _ value: String = "1") -> String {
        #"{"type":"data.updated","seq":\#(sequence),"data":{"user_id":"u1","collection":"c","key":"\#(key)","#
            + #""value":\#(value),"updated_at":"1970-01-01T00:00:00.000Z","deleted_at":null,"expires_at":null,"#
            + #""seq":\#(sequence)}}"#
    }

    private func hello(_ sequence: Int64) -> String {
        #"{"type":"hello","user_id":"u1","epoch":"e","seq":\#(sequence),"#
            + #""server_time":"1970-01-01T00:00:00.000Z","heartbeat_ms":25000}"#
    }

    @Test func `a new socket hears hello, then every change of its own user`() throws {
        let stage = SocketStage()
        stage.write("before")
        let channel = try stage.connect(stage.session())
        #expect(try channel.sentTexts() == [hello(1)])
        stage.write("a")
        stage.write("x", owner: "u2")
        stage.write("b", "2")
        stage.loop.run()
        #expect(try channel.sentTexts() == [event(2, "a"), event(3, "b", "2")])
    }

    @Test func `what is committed while a socket opens is told once, before or after hello`() throws {
        let stage = SocketStage()
        stage.service.hold()
        let channel = try stage.connect(stage.session())
        stage.write("during")
        stage.loop.run()
        #expect(try channel.sentTexts() == [], "nothing comes before hello")
        stage.service.release()
        stage.loop.run()
        #expect(try channel.sentTexts() == [hello(0), event(1, "during")])
        stage.write("after")
        stage.loop.run()
        #expect(try channel.sentTexts() == [event(2, "after")])
    }

    @Test(arguments: [0, 1, 3] as [Int64])
    func `a socket that resumes hears what it missed, then that it is current, then what is new`(since: Int64) throws {
        let stage = SocketStage()
        for key in ["a", "b", "c"] { stage.write(key) }
        let channel = try stage.connect(stage.session(since: since))
        let missed = [event(1, "a"), event(2, "b"), event(3, "c")].dropFirst(Int(since))
        #expect(try channel.sentTexts() == [hello(3)] + missed + [#"{"type":"current","seq":3}"#])
        stage.write("d")
        stage.loop.run()
        #expect(try channel.sentTexts() == [event(4, "d")])
    }

    @Test func `what is committed while a socket catches up is told exactly once`() throws {
        let stage = SocketStage()
        stage.write("a")
        let session = try stage.session(since: 0)
        stage.service.hold()
        let channel = try stage.connect(session)
        var sent: [String] = []
        // Each step gives one answer of the storage, and something is written before and after it.
        for step in 0..<6 {
            stage.write("x\(step)")
            stage.loop.run()
            stage.service.release()
            stage.service.hold()
            stage.write("y\(step)")
            stage.loop.run()
            sent += try channel.sentTexts()
        }
        let numbers = sent.compactMap { text in
            text.hasPrefix(#"{"type":"data.updated""#) ? Int64(text.dropFirst(29).prefix { $0 != "," }) : nil
        }
        #expect(numbers == Array(1...13))
        #expect(sent.filter { $0.hasPrefix(#"{"type":"current""#) }.count == 1)
    }

    @Test func `a position in the future is reset to a snapshot`() throws {
        let stage = SocketStage()
        stage.write("a")
        let channel = try stage.connect(stage.session(since: 2))
        #expect(
            try channel.sentTexts() == [
                hello(1), #"{"type":"reset","reason":"future"}"#, event(1, "a"), #"{"type":"current","seq":1}"#,
            ])
    }

    @Test func `a long absence is caught up page by page`() throws {
        let stage = SocketStage()
        for index in 1...1201 { _ = stage.service.commit("k\(index)", "1", owner: "u1") }
        let channel = try stage.connect(stage.session(since: 0))
        let sent = try channel.sentTexts()
        #expect(sent.count == 1203)
        #expect(sent[1] == event(1, "k1") && sent[1201] == event(1201, "k1201"))
        #expect(sent.last == #"{"type":"current","seq":1201}"#)
    }

    @Test func `a socket that closes says so with its code`() throws {
        let stage = SocketStage()
        let session = try stage.session()
        let channel = try stage.connect(session)
        _ = try channel.sentTexts()
        session.drain()
        #expect(try channel.sentTexts() == ["8: [3, 233]"])
        stage.write("late")
        stage.loop.run()
        #expect(try channel.sentTexts() == [], "nothing comes after goodbye")
    }
}
