import Glibc
import Testing

/// REST and event streams over HTTP/2.
@Suite(.serialized) struct HTTP2Tests {
    private let certificate: TestCertificate
    private let server: RunningServer
    private let user: TestUser

    init() throws {
        certificate = try TestCertificate()
        server = try RunningServer(certificate.settings)
        user = TestUser(server)
    }

    private var authorization: [(String, String)] { [user.authorization] }
    private var json: [(String, String)] { [user.authorization, ("content-type", "application/json")] }

    private func curl(_ options: String, _ path: String = "/health") throws -> String {
        try certificate.curl("--http2 \(options)", port: server.ownPort, path: path)
    }

    @Test func `curl chooses HTTP/2 and gets the same answers as with HTTP/1.1`() throws {
        let shown = "-D - -o /dev/null -H 'Authorization: Bearer \(user.token)'"
        try user.mustSet("k", "1")
        for (options, path) in [
            ("", "/health"), ("", user.path("things", "k")), ("-I", user.path("things", "k")), ("", "/nowhere"),
            ("-X PATCH", "/health"), ("-X OPTIONS", "/health"), ("-H 'If-None-Match: \"1\"'", user.path("things", "k")),
        ] {
            func heads(_ version: String) throws -> [String] {
                let head = try certificate.curl("\(version) \(shown) \(options)", port: server.ownPort, path: path)
                let lines = head.split(whereSeparator: \.isNewline).map { $0.lowercased() }
                return lines.filter { line in
                    !["date", "x-request-id", "connection", "content-length"].contains { line.hasPrefix($0 + ":") }
                }
            }
            let (old, new) = (try heads("--http1.1"), try heads("--http2"))
            #expect(
                new.first?.hasPrefix("http/2 \(old.first?.split(separator: " ").dropFirst().first ?? "none")") == true)
            #expect(new.dropFirst() == old.dropFirst(), "\(options) \(path)")
            #expect(new.contains { $0 == "transfer-encoding: chunked" } == false)
        }
    }

    @Test func `large values go up and down`() throws {
        let wire = try HTTP2Wire(server, settings: [4: 8 << 20])
        try wire.send(HTTP2Wire.Kind.windowUpdate, HTTP2Wire.bytes(32 << 20, 4))
        let value = "\"" + String(repeating: "v", count: 1_000_000) + "\""
        let file = ScratchDirectory()
        writeFile(file.path + "/body", user.upsertBody("large", value))
        let sent = try curl(
            "-X POST --data-binary @\(file.path)/body -H 'Content-Type: application/json' "
                + "-H 'Authorization: Bearer \(user.token)' -o /dev/null -w '%{http_version} %{response_code}'",
            "/v1/data")
        #expect(sent == "2 200")
        for stream in [1, 3, 5] {
            try wire.request(stream, "GET", user.path("things", "large"), headers: authorization)
        }
        for stream in [1, 3, 5] {
            let answer = try wire.answer(stream)
            #expect(try JSON(answer.body)["data"]["value"].raw == value)
            #expect(answer["content-length"] == "\(answer.body.count)")
        }
    }

    @Test func `a hundred requests at once are answered, each with its own`() throws {
        let wire = try HTTP2Wire(server)
        for number in 0..<100 {
            let body = Array(user.upsertBody("k\(number)", "\(number)").utf8)
            try wire.request(2 * number + 1, "POST", "/v1/data", headers: json, body: body)
        }
        for number in 0..<100 {
            let answer = try wire.answer(2 * number + 1)
            #expect(answer.status == 200)
            #expect(try JSON(answer.body)["data"]["key"].text == "k\(number)")
        }
        #expect(try user.list(query: "?limit=1000").json()["data"].items.count == 100)
    }

    @Test func `refusals are what they are in HTTP/1.1, and the connection goes on`() throws {
        let wire = try HTTP2Wire(server)
        func problem(_ stream: Int, _ status: Int, _ code: String) throws {
            let answer = try wire.answer(stream)
            #expect(answer.status == status, "\(answer.text)")
            #expect(answer["content-type"] == "application/problem+json")
            #expect(try JSON(answer.body)["code"].text == code)
        }
        try wire.request(1, "GET", user.path())
        try problem(1, 401, "unauthenticated")
        try wire.request(3, "GET", "/health", headers: [("x-long", String(repeating: "h", count: 20_000))])
        try problem(3, 431, "headers-too-large")
        try wire.request(5, "GET", "/" + String(repeating: "u", count: 9000))
        try problem(5, 414, "uri-too-long")
        try wire.request(
            7, "POST", "/v1/data", headers: [user.authorization, ("content-type", "text/plain")], body: [32])
        try problem(7, 415, "unsupported-media-type")
        // The rest of a body that nobody waits for is not waited for.
        try wire.send(
            HTTP2Wire.Kind.headers,
            HTTP2Wire.block(HTTP2Wire.fields("POST", "/v1/data", json + [("content-length", "17000000")])),
            flags: HTTP2Wire.Flag.endHeaders, stream: 9)
        try problem(9, 413, "body-too-large")
        try wire.read { wire.answers[9]?.resetCode != nil }
        #expect(wire.answers[9]?.resetCode == 0)
        try wire.send(HTTP2Wire.Kind.data, [UInt8](repeating: 32, count: 16_384), stream: 9)
        try wire.request(11, "GET", "/health")
        #expect(try wire.answer(11).status == 200)
    }

    @Test func `a body of unannounced length is refused where it becomes too long`() throws {
        let file = ScratchDirectory()
        writeFile(file.path + "/body", "\"" + String(repeating: "v", count: 17 << 20) + "\"")
        let printed = try curl(
            "-T - -H 'Content-Type: application/json' -H 'Authorization: Bearer \(user.token)' "
                + "-o /dev/null -w '%{http_version} %{response_code}' <\(file.path)/body", user.path("things", "k"))
        #expect(printed.hasPrefix("2 413"), "\(printed)")
    }

    @Test func `an event stream tells of changes, beside requests on the same connection`() throws {
        let wire = try HTTP2Wire(server)
        try wire.request(1, "GET", "/v1/stream/\(encoded(user.id))?token=\(user.token)&since=0")
        for number in 0..<20 {
            let body = Array(user.upsertBody("k\(number)", "\(number)").utf8)
            try wire.request(2 * number + 3, "POST", "/v1/data", headers: json, body: body)
        }
        try wire.read { (wire.answers[1]?.text.contains("\"key\":\"k19\"") ?? false) }
        let stream = try #require(wire.answers[1])
        #expect(stream["content-type"] == "text/event-stream" && stream["content-length"] == nil)
        let numbers = stream.text.split(separator: "\n").filter { $0.hasPrefix("id: ") }.compactMap {
            Int($0.dropFirst(4))
        }
        #expect(numbers.suffix(20) == (1...20).map { $0 })
        #expect(!stream.isWhole)
        let before = try server.call("GET", "/health").json()
        #expect(before["sockets"].int == 1)
        try wire.send(HTTP2Wire.Kind.reset, HTTP2Wire.bytes(8, 4), stream: 1)
        #expect(try eventually { try server.call("GET", "/health").json()["sockets"].int == 0 })
        try wire.request(101, "GET", "/health")
        #expect(try wire.answer(101).status == 200)
    }

    @Test func `an event stream over HTTP/2 ends when its token is revoked`() throws {
        let jti = "stream-\(user.id)"
        let wire = try HTTP2Wire(server)
        try wire.request(1, "GET", "/v1/stream/\(encoded(user.id))?token=\(Token.external(user.id, jti: jti))")
        try wire.read { (wire.answers[1]?.text.contains("hello") ?? false) }
        #expect(try server.admin("POST", "/v1/admin/tokens/revoke", body: "{\"jti\":\"\(jti)\"}").status == 200)
        #expect(try wire.answer(1).isWhole)
    }

    @Test func `an event stream whose client takes nothing is ended and holds up nobody`() throws {
        let server = try RunningServer(certificate.settings.merging(["WS_BUFFER_BYTES": "65536"]) { $1 })
        let user = TestUser(server)
        let wire = try HTTP2Wire(server, settings: [4: 1000])
        try wire.request(1, "GET", "/v1/stream/\(encoded(user.id))", headers: [user.authorization])
        let socket = try user.listening()
        let value = "\"" + String(repeating: "v", count: 100_000) + "\""
        for number in 0..<10 { try user.mustSet("k\(number)", value) }
        #expect(try (0..<10).map { _ in try socket.next()["seq"].int } == Array(1...10))
        #expect(try wire.answer(1).resetCode == 8)
        try wire.request(3, "GET", "/")
        #expect(try wire.answer(3).status == 200)
    }

    @Test func `answers nobody takes hold up only the next requests of their connection`() throws {
        let value = "\"" + String(repeating: "v", count: 1_000_000) + "\""
        for key in ["a", "b"] { try user.mustSet(key, value) }
        let wire = try HTTP2Wire(server, settings: [4: 0])
        let before = try memory()
        for round in 0..<5 {
            for number in 0..<20 {
                try wire.request(2 * (20 * round + number) + 1, "GET", user.path("things"), headers: authorization)
            }
            sleepSeconds(0.3)
        }
        #expect(try memory() - before < 100 << 20)
        #expect(try user.get("a").status == 200)
    }

    private func memory() throws -> Int {
        let status = String(decoding: readFile("/proc/\(server.program.pid)/statm"), as: UTF8.self)
        return try #require(status.split(separator: " ").dropFirst().first.flatMap { Int($0) }) * 4096
    }

    @Test func `a server that is stopped answers what it took, and says from where on it did not`() throws {
        let wire = try HTTP2Wire(server)
        try wire.request(1, "GET", "/v1/stream/\(encoded(user.id))?token=\(user.token)")
        try wire.read { (wire.answers[1]?.text.contains("hello") ?? false) }
        for number in 1...60 {
            let body = Array(user.upsertBody("k\(number)", "\(number)").utf8)
            try wire.request(2 * number + 1, "POST", "/v1/data", headers: json, body: body)
        }
        server.program.signal(SIGTERM)
        #expect(try wire.end() == 0)
        let last = try #require(wire.goAways.last?.lastStream)
        for stream in stride(from: 3, through: 121, by: 2) {
            if stream <= last { #expect(wire.answers[stream]?.status == 200, "\(stream)") }
        }
        #expect(wire.answers[1]?.isWhole == true)
        #expect(server.program.waitForEnd() == Program.Ending(code: 0))
    }

    @Test func `a connection that is idle for long is ended properly`() throws {
        let wire = try HTTP2Wire(server)
        #expect(try wire.next(within: patience)?.kind == HTTP2Wire.Kind.settings)
        #expect(wire.settings[3] == 100)
        while let frame = try wire.next(within: 45) { if frame.kind == HTTP2Wire.Kind.goAway { break } }
        #expect(wire.goAways.last?.errorCode == 0)
    }
}
