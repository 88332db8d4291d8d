import ApusCore
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Synchronization
import Testing

@testable import ApusHTTP

/// Who is let in, on channels without a network, by a provider that answers when the test wants.
@Suite struct AdministratorGateTests {
    private static let routes = RouteTable(
        SystemRoutes.all + [
            Route(method: .GET, pattern: "/admin", access: .administrator, handle: tellActor),
            Route(method: .GET, pattern: "/admin/data", access: .administrator, handle: tellActor),
            Route(method: .GET, pattern: "/v1/admin/users", access: .administrator, handle: tellActor),
            Route(
                method: .POST, pattern: "/v1/admin/users", access: .administrator, takesBody: true, handle: tellActor),
            Route(method: .DELETE, pattern: "/v1/admin/users/{id}", access: .administrator, handle: tellActor),
            Route(method: .GET, pattern: "/metrics", access: .administrator, handle: tellActor),
            Route(method: .GET, pattern: "/v1/data/{user}", access: .user, handle: tellActor),
        ])

    private static func tellActor(_ exchange: Exchange) throws(ApusError) {
        exchange.reply(.json { $0.writeString("actor=\(exchange.origin.actor)") })
    }

    private let login: FewLogins
    private let stage: SocketStage

    init() {
        let login = FewLogins()
        self.login = login
        stage = SocketStage(settings: { settings in
            settings.login = login
            settings.corsAllowOrigins = ["https://app.example.com"]
        })
    }

    private func ask(
        _ method: String, _ target: String, _ headers: [(String, String)] = [], from address: String = "203.0.113.5",
        on stage: SocketStage? = nil
    ) throws -> String {
        let stage = stage ?? self.stage
        let channel = EmbeddedChannel(handler: nil, loop: stage.loop)
        channel.connect(to: try SocketAddress(ipAddress: address, port: 4711), promise: nil)
        let connection = HTTPConnection(context: stage.context, routes: Self.routes, lane: stage.lane)
        let decoder = RequestDecoder(connection: connection, headerBytesMax: 16 << 10)
        try channel.pipeline.syncOperations.addHandlers([ByteToMessageHandler(decoder), connection])
        stage.loop.run()
        let lines = ([("Host", "db.example.com")] + headers).map { "\($0.0): \($0.1)\r\n" }.joined()
        try channel.write("\(method) \(target) HTTP/1.1\r\n\(lines)\r\n")
        stage.loop.run()
        return try channel.sent()
    }

    private func status(
        _ method: String, _ target: String, _ headers: [(String, String)] = [], from address: String = "203.0.113.5",
        on stage: SocketStage? = nil
    ) throws -> String {
        String(try ask(method, target, headers, from: address, on: stage).dropFirst(9).prefix(3))
    }

    private let key = ("X-Admin-Api-Key", "admin")
    private let basic = ("Authorization", "Basic \(Base64.encode(Array("root:pass:word".utf8)))")
    private static let page = ("X-Apus-Dashboard", "1")

    @Test func `the key and the login let in, and the audit log can tell them apart`() throws {
        #expect(try ask("GET", "/admin/data", [key]).hasSuffix("actor=admin"))
        #expect(try ask("GET", "/admin/data", [basic]).hasSuffix("actor=admin:root"))
        #expect(try ask("GET", "/v1/admin/users", [basic]).hasSuffix("actor=admin:root"))
        #expect(try ask("GET", "/metrics", [basic]).hasSuffix("actor=admin:root"))
        #expect(try ask("GET", "/metrics", [key, basic]).hasSuffix("actor=admin"))
    }

    @Test(arguments: [
        "Basic", "Basic ", "Basic !!!", "Basic cm9vdA==", "Bearer cm9vdDpwYXNzOndvcmQ=", "Basic cm9vdDpwYXNzOndvcmQ",
        "Basic cm9vdDpwYXNzOndvcmR=", "Basic  ", "basiccm9vdDpwYXNzOndvcmQ=", "Basic /////w==", "Basic Og==",
    ])
    func `what is no login is none`(header: String) throws {
        #expect(try status("GET", "/admin/data", [("Authorization", header)]) == "401")
    }

    @Test(arguments: ["basic cm9vdDpwYXNzOndvcmQ=", "BASIC cm9vdDpwYXNzOndvcmQ=", "Basic   cm9vdDpwYXNzOndvcmQ="])
    func `the scheme's name may be written in any case`(header: String) throws {
        #expect(try status("GET", "/admin/data", [("Authorization", header)]) == "200")
    }

