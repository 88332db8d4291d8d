import ApusCore
import Foundation
import Glibc
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import ApusHTTP

/// The connection on a channel without a network.
@Suite struct HTTPConnectionTests {
    private func channel(_ stage: SocketStage, from address: String = "203.0.113.5") throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handler: nil, loop: stage.loop)
        channel.connect(to: try SocketAddress(ipAddress: address, port: 4711), promise: nil)
        let routes = RouteTable(SystemRoutes.all + DataRoutes.all + AdminRoutes.all)
        let connection = HTTPConnection(context: stage.context, routes: routes, lane: stage.lane)
        let decoder = RequestDecoder(connection: connection, headerBytesMax: 16 << 10)
        try channel.pipeline.syncOperations.addHandlers([ByteToMessageHandler(decoder), connection])
        stage.loop.run()
        return channel
    }

    private func post(
        _ length: Int, token: String?, chunked: Bool = false, target: String = "/v1/data", method: String = "POST"
    ) -> String {
        "\(method) \(target) HTTP/1.1\r\nHost: x\r\n" + (token.map { "Authorization: Bearer \($0)\r\n" } ?? "")
            + (chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: \(length)\r\n\r\n")
    }

    private func get(_ target: String, _ headers: String = "") -> String {
        "GET \(target) HTTP/1.1\r\nHost: x\r\n\(headers)\r\n"
    }

    private let upgrade =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

    @Test(arguments: [nil, "nobody"])
    func `a stranger's body takes no room`(token: String?) throws {
        let stage = SocketStage()
        let channel = try channel(stage)
        try channel.write(post(10 << 20, token: token))
        try channel.write(String(repeating: "x", count: 100_000))
        let answer = try eventually(channel)
        #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("\r\nConnection: close\r\n"))
        #expect(stage.hub.bodies.bytes == 0)
        try channel.write(String(repeating: "x", count: 100_000))
        #expect(stage.hub.bodies.bytes == 0)
        #expect(try channel.sent() == "")
    }

    /// Asks until something was answered, because a token is verified on another thread.
    private func eventually(_ channel: EmbeddedChannel) throws -> String {
        for _ in 0..<3000 {
            channel.embeddedEventLoop.run()
            let answer = try channel.sent()
            if !answer.isEmpty { return answer }
            usleep(10_000)
        }
        return ""
    }

    @Test func `what is sent before a token is verified waits for that`() throws {
        let stage = SocketStage()
        let channel = try channel(stage)
        try channel.write(post(2, token: "slow-u1") + "{}" + get("/health/none"))
        #expect(stage.hub.bodies.bytes == 0)
        var answers = ""
        while answers.components(separatedBy: "HTTP/1.1 ").count < 3 {
            let more = try eventually(channel)
            guard !more.isEmpty else { break }
            answers += more
        }
        let statuses = answers.components(separatedBy: "HTTP/1.1 ").dropFirst().map { $0.prefix(3) }
        #expect(statuses == ["422", "404"])
    }

    @Test(arguments: [
        ("POST", "/nowhere", "404"), ("PATCH", "/v1/data", "405"), ("OPTIONS", "/v1/data", "204"),
        ("POST", "/v1/admin/users", "401"), ("POST", "/%zz", "400"), ("GET", "/health", "413"),
    ])
    func `what can be told from the head is told before the body comes`(
        method: String, target: String, status: String
    ) throws {
        for isChunked in [false, true] where !isChunked || status != "413" {
            let channel = try channel(SocketStage())
            try channel.write(post(1 << 20, token: nil, chunked: isChunked, target: target, method: method))
            #expect(try channel.sent().hasPrefix("HTTP/1.1 \(status) "))
        }
    }

    @Test func `a body of another type is refused before it comes`() throws {
        let channel = try channel(SocketStage())
        try channel.write(
            "PUT /v1/data/u1/c/k HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer u1\r\nContent-Type: text/plain\r\n"
                + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        #expect(try channel.sent().hasPrefix("HTTP/1.1 415 "))
    }

    @Test func `the room is given back when a request is answered, refused, late or given up`() throws {
        let stage = SocketStage { $0.bodyBytesMax = 1000 }
        let answered = try channel(stage)
        try answered.write(post(10, token: "u1") + "{")
        #expect(stage.hub.bodies.bytes == 1)
        try answered.write("\"a\":1234}")
        stage.loop.run()
        #expect(try answered.sent().hasPrefix("HTTP/1.1 422 "))
        #expect(stage.hub.bodies.bytes == 0)

        let refused = try channel(stage)
        try refused.write(post(0, token: "u1", chunked: true) + "1f4\r\n" + String(repeating: " ", count: 500) + "\r\n")
        #expect(stage.hub.bodies.bytes == 500)
        try refused.write("1f5\r\n" + String(repeating: " ", count: 501) + "\r\n")
        #expect(try refused.sent().hasPrefix("HTTP/1.1 413 "))
        #expect(stage.hub.bodies.bytes == 0)

        let broken = try channel(stage)
        try broken.write(post(0, token: "u1", chunked: true) + "4\r\n    \r\nzz\r\n")
        #expect(try broken.sent().hasPrefix("HTTP/1.1 400 "))
        #expect(stage.hub.bodies.bytes == 0)

        let late = try channel(stage)
        try late.write(post(10, token: "u1") + "{")
        #expect(stage.hub.bodies.bytes == 1)
        stage.lane.state.tick(at: .now() + .seconds(301), wallTime: stage.service.now())
        #expect(try late.sent().hasPrefix("HTTP/1.1 408 "))
        #expect(stage.hub.bodies.bytes == 0)

        let gone = try channel(stage)
        try gone.write(post(10, token: "u1") + "{")
        #expect(stage.hub.bodies.bytes == 1)
        gone.close(promise: nil)
        stage.loop.run()
        #expect(stage.hub.bodies.bytes == 0)
    }

    @Test func `a small body takes nothing of the room, so that large ones keep nobody's out`() throws {
        let stage = SocketStage {
            $0.bodiesBytesMax = 40
            $0.smallBodyBytesMax = 20
        }
        let large = try channel(stage)
        try large.write(post(100, token: "u1") + String(repeating: " ", count: 40))
        #expect(stage.hub.bodies.bytes == 40)
        let small = try channel(stage)
        try small.write(post(2, token: "u2") + "{}")
        stage.loop.run()
        #expect(try small.sent().hasPrefix("HTTP/1.1 422 "))
    }

    @Test func `one user, or one address, cannot take all the room`() throws {
        let stage = SocketStage {
            $0.bodiesBytesMax = 40
            $0.bodiesBytesPerUserMax = 10
            $0.bodiesBytesPerAddressMax = 20
        }
        func send(_ count: Int, as user: String, from address: String) throws -> (EmbeddedChannel, String) {
            let channel = try channel(stage, from: address)
            try channel.write(post(100, token: user) + String(repeating: " ", count: count))
            return (channel, try channel.sent())
        }
        let first = try send(10, as: "u1", from: "203.0.113.5")
        #expect(first.1 == "")
        let refused = try send(1, as: "u1", from: "203.0.113.6").1
        #expect(refused.hasPrefix("HTTP/1.1 429 ") && refused.contains("\r\nRetry-After: "))
        #expect(stage.service.refusals.withLock { $0.count { $0.hasPrefix("rate-limited POST") } } == 1)
        #expect(try send(10, as: "u2", from: "203.0.113.5").1 == "")
        #expect(try send(1, as: "u3", from: "203.0.113.5").1.hasPrefix("HTTP/1.1 429 "))
        #expect(try send(10, as: "u3", from: "2001:db8::1").1 == "")
        #expect(try send(10, as: "u4", from: "2001:db8::ffff").1 == "")
        #expect(try send(1, as: "u5", from: "203.0.113.9").1.hasPrefix("HTTP/1.1 503 "), "now it is really full")
        first.0.close(promise: nil)
        stage.loop.run()
        #expect(stage.hub.bodies.bytes == 30)
        #expect(try send(10, as: "u1", from: "203.0.113.9").1 == "")
    }

    @Test func `an address with all its connections is told so, then not heard any more`() throws {
        let stage = SocketStage(trusted: [AddressRange("198.51.100.7")].compactMap { $0 }) {
            $0.connectionsPerAddressMax = 2
        }
        func status(from address: String) throws -> String {
            let channel = try channel(stage, from: address)
            guard channel.isActive else { return "closed" }
            try channel.write(get("/"))
            return String(try channel.sent().dropFirst(9).prefix(3))
        }
        let kept = try (0..<2).map { _ in try channel(stage, from: "2001:db8::1") }
        #expect(try status(from: "2001:db8::2") == "429", "a /64 counts as one address")
        #expect(stage.hub.connectionCount == 3)
        _ = try status(from: "2001:db8::2")
        #expect(try status(from: "2001:db8:0:1::1") == "200")
        for _ in 0..<4 {
            #expect(try status(from: "127.0.0.1") == "200")
            #expect(try status(from: "198.51.100.7") == "200")
        }
        for channel in kept { channel.close(promise: nil) }
        stage.loop.run()
        #expect(try status(from: "2001:db8::3") != "closed")
    }

    @Test func `a user with all the sockets one may have is refused before the upgrade`() throws {
        let stage = SocketStage { $0.socketsPerUserMax = 2 }
        func open(_ user: String) throws -> (channel: EmbeddedChannel, answer: String) {
            let channel = try channel(stage)
            try channel.write(get("/?token=\(user)", upgrade))
            stage.loop.run()
            return (channel, try channel.sent())
        }
        let sockets = [try open("u1"), try open("u1")]
        for socket in sockets {
            #expect(socket.answer.hasPrefix("HTTP/1.1 101 ") && socket.answer.contains("\r\nX-Request-Id: "))
        }
        let refused = try open("u1").answer
        #expect(refused.hasPrefix("HTTP/1.1 429 ") && refused.contains("\r\nRetry-After: "))
        #expect(try open("u2").answer.hasPrefix("HTTP/1.1 101 "))
        #expect(stage.hub.socketCount == 3)
        sockets[0].channel.close(promise: nil)
        stage.loop.run()
        #expect(stage.hub.socketCount == 2)
        #expect(try open("u1").answer.hasPrefix("HTTP/1.1 101 "))
    }

    @Test func `however many requests come in one piece, the stack stays small`() async {
        let count = 20_000
        let answers = await withCheckedContinuation { continuation in
            let thread = Thread {
                let stage = SocketStage()
                let channel = try? channel(stage)
                try? channel?.write(String(repeating: get("/"), count: count))
                let sent = (try? channel?.sent()) ?? ""
                continuation.resume(returning: sent.components(separatedBy: "HTTP/1.1 200 OK\r\n").count - 1)
            }
            thread.stackSize = 256 << 10
            thread.start()
        }
        #expect(answers == count)
    }

    @Test func `a server that stops opens no socket any more`() throws {
        let stage = SocketStage()
        let channel = try channel(stage)
        try channel.write(get("/?token=slow-u1", upgrade))
        stage.lane.state.drain()
        #expect(try eventually(channel).hasPrefix("HTTP/1.1 503 "))
        #expect(stage.hub.socketCount == 0)
    }

    @Test func `a request that was given up has its room as long as it is worked on`() throws {
        let stage = SocketStage()
        let channel = try channel(stage)
        let body = "[" + String(repeating: " ", count: 300_000) + "]"
        stage.service.holdWrites()
        try channel.write(post(body.utf8.count, token: "u1", target: "/v1/data/u1/c/k", method: "PUT") + body)
        channel.close(promise: nil)
        for _ in 0..<3000 where stage.service.writesHeld == 0 {
            stage.loop.run()
            usleep(10_000)
        }
        #expect(stage.hub.bodies.bytes == body.utf8.count)
        stage.service.releaseWrites()
        for _ in 0..<3000 where stage.hub.bodies.bytes > 0 {
            stage.loop.run()
            usleep(10_000)
        }
        #expect(stage.hub.bodies.bytes == 0)
    }

    @Test func `headers that never end are answered with 408`() throws {
        let stage = SocketStage()
        let channel = try channel(stage)
        try channel.write("GET / HTTP/1.1\r\nHost: x\r\nX-")
        stage.lane.state.tick(at: .now() + .seconds(11), wallTime: stage.service.now())
        #expect(try channel.sent().hasPrefix("HTTP/1.1 408 "))
    }

    @Test func `an answer to a request that was given up goes nowhere`() throws {
        let stage = SocketStage()
        let channel = try channel(stage)
        stage.service.hold()
        try channel.write(get("/v1/data/u1", "Authorization: Bearer u1\r\n"))
        channel.close(promise: nil)
        stage.loop.run()
        stage.service.release()
        stage.loop.run()
        #expect(try channel.sent() == "")
        #expect(stage.hub.connectionCount == 0)
    }
}

extension EmbeddedChannel {
    func write(_ text: String) throws {
        try writeInbound(ByteBuffer(string: text))
    }

    /// Everything sent since the last call.
    func sent() throws -> String {
        var text = ""
        while let bytes = try readOutbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
        return text
    }
}
