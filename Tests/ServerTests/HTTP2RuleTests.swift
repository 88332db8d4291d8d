import Testing

/// What is done about clients that break the rules of HTTP/2 (RFC 9113), or flood the server with frames.
@Suite(.serialized) struct HTTP2RuleTests {
    private typealias Kind = HTTP2Wire.Kind
    private typealias Flag = HTTP2Wire.Flag

    private static let server = Result { try RunningServer(TestCertificate.shared.get().settings) }
    private let server: RunningServer

    init() throws { server = try Self.server.get() }

    private static func get(_ path: String = "/health") -> [UInt8] { HTTP2Wire.block(HTTP2Wire.fields("GET", path)) }
    private static func block(_ others: [(String, String)]) -> [UInt8] {
        HTTP2Wire.block(HTTP2Wire.fields("GET", "/health", others))
    }

    private static let whole = Flag.endHeaders | Flag.endStream

    /// What it is, the frames, the stream's or connection's error code. Other streams must go on after a stream's.
    static let streamErrors: [(String, [UInt8], Int)] = [
        ("a field that is the connection's", block([("connection", "close")]), 1),
        ("an upgrade", block([("upgrade", "websocket")]), 1),
        ("a transfer coding", block([("transfer-encoding", "chunked")]), 1),
        ("a name in capitals", block([]) + [0, 1, UInt8(ascii: "X"), 1, UInt8(ascii: "y")], 1),
        ("a line end in a value", block([("x", "a\r\nb")]), 1),
        ("no path", HTTP2Wire.block([(":method", "GET"), (":scheme", "https")]), 1),
        ("an empty path", get(""), 1),
        ("a method twice", HTTP2Wire.block([(":method", "GET")]) + get(), 1),
        ("an unknown pseudo-field", HTTP2Wire.block([(":what", "x")]) + get(), 1),
        ("a pseudo-field behind others", HTTP2Wire.block([("x", "y")]) + get(), 1),
        ("a socket by RFC 8441", HTTP2Wire.block([(":protocol", "websocket")]) + get(), 1),
        ("less of a body than announced", block([("content-length", "5")]), 1),
    ]

    @Test(arguments: streamErrors.indices)
    func `a request that is none is reset and others go on`(index: Int) throws {
        let (what, block, code) = Self.streamErrors[index]
        let wire = try HTTP2Wire(server)
        try wire.send(Kind.headers, block, flags: Self.whole, stream: 1)
        #expect(try wire.answer(1).resetCode == code, "\(what)")
        try wire.request(3, "GET", "/health")
        #expect(try wire.answer(3).status == 200, "\(what)")
    }

