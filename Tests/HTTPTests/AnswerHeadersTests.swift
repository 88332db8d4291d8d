import ApusCore
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Synchronization
import Testing

@testable import ApusHTTP

/// The headers of every answer, on channels without a network.
@Suite struct AnswerHeadersTests {
    private static let routes = RouteTable(
        SystemRoutes.all + DataRoutes.all + AdminRoutes.all + [
            Route(method: .GET, pattern: "/page", access: .everyone) { exchange in
                let own = [("Content-Security-Policy", "default-src 'self'"), ("Cache-Control", "max-age=60")]
                exchange.reply(HTTPReply(status: .ok, headers: own, contentType: "text/html"))
            },
            Route(method: .GET, pattern: "/kept", access: .everyone) { exchange in
                exchange.reply(HTTPReply(status: .ok, headers: [("ETag", "\"1\"")], isRevalidated: true))
            },
        ])

    private let app = "https://app.example.com"

    private func stage(_ change: (inout HTTPSettings) -> Void = { _ in }) -> SocketStage {
        SocketStage(settings: { settings in
            settings.corsAllowOrigins = ["https://app.example.com", "https://tv.example.com"]
            change(&settings)
        })
    }

    private func send(_ request: String, on stage: SocketStage? = nil) throws -> [String] {
        let stage = stage ?? self.stage()
        let channel = EmbeddedChannel(handler: nil, loop: stage.loop)
        channel.connect(to: try SocketAddress(ipAddress: "203.0.113.5", port: 4711), promise: nil)
        let connection = HTTPConnection(context: stage.context, routes: Self.routes, lane: stage.lane)
        let decoder = RequestDecoder(connection: connection, headerBytesMax: 16 << 10)
        try channel.pipeline.syncOperations.addHandlers([ByteToMessageHandler(decoder), connection])
        stage.loop.run()
        // A request that is no HTTP is an error to the channel, too.
        try? channel.write(request)
        stage.loop.run()
        let head = try channel.sent().components(of: "\r\n\r\n").first ?? ""
        return head.components(of: "\r\n")
    }

    private func ask(
        _ method: String, _ target: String, _ headers: (String, String)..., on stage: SocketStage? = nil
    ) throws -> [String] {
        let lines = headers.map { "\($0.0): \($0.1)\r\n" }.joined()
        return try send("\(method) \(target) HTTP/1.1\r\nHost: x\r\n\(lines)\r\n", on: stage)
    }

    private static let safe = [
        "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer", "X-Frame-Options: DENY",
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'", "Cache-Control: no-store",
    ]