    @Test(arguments: [
        ("GET", "/admin"), ("GET", "/admin/data"), ("GET", "/v1/admin/users"), ("POST", "/v1/admin/users"),
        ("DELETE", "/v1/admin/users/u"), ("GET", "/metrics"), ("GET", "/admin/nowhere"), ("GET", "/admin/"),
        ("GET", "/v1/admin"), ("GET", "/v1/admin/nothing"), ("PATCH", "/v1/admin/users"), ("OPTIONS", "/admin/data"),
        ("OPTIONS", "/v1/admin/users"), ("HEAD", "/admin"), ("GET", "/%61dmin/data"), ("DELETE", "/admin"),
    ])
    func `who is not let in learns nothing of what is there`(method: String, target: String) throws {
        let user = ("Authorization", "Bearer u1")
        let wrongLogin = ("Authorization", "Basic \(Base64.encode(Array("root:wrong".utf8)))")
        for headers in [
            [], [("X-Admin-Api-Key", "wrong")], [user], [wrongLogin], [("X-Admin-Api-Key", "wrong"), basic],
        ] {
            let answer = try ask(method, target, headers + [Self.page])
            #expect(answer.hasPrefix("HTTP/1.1 401 "), "\(headers) \(answer)")
            let isPage = target.contains("dmin") && !target.hasPrefix("/v1")
            let challenge = isPage ? "Basic realm=\"Apus\", charset=\"UTF-8\"" : "Bearer"
            #expect(answer.contains("\r\nWWW-Authenticate: \(challenge)\r\n"))
            #expect(!answer.contains("\r\nAllow: ") && answer.contains("\r\nCache-Control: no-store\r\n"))
        }
        let shut = SocketStage(settings: { $0.adminAllowlist = [AddressRange("198.51.100.0/24")].compactMap { $0 } })
        for headers in [[], [key], [("X-Admin-Api-Key", "wrong")], [user]] {
            #expect(try status(method, target, headers, on: shut) == "403")
            #expect(try status(method, target, headers, from: "198.51.100.9", on: shut) != "403")
        }
    }

    @Test func `an administrator is told what is there and what is not`() throws {
        #expect(try status("GET", "/admin/nowhere", [key]) == "404")
        #expect(try status("PATCH", "/v1/admin/users", [key]) == "405")
        #expect(try status("OPTIONS", "/v1/admin/users", [key]) == "204")
        #expect(try status("GET", "/administrators") == "404")
        #expect(try status("GET", "/v1/administrators") == "404")
    }

    @Test func `without a password a browser asks for none, and is told why`() throws {
        let stage = SocketStage()
        for headers in [[], [basic]] {
            let answer = try ask("GET", "/admin", headers, on: stage)
            #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("ADMIN_PASSWORD is not set"))
            #expect(!answer.contains("Basic"))
        }
        #expect(try status("GET", "/admin", [key], on: stage) == "200")
    }

    @Test func `a login that has to be verified first is answered then`() throws {
        login.forget()
        #expect(try ask("GET", "/admin/data", [basic]).hasSuffix("actor=admin:root"))
        #expect(login.verified == 1)
        #expect(try status("GET", "/admin/data", [basic]) == "200")
        #expect(login.verified == 1)
    }

    @Test func `a wrong login is counted for the audit log, without the name that was tried`() throws {
        let header = ("Authorization", "Basic \(Base64.encode(Array("hunter2:wrong".utf8)))")
        #expect(try status("GET", "/admin/data", [header]) == "401")
        #expect(try status("GET", "/admin/data", [("X-Admin-Api-Key", "hunter2")]) == "401")
        let noted = stage.service.refusals.withLock { $0 }
        #expect(noted == ["wrong password 203.0.113.5 unknown", "wrong key 203.0.113.5 unknown"])
        #expect(try status("GET", "/admin/data") == "401")
        #expect(stage.service.refusals.withLock { $0 }.last == "unauthenticated GET /admin/data unknown")
    }

    @Test func `while an address is slowed down no password of its is looked at, but a good key and a known login are`()
        throws
    {
        stage.service.shutsOutGuesses.withLock { $0 = true }
        #expect(try status("GET", "/admin/data", [basic]) == "200")
        #expect(try status("GET", "/admin/data", [key]) == "200")
        let wrong = try ask("GET", "/admin/data", [("X-Admin-Api-Key", "wrong")])
        #expect(wrong.hasPrefix("HTTP/1.1 429 ") && wrong.contains("\r\nRetry-After: 7\r\n"))
        login.forget()
        #expect(try status("GET", "/admin/data", [basic]) == "429")
        #expect(login.verified == 0)
        let guessable = SocketStage(settings: { $0.isKeyGuessable = true })
        #expect(try status("GET", "/admin/data", [key], on: guessable) == "200")
        guessable.service.shutsOutGuesses.withLock { $0 = true }
        #expect(try status("GET", "/admin/data", [key], on: guessable) == "429")
    }