    static let connectionErrors: [(String, [UInt8], Int)] = [
        ("DATA on no stream", HTTP2Wire.frame(Kind.data, [1], stream: 0), 1),
        ("DATA on an idle stream", HTTP2Wire.frame(Kind.data, [1], stream: 9), 1),
        ("HEADERS on a server's stream", HTTP2Wire.frame(Kind.headers, get(), flags: whole, stream: 2), 1),
        ("SETTINGS of a wrong length", HTTP2Wire.frame(Kind.settings, [0, 1, 2]), 6),
        ("SETTINGS with a window that is too large", HTTP2Wire.frame(Kind.settings, [0, 4, 255, 255, 255, 255]), 3),
        ("a frame that is too large", HTTP2Wire.frame(Kind.data, [UInt8](repeating: 0, count: 20_000), stream: 1), 6),
        ("PING of a wrong length", HTTP2Wire.frame(Kind.ping, [1]), 6),
        ("a window that grows by nothing", HTTP2Wire.frame(Kind.windowUpdate, [0, 0, 0, 0]), 1),
        ("a window that grows too large", HTTP2Wire.frame(Kind.windowUpdate, [0x7F, 255, 255, 255]), 3),
        ("CONTINUATION of nothing", HTTP2Wire.frame(Kind.continuation, get(), flags: Flag.endHeaders, stream: 1), 1),
        ("a block that cannot be unpacked", HTTP2Wire.frame(Kind.headers, [0xFF, 0xFF], flags: whole, stream: 1), 9),
        (
            "headers without end",
            HTTP2Wire.frame(Kind.headers, get(), stream: 1)
                + (0..<40).flatMap { _ in
                    HTTP2Wire.frame(
                        Kind.continuation, HTTP2Wire.block([("x", String(repeating: "y", count: 8000))]), stream: 1)
                }, 1
        ),
        (
            "headers in endless little pieces",
            HTTP2Wire.frame(Kind.headers, get(), stream: 1)
                + (0..<1000).flatMap { _ in HTTP2Wire.frame(Kind.continuation, [], stream: 1) }, 11
        ),
        (
            "a flood of PING", (0..<1000).flatMap { _ in HTTP2Wire.frame(Kind.ping, [UInt8](repeating: 1, count: 8)) },
            11
        ),
        ("a flood of SETTINGS", (0..<1000).flatMap { _ in HTTP2Wire.frame(Kind.settings) }, 11),
        (
            "a flood of PRIORITY",
            (0..<1000).flatMap { HTTP2Wire.frame(Kind.priority, [0, 0, 0, 0, 1], stream: 2 * $0 + 1) }, 11
        ),
        (
            "a flood of empty DATA",
            HTTP2Wire.frame(
                Kind.headers, HTTP2Wire.block(HTTP2Wire.fields("POST", "/v1/data")), flags: Flag.endHeaders, stream: 1)
                + (0..<1000).flatMap { _ in HTTP2Wire.frame(Kind.data, stream: 1) }, 11
        ),
        (
            "a flood of requests that are taken back (CVE-2023-44487)",
            (0..<1000).flatMap { number in
                HTTP2Wire.frame(Kind.headers, get(), flags: whole, stream: 2 * number + 1)
                    + HTTP2Wire.frame(Kind.reset, HTTP2Wire.bytes(8, 4), stream: 2 * number + 1)
            }, 11
        ),
        (
            "a flood of requests that have to be reset",
            (0..<1000).flatMap { number in
                HTTP2Wire.frame(Kind.headers, block([("connection", "x")]), flags: whole, stream: 2 * number + 1)
            }, 11
        ),
    ]

    @Test(arguments: connectionErrors.indices)
    func `a connection that breaks the rules is ended, and no other`(index: Int) throws {
        let (what, frames, code) = Self.connectionErrors[index]
        let other = try HTTP2Wire(server)
        let wire = try HTTP2Wire(server)
        do { try wire.socket.send(frames) } catch SocketFailure.closed {}
        let end = try wire.end()
        #expect(end == code || end == nil, "\(what)")
        try other.request(1, "GET", "/health")
        #expect(try other.answer(1).status == 200, "\(what)")
    }

    @Test func `a connection that does not begin as HTTP/2 is ended`() throws {
        let wire = try HTTP2Wire(server, preface: Array("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
        _ = try wire.end()
        #expect(try server.call("GET", "/health").status == 200)
    }

    @Test func `more streams at once than are allowed end the connection`() throws {
        let wire = try HTTP2Wire(server)
        let block = HTTP2Wire.block(HTTP2Wire.fields("POST", "/v1/data", [TestUser(server).authorization]))
        for number in 0...100 {
            try? wire.send(Kind.headers, block, flags: Flag.endHeaders, stream: 2 * number + 1)
        }
        try wire.read { !wire.goAways.isEmpty || wire.answers[201]?.resetCode != nil }
        #expect(wire.goAways.last?.errorCode == 1 || wire.answers[201]?.resetCode == 7)
    }

    @Test func `a ping is answered, and a stream that is closed may still get what was on its way`() throws {
        let wire = try HTTP2Wire(server)
        try wire.request(1, "GET", "/health")
        #expect(try wire.answer(1).status == 200)
        try wire.send(Kind.windowUpdate, HTTP2Wire.bytes(1000, 4), stream: 1)
        try wire.send(Kind.reset, HTTP2Wire.bytes(8, 4), stream: 1)
        try wire.send(Kind.ping, [UInt8](repeating: 7, count: 8))
        try wire.read { wire.pongs == 1 }
        #expect(wire.pongs == 1)
        try wire.request(3, "GET", "/health")
        #expect(try wire.answer(3).status == 200)
    }
}