    @Test(arguments: [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/admin/users HTTP/1.1\r\nHost: x\r\n\r\n", "GET /v1/data/u1/c/k HTTP/1.1\r\nHost: x\r\n\r\n",
        "PATCH /v1/data HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS /v1/data HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/data/u1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer u1\r\n\r\n",
        "nonsense\r\n\r\n", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
    ])
    func `every answer is for no frame, no sniffing and no cache, each said once`(request: String) throws {
        let lines = try send(request)
        for line in Self.safe { #expect(lines.count { $0 == line } == 1, "\(line) in \(lines)") }
        #expect(!lines.contains { $0.hasPrefix("Strict-Transport-Security") })
    }

    @Test func `what a page says itself is said instead`() throws {
        let lines = try ask("GET", "/page")
        #expect(lines.contains("Content-Security-Policy: default-src 'self'"))
        #expect(lines.contains("Cache-Control: max-age=60"))
        #expect(lines.count { $0.hasPrefix("Content-Security-Policy") || $0.hasPrefix("Cache-Control") } == 2)
        for line in Self.safe.prefix(3) { #expect(lines.contains(line)) }
    }

    @Test func `what has a tag may be kept to be asked about`() throws {
        let lines = try ask("GET", "/kept")
        #expect(lines.contains("Cache-Control: private, no-cache") && !lines.contains("Cache-Control: no-store"))
    }

    @Test func `with TLS browsers are told to keep to it`() throws {
        #expect(
            try ask("GET", "/", on: stage { $0.isSecure = true }).contains(
                "Strict-Transport-Security: max-age=31536000"))
    }

    @Test func `a user is told what is left, and a stranger is not`() throws {
        let stage = stage()
        stage.service.allowance.withLock { $0 = Allowance(perMinute: 600, left: 50, secondsToFull: 55) }
        let told = ["RateLimit-Policy: \"default\";q=600;w=60", "RateLimit: \"default\";r=50;t=55"]
        let lines = try ask("GET", "/v1/data/u1", ("Authorization", "Bearer u1"), on: stage)
        for line in told { #expect(lines.contains(line)) }
        #expect(try !ask("GET", "/v1/data/u1", on: stage).contains { $0.hasPrefix("RateLimit") })
        stage.service.allowance.withLock { $0 = nil }
        let free = try ask("GET", "/v1/data/u1", ("Authorization", "Bearer u1"), on: stage)
        #expect(!free.contains { $0.hasPrefix("RateLimit") })
    }

    @Test func `a page of a listed origin can read every answer, also to what was malformed`() throws {
        for request in [
            "GET / HTTP/1.1\r\nHost: x\r\nOrigin: \(app)\r\n\r\n",
            "GET /nowhere HTTP/1.1\r\nHost: x\r\nOrigin: \(app)\r\n\r\n",
            "GET / HTTP/1.1\r\nOrigin: \(app)\r\n\r\n",
            "BREW / HTTP/1.1\r\nHost: x\r\norigin:\(app)\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nORIGIN: \(app)\r\nX: \(String(repeating: "x", count: 17_000))\r\n\r\n",
            "GET / HTTP/1.1\r\nOrigin: \(app)\r\n\(String(repeating: "X: 1\r\n", count: 300))\r\n",
        ] {
            let lines = try send(request)
            #expect(lines.contains("Access-Control-Allow-Origin: \(app)"), "\(lines)")
            #expect(lines.contains("Vary: Origin"))
            #expect(
                lines.contains(
                    "Access-Control-Expose-Headers: ETag, Idempotency-Replayed, RateLimit, RateLimit-Policy, "
                        + "Retry-After, X-Request-Id"))
            let foreign = try send(request.components(of: app).joined(separator: "https://evil.example"))
            #expect(!foreign.contains { $0.hasPrefix("Access-Control-") } && foreign.contains("Vary: Origin"))
        }
    }

    @Test func `a preflight tells a listed origin what it may send, and any other nothing`() throws {
        for method in ["PUT", "DELETE", "GET"] {
            let lines = try ask(
                "OPTIONS", "/v1/data/u1/c/k", ("Origin", app), ("Access-Control-Request-Method", method),
                ("Access-Control-Request-Headers", "authorization,content-type,if-match"))
            #expect(lines.first == "HTTP/1.1 204 No Content" && lines.contains("Vary: Origin"))
            #expect(lines.contains("Access-Control-Allow-Origin: \(app)"))
            let methods = lines.first { $0.hasPrefix("Access-Control-Allow-Methods: ") } ?? ""
            #expect(methods.components(of: ": ").last?.components(of: ", ").contains(method) == true)
            let headers = lines.first { $0.hasPrefix("Access-Control-Allow-Headers: ") } ?? ""
            for name in ["Authorization", "Content-Type", "If-Match"] { #expect(headers.contains(name)) }
        }
        for origin in ["https://evil.example", "null", "https://APP.example.com", "https://app.example.com.evil"] {
            let lines = try ask(
                "OPTIONS", "/v1/data/u1/c/k", ("Origin", origin), ("Access-Control-Request-Method", "PUT"))
            #expect(!lines.contains { $0.hasPrefix("Access-Control-") }, "\(origin)")
            #expect(lines.contains("Vary: Origin") && lines.contains { $0.hasPrefix("Allow: ") })
        }
        let off = try ask(
            "OPTIONS", "/v1/data", ("Origin", app), ("Access-Control-Request-Method", "POST"),
            on: stage { $0.corsAllowOrigins = [] })
        #expect(!off.contains { $0.hasPrefix("Access-Control-") || $0.hasPrefix("Vary") })
    }

    @Test func `no origin can read what is the administrator's`() throws {
        for (name, value) in [("X-Admin-Api-Key", "admin"), ("X-Admin-Api-Key", "wrong"), ("X", "")] {
            for method in ["GET", "OPTIONS", "PATCH"] {
                let lines = try ask(
                    method, "/v1/admin/users", (name, value), ("Origin", app),
                    ("Access-Control-Request-Method", "DELETE"))
                #expect(!lines.contains { $0.hasPrefix("Access-Control-") })
            }
        }
    }

    @Test func `a method that nobody knows is 405, and what is no request 400`() throws {
        for request in ["BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "get / HTTP/1.1\r\nHost: x\r\n\r\n"] {
            let lines = try send(request)
            #expect(lines.first == "HTTP/1.1 405 Method Not Allowed")
            #expect(lines.contains("Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS"))
        }
        for request in [
            "nonsense\r\n\r\n", "\u{16}\u{3}\u{1} / HTTP/1.1\r\n\r\n", "B@D / HTTP/1.1\r\n\r\n", "BREW /\r\n\r\n",
        ] {
            #expect(try send(request).first == "HTTP/1.1 400 Bad Request", "\(request)")
        }
    }
}

extension String {
    fileprivate func components(of separator: String) -> [String] {
        var parts: [String] = []
        var rest = Substring(self)
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