    private struct Ask: Sendable {
        let method: String
        let headers: [(String, String)]
        let status: String

        init(_ method: String, _ status: String, _ headers: (String, String)...) {
            self.init(method, status, headers)
        }

        init(_ method: String, _ status: String, _ headers: [(String, String)]) {
            self.method = method
            self.headers = headers
            self.status = status
        }
    }

    private static func visit(_ destination: String, mode: String = "navigate") -> [(String, String)] {
        [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", destination)]
    }

    private static let reads: [Ask] = [
        Ask("GET", "200"), Ask("GET", "200", ("Origin", "https://db.example.com")),
        Ask("GET", "200", ("Origin", "http://db.example.com:80")),
        Ask("GET", "200", ("Origin", "https://DB.example.com")),
        Ask("GET", "403", ("Origin", "https://app.example.com")), Ask("GET", "403", ("Origin", "null")),
        Ask("GET", "403", ("Origin", "https://db.example.com:8443")), Ask("GET", "403", ("Origin", "https://")),
        Ask("GET", "403", ("Origin", "https://db.example.com.evil.example")),
        Ask("GET", "403", ("Origin", "db.example.com")),
        Ask("GET", "403", ("Origin", "https://db.example.com"), ("Origin", "https://app.example.com")),
        Ask("GET", "200", ("Sec-Fetch-Site", "same-origin")), Ask("GET", "200", ("Sec-Fetch-Site", "none")),
        Ask("GET", "403", ("Sec-Fetch-Site", "cross-site")), Ask("GET", "403", ("Sec-Fetch-Site", "same-site")),
        Ask("GET", "200", visit("document")), Ask("GET", "403", visit("iframe")),
        Ask("GET", "403", visit("image", mode: "no-cors")),
    ]

    private static let writes: [Ask] = [
        Ask("POST", "403"), Ask("DELETE", "403"), Ask("POST", "403", ("Content-Type", "text/plain")),
        Ask("POST", "403", ("Content-Type", "application/x-www-form-urlencoded")),
        Ask("POST", "200", page), Ask("DELETE", "200", page),
        Ask("POST", "403", ("X-Apus-Dashboard", "0")), Ask("POST", "403", ("X-Apus-Dashboard", "")),
        Ask("POST", "200", page, ("Origin", "https://db.example.com")),
        Ask("POST", "403", page, ("Origin", "https://app.example.com")), Ask("POST", "403", page, ("Origin", "null")),
        Ask("POST", "200", page, ("Sec-Fetch-Site", "same-origin")),
        Ask("POST", "403", page, ("Sec-Fetch-Site", "none")), Ask("POST", "403", page, ("Sec-Fetch-Site", "same-site")),
        Ask("POST", "403", [page] + visit("document")),
    ]

    @Test(arguments: reads + writes)
    private func `a page of others cannot use a login that the browser sends along`(
        wish: Ask
    ) throws {
        let (method, target) = (wish.method, wish.method == "DELETE" ? "/v1/admin/users/u" : "/v1/admin/users")
        let answer = try ask(method, target, [basic] + wish.headers)
        #expect(answer.hasPrefix("HTTP/1.1 \(wish.status) "), "\(wish)")
        if wish.status == "403" { #expect(answer.contains("\"code\":\"origin-not-allowed\"")) }
        #expect(!answer.contains("Access-Control-"), "whichever origins are listed")
        #expect(try status(method, target, [key] + wish.headers) != "403", "no page can send the key")
    }
}

/// Knows `root` with `pass:word`, from the beginning; what it has forgotten it verifies at once.
private final class FewLogins: LoginProvider {
    let name = "root"
    private let state = Mutex((knows: true, verified: 0))

    var verified: Int { state.withLock { $0.verified } }

    func forget() { state.withLock { $0.knows = false } }

    func remembers(_ login: Login) -> Bool { state.withLock { $0.knows } && isRight(login) }

    func verify(
        _ login: Login, admit: @escaping @Sendable () throws(ApusError) -> Void, then: @escaping Completion<Bool>
    ) {
        let isRight = isRight(login)
        state.withLock { state in
            state.verified += 1
            if isRight { state.knows = true }
        }
        then(.success(isRight))
    }

    private func isRight(_ login: Login) -> Bool { login.name == name && login.password.text == "pass:word" }
}
