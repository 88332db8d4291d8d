import Foundation
import Testing

/// Who gets in as an administrator, asked of the real process.
@Suite(.serialized) struct AdministratorTests {
    private static let routes = [
        ("POST", "/v1/admin/users"), ("GET", "/v1/admin/users"), ("GET", "/v1/admin/users/u"),
        ("DELETE", "/v1/admin/users/u"), ("POST", "/v1/admin/users/u/rotate"), ("POST", "/v1/admin/users/u/revoke"),
        ("POST", "/v1/admin/tokens/revoke"), ("GET", "/admin"), ("GET", "/admin/data"), ("GET", "/admin/nowhere"),
        ("GET", "/v1/admin/nowhere"), ("PATCH", "/v1/admin/users"), ("OPTIONS", "/v1/admin/users"),
    ]
    private static let password = "a password: with a colon, é and 😀"
    private static let login = ["ADMIN_USERNAME": "root", "ADMIN_PASSWORD": password]
    private static let page = ("X-Apus-Dashboard", "1")

    private func basic(_ name: String, _ password: String = Self.password) -> (String, String) {
        ("Authorization", "Basic " + Data("\(name):\(password)".utf8).base64EncodedString())
    }

    @Test func `the login is as good as the key`() throws {
        let server = try RunningServer(Self.login)
        #expect(try server.call("GET", "/v1/admin/users", headers: [basic("root")]).status == 200)
        let made = try server.call(
            "POST", "/v1/admin/users", headers: [basic("root"), Self.page, ("Content-Type", "application/json")],
            body: #"{"user_id":"by-login"}"#)
        #expect(made.status == 201)
        #expect(try server.call("GET", "/v1/admin/users/by-login", headers: [basic("root")]).status == 200)
        #expect(try server.admin("GET", "/v1/admin/users").status == 200)
    }

    @Test func `the name is admin unless another is set`() throws {
        let server = try RunningServer(["ADMIN_PASSWORD": "pass"])
        #expect(try server.call("GET", "/v1/admin/users", headers: [basic("admin", "pass")]).status == 200)
        #expect(try server.call("GET", "/v1/admin/users", headers: [basic("root", "pass")]).status == 401)
    }

    @Test func `every administrator's path refuses everybody else, and does not tell whether it is there`() throws {
        let server = try RunningServer(Self.login)
        let user = TestUser(server)
        for (method, target) in Self.routes {
            let strangers: [[(String, String)]] = [
                [], [("X-Admin-Api-Key", "wrong")], [("X-Admin-Api-Key", Self.password)], [user.authorization],
                [basic("root", "wrong")], [("X-Admin-Api-Key", user.token)],
                [("Authorization", "Bearer \(TestSecret.adminKey)")], [("Cookie", "key=\(TestSecret.adminKey)")],
            ]
            for stranger in strangers {
                let answer = try server.call(method, target, headers: stranger + [Self.page])
                try expectProblem(answer, 401, "unauthenticated")
                let challenge = target.hasPrefix("/admin") ? "Basic realm=\"Apus\", charset=\"UTF-8\"" : "Bearer"
                #expect(answer["www-authenticate"] == challenge && answer["allow"] == nil, "\(method) \(target)")
                #expect(answer["cache-control"] == "no-store")
            }
        }
        #expect(try server.admin("GET", "/v1/admin/nowhere").status == 404)
        #expect(try server.admin("PATCH", "/v1/admin/users").status == 405)
        #expect(try server.admin("GET", "/v1/admin/users").json()["data"].items.isEmpty, "and nothing has happened")
    }

    @Test func `an address that is not allowed is refused whatever it brings, on every path`() throws {
        let server = try RunningServer(Self.login.merging(["ADMIN_IP_ALLOWLIST": "203.0.113.0/24"]) { $1 })
        let good: [(String, String)] = [("X-Admin-Api-Key", TestSecret.adminKey), Self.page]
        for (method, target) in Self.routes {
            for headers in [good, [], [basic("root"), Self.page], good + [("X-Forwarded-For", "203.0.113.10")]] {
                try expectProblem(try server.call(method, target, headers: headers), 403, "ip-not-allowed")
            }
        }
    }

    @Test(arguments: [
        ("203.0.113.10", true), ("::ffff:203.0.113.10", true), ("[::ffff:203.0.113.10]:4711", true),
        ("203.0.113.10:80", true), ("::ffff:cb00:710a", true), ("198.51.100.1, 203.0.113.10", true),
        ("203.0.113.10,127.0.0.1", true), ("203.0.114.10", false), ("203.0.113.10, 198.51.100.1", false),
        ("203.0.113.10, ::ffff:198.51.100.1", false), ("203.0.113.010", false), ("203.0.113.10 198.51.100.1", false),
        ("\"203.0.113.10\"", false), ("for=203.0.113.10", false), ("203.0.113.10,", false), ("", false),
    ])
    func `behind a trusted proxy only the address it saw counts, however it is written`(
        forwarded: String, isLetIn: Bool
    ) throws {
        let server = try RunningServer([
            "ADMIN_IP_ALLOWLIST": "203.0.113.0/24", "TRUSTED_PROXIES": "::ffff:127.0.0.0/104",
        ])
        let answer = try server.admin("GET", "/v1/admin/users", headers: [("X-Forwarded-For", forwarded)])
        #expect(answer.status == (isLetIn ? 200 : 403))
    }

    @Test func `a form on another page changes nothing with the browser's login`() throws {
        let server = try RunningServer(Self.login)
        let forms: [[(String, String)]] = [
            [("Content-Type", "text/plain"), ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")],
            [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", "null")],
            [("Content-Type", "text/plain")], [("Content-Type", "application/json")],
            [("Content-Type", "application/json"), Self.page, ("Origin", "https://evil.example")],
            [("Content-Type", "application/json"), Self.page, ("Sec-Fetch-Site", "same-site")],
        ]
        for form in forms {
            let answer = try server.call(
                "POST", "/v1/admin/users", headers: [basic("root")] + form, body: #"{"user_id":"csrf"}"#)
            try expectProblem(answer, 403, "origin-not-allowed")
            #expect(answer["access-control-allow-origin"] == nil)
        }
        #expect(try server.admin("GET", "/v1/admin/users/csrf").status == 404)
    }

    @Test func `after five wrong passwords an address has to wait, longer each time; a good key and login do not`()
        throws
    {
        let server = try RunningServer(Self.login.merging(["ADMIN_RATE_LIMIT_PER_MIN": "1000"]) { $1 })
        #expect(try server.call("GET", "/v1/admin/users", headers: [basic("root")]).status == 200)
        for _ in 1...5 {
            #expect(try server.call("GET", "/admin", headers: [basic("root", "wrong")]).status == 401)
        }
        let refused = try server.call("GET", "/admin", headers: [basic("root", "wrong")])
        try expectProblem(refused, 429, "rate-limited")
        #expect(refused["retry-after"] == "1")
        #expect(try server.call("GET", "/v1/admin/users", headers: [("X-Admin-Api-Key", "wrong")]).status == 429)
        #expect(try server.call("GET", "/v1/admin/users", headers: [basic("root")]).status == 200)
        #expect(try server.admin("GET", "/v1/admin/users").status == 200)
        #expect(try TestUser(server).list().status == 200)
        var waits: [Int] = []
        for _ in 0..<2000 where waits.count < 2 {
            let answer = try server.call("GET", "/admin", headers: [basic("root", "wrong")])
            if answer.status == 401 { waits.append(0) } else { sleepSeconds(0.02) }
        }
        let longer = try server.call("GET", "/admin", headers: [basic("root", "wrong")])
        #expect(longer["retry-after"].flatMap { Int($0) }.map { $0 >= 3 } == true, "1 and 2 are over, now it is 4")
    }

    @Test func `a user who has a limit is told what is left of it`() throws {
        let user = TestUser(try RunningServer(["RATE_LIMIT_PER_MIN": "5"]))
        for left in [4, 3, 2, 1, 0] {
            let answer = try user.list()
            #expect(answer["ratelimit-policy"] == #""default";q=5;w=60"#)
            #expect(answer["ratelimit"]?.hasPrefix("\"default\";r=\(left);t=") == true, "\(answer["ratelimit"] ?? "")")
        }
        let refused = try user.list()
        #expect(refused.status == 429 && refused["retry-after"] != nil)
        #expect(refused["ratelimit"]?.hasPrefix("\"default\";r=0;t=") == true)
        #expect(try TestUser(try RunningServer.shared()).list()["ratelimit"] == nil)
    }

    @Test func `a large bulk counts as several requests, in a request as in a frame`() throws {
        let user = TestUser(try RunningServer(["RATE_LIMIT_PER_MIN": "5"]))
        #expect(try user.bulk((0..<250).map { item("k\($0)", "1") }).status == 200)
        #expect(try user.bulk((0..<250).map { item("l\($0)", "1") }).status == 429)
        let other = TestUser(user.server)
        let socket = try other.listening()
        let items = (0..<450).map { item("k\($0)", "1") }.joined(separator: ",")
        try socket.send(#"{"type":"bulk","items":[\#(items)]}"#)
        #expect(try socket.next(ofType: "error")["error"]["code"].text == "rate-limited")
    }

    @Test func `257 headers are too many, and the answer says so`() throws {
        let headers = (0..<257).map { ("X-\($0)", "1") }
        let answer = try RunningServer.shared().call("GET", "/health", headers: headers)
        try expectProblem(answer, 431, "headers-too-large")
        #expect(answer.text.contains("more than 256"))
    }
}
