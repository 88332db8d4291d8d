import ApusCore
import Foundation
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import ApusHTTP

/// A download on a channel without a network; its pieces are made by the test.
@Suite struct DownloadTests {
    private let stage = SocketStage()
    private let maker = Maker()

    private func channel() throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handler: nil, loop: stage.loop)
        channel.connect(to: try SocketAddress(ipAddress: "203.0.113.5", port: 4711), promise: nil)
        let route = Route(pattern: "/file", access: .everyone) { [maker] _ throws(ApusError) in
            Download(fileName: "f.txt", contentType: "text/plain") { maker.pipe = $0 }
        }
        let routes = RouteTable(SystemRoutes.all + [route])
        let connection = HTTPConnection(context: stage.context, routes: routes, lane: stage.lane)
        let decoder = RequestDecoder(connection: connection, headerBytesMax: 16 << 10)
        try channel.pipeline.syncOperations.addHandlers([ByteToMessageHandler(decoder), connection])
        stage.loop.run()
        return channel
    }

    private func ask(_ channel: EmbeddedChannel, _ version: String = "1.1", method: String = "GET") throws {
        try channel.writeInbound(ByteBuffer(string: "\(method) /file HTTP/\(version)\r\nHost: x\r\n\r\n"))
    }

    /// Everything sent since the last call.
    private func sent(_ channel: EmbeddedChannel) throws -> String {
        stage.loop.run()
        var text = ""
        while let bytes = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
        return text
    }

    private func tick(after seconds: Int64) {
        stage.lane.state.tick(at: .now() + .seconds(seconds), wallTime: stage.service.now())
    }

    @Test func `the head comes with the first piece, and the next request is taken behind the last`() throws {
        let channel = try channel()
        try ask(channel)
        #expect(try sent(channel).isEmpty)
        #expect(maker.give("first"))
        let head = try sent(channel)
        #expect(head.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"))
        #expect(head.contains("\r\nContent-Disposition: attachment; filename=\"f.txt\"\r\nCache-Control: no-store\r\n"))
        #expect(head.hasSuffix("\r\n\r\n5\r\nfirst\r\n") && !head.contains("Content-Length"))
        try channel.writeInbound(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
        #expect(maker.give(String(repeating: "x", count: 300)))
        #expect(try sent(channel).hasPrefix("12c\r\nxxx"))
        maker.end("last")
        let rest = try sent(channel)
        #expect(rest.hasPrefix("4\r\nlast\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n") && rest.contains("\"name\":\"apus\""))
    }

    @Test func `a download of nothing has a last chunk only`() throws {
        let channel = try channel()
        try ask(channel)
        maker.end("")
        #expect(try sent(channel).hasSuffix("\r\n\r\n0\r\n\r\n"))
        #expect(channel.isActive)
    }

    @Test func `an error before the first piece is an answer of its own, one behind it cuts the connection`() throws {
        let refused = try channel()
        try ask(refused)
        maker.fail(.overloaded("the test"))
        let answer = try sent(refused)
        #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 1\r\n"))
        #expect(refused.isActive)

        let cut = try channel()
        try ask(cut)
        #expect(maker.give("first"))
        maker.fail(.overloaded("the test"))
        #expect(try !sent(cut).contains("0\r\n\r\n"))
        #expect(!cut.isActive && stage.hub.connectionCount == 1)
    }

    @Test func `no piece is made before the client has taken the one before`() throws {
        let channel = try channel()
        try ask(channel)
        channel.isWritable = false
        #expect(maker.give("1"))
        #expect(try sent(channel).hasSuffix("1\r\n1\r\n"))
        let next = Background { [maker] in maker.give("2") }
        usleep(50_000)
        #expect(!next.isFinished)
        #expect(try sent(channel).isEmpty)
        channel.isWritable = true
        channel.pipeline.fireChannelWritabilityChanged()
        #expect(next.value)
        #expect(try sent(channel) == "1\r\n2\r\n")
    }

    @Test func `a client that takes nothing for 30 s is cut, and nobody makes pieces for it`() throws {
        let channel = try channel()
        try ask(channel)
        channel.isWritable = false
        #expect(maker.give("1"))
        _ = try sent(channel)
        let next = Background { [maker] in maker.give("2") }
        tick(after: 29)
        stage.loop.run()
        #expect(channel.isActive)
        tick(after: 31)
        stage.loop.run()
        #expect(!channel.isActive)
        #expect(!next.value)
        #expect(!maker.give("3"))
    }

    @Test func `a maker that has nothing to give for long is waited for`() throws {
        let channel = try channel()
        try ask(channel)
        #expect(maker.give("1"))
        _ = try sent(channel)
        for seconds in [20, 40, 60, 80] as [Int64] { tick(after: seconds) }
        stage.loop.run()
        #expect(channel.isActive)
        maker.end("2")
        #expect(try sent(channel) == "1\r\n2\r\n0\r\n\r\n")
    }

    @Test func `when the client goes nobody makes pieces for it, begun or not`() throws {
        for isBegun in [false, true] {
            let channel = try channel()
            try ask(channel)
            if isBegun {
                #expect(maker.give("1"))
                _ = try sent(channel)
            }
            channel.close(promise: nil)
            stage.loop.run()
            #expect(!maker.give("2"))
            maker.end("3")
            stage.loop.run()
        }
        #expect(stage.hub.connectionCount == 0)
    }

    @Test func `the stop of the server ends a download, and refuses one that has not begun`() throws {
        let (begun, waiting) = (try channel(), try channel())
        try ask(begun)
        #expect(maker.give("1"))
        _ = try sent(begun)
        let first = maker.pipe
        try ask(waiting)
        stage.lane.state.drain()
        stage.loop.run()
        #expect(!begun.isActive && first?.give(ByteBuffer(string: "2")) == false)
        _ = maker.give("1")
        #expect(try sent(waiting).hasPrefix("HTTP/1.1 503 "))
    }

    @Test func `HTTP 1_0 gets the pieces as they are until the end of the connection`() throws {
        let channel = try channel()
        try ask(channel, "1.0")
        #expect(maker.give("first"))
        let head = try sent(channel)
        #expect(head.contains("\r\nConnection: close\r\n") && head.hasSuffix("\r\n\r\nfirst"))
        #expect(!head.contains("chunked") && !head.contains("Content-Length"))
        maker.end("last")
        #expect(try sent(channel) == "last")
    }

    @Test(arguments: ["1.1", "1.0"])
    func `HEAD is answered with the head alone, and nothing is made`(version: String) throws {
        let channel = try channel()
        try ask(channel, version, method: "HEAD")
        let head = try sent(channel)
        #expect(head.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n") && head.hasSuffix("\r\n\r\n"))
        #expect(head.contains("Transfer-Encoding: chunked") == (version == "1.1"))
        #expect(maker.pipe == nil)
    }
}

/// Makes pieces when it is told to.
private final class Maker: Sendable {
    private let kept: Mutex<DownloadPipe?> = Mutex(nil)

    var pipe: DownloadPipe? {
        get { kept.withLock { $0 } }
        set { kept.withLock { $0 = newValue } }
    }

    func give(_ text: String) -> Bool { pipe?.give(ByteBuffer(string: text)) ?? false }
    func end(_ text: String) { pipe?.end(.success(ByteBuffer(string: text))) }
    func fail(_ error: ApusError) { pipe?.end(.failure(error)) }
}

/// Work on a thread of its own, which may block.
private final class Background<Answer: Sendable>: Sendable {
    private let answer: Mutex<Answer?> = Mutex(nil)
    private let finished = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () -> Answer) {
        Thread.detachNewThread { [self] in
            let found = body()
            answer.withLock { $0 = found }
            finished.signal()
        }
    }

    var isFinished: Bool { answer.withLock { $0 != nil } }

    /// Waits for it.
    var value: Answer {
        finished.wait()
        finished.signal()
        guard let answer = answer.withLock({ $0 }) else { preconditionFailure("it has signalled without an answer") }
        return answer
    }
}
