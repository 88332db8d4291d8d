import Glibc
import Testing

@Suite(.serialized) struct FanOutTests {
    @Test func `200 sockets of one user all get 10,000 bulk-written changes in order, each once`() async throws {
        // The readers share two cores with the server, so it may have to hold more for them than it would otherwise.
        let server = try RunningServer(["WS_BUFFER_BYTES": "16777216"])
        let user = TestUser(server)
        let first = try user.listening()
        let sockets = try (1..<200).map { _ in StreamCheck(try user.listening()) }
        let bulks = (0..<10).map { bulk in (0..<1000).map { item("k\(bulk * 1000 + $0)", "\($0)", in: "fan") } }
        let writer = Background {
            for bulk in bulks { try #require(try user.bulk(bulk).json()["applied"].int == 1000) }
        }
        let reader = Background { [first = Sole(first), sockets = Sole(sockets)] in
            var expected: [[UInt8]] = []
            var frames: [UInt8] = []
            for sequence in 1...10_000 {
                let message = try first.value.nextMessage()
                let event = try JSON(message)
                #expect(event["seq"].int == sequence && event["data"]["key"].text == "k\(sequence - 1)")
                expected.append(message)
                frames += WebSocket.header(WebSocket.Opcode.text, count: message.count, isMasked: false) + message
                if sequence % 250 == 0 {
                    for socket in sockets.value { try socket.read(upTo: sequence, of: expected, newest: frames) }
                    frames.removeAll(keepingCapacity: true)
                }
            }
            return sockets.value.map(\.count)
        }
        let counts = try await reader.value()
        try writer.wait()
        #expect(counts == Array(repeating: 10_000, count: 199))
    }
}

/// Compares what a socket gets with what it must get, quickly, because there is much of it.
private final class StreamCheck {
    private let socket: WebSocket
    private(set) var count = 0

    init(_ socket: WebSocket) {
        self.socket = socket
    }

    /// Reads until `target` messages were equal to the expected ones.
    ///
    /// - Parameter frames: those not read yet as they look when nothing comes between them.
    func read(upTo target: Int, of expected: [[UInt8]], newest frames: [UInt8]) throws {
        if try socket.socket.skip(frames) {
            count = target
            return
        }
        while count < target {
            let message = try socket.nextMessage()
            guard message == expected[count] else {
                throw SocketFailure.malformed("message \(count + 1): \(String(decoding: message, as: UTF8.self))")
            }
            count += 1
        }
    }
}
