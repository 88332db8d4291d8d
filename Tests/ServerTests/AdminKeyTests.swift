import Testing

@Suite(.serialized) struct AdminKeyTests {
    private static let routes = [
        ("POST", "/v1/admin/users"), ("GET", "/v1/admin/users"), ("GET", "/v1/admin/users/u"),
        ("DELETE", "/v1/admin/users/u"), ("POST", "/v1/admin/users/u/rotate"), ("POST", "/v1/admin/users/u/revoke"),
        ("POST", "/v1/admin/tokens/revoke"),
    ]

    private func body(_ method: String, _ target: String) -> String? {
        guard method == "POST" else { return nil }
        return target.hasSuffix("/users")
            ? #"{"user_id":"u"}"# : target.hasSuffix("tokens/revoke") ? #"{"jti":"j"}"# : nil
    }

    private func call(
        _ server: RunningServer, _ route: (String, String), _ headers: [(String, String)]
    ) throws -> HTTPAnswer {
        let json = [("Content-Type", "application/json")]
        return try server.call(route.0, route.1, headers: json + headers, body: body(route.0, route.1))
    }

    @Test func `every administrator's route refuses a missing or wrong key`() throws {
        let server = try RunningServer.shared()
        let key = TestSecret.adminKey
        for route in Self.routes {
            for wrong in ["", "wrong", key + "x", String(key.dropLast()), key.uppercased()] {
                let answer = try call(server, route, [("X-Admin-Api-Key", wrong)])
                try expectProblem(answer, 401, "unauthenticated")
                #expect(answer["www-authenticate"] != nil)
            }
            try expectProblem(try call(server, route, []), 401, "unauthenticated")
        }
    }

    @Test func `an address that is not on the list is refused with any key, and cannot talk its way in`() throws {
        let server = try RunningServer(["ADMIN_IP_ALLOWLIST": "203.0.113.10,2001:db8::/32"])
        let good = ("X-Admin-Api-Key", TestSecret.adminKey)
        for route in Self.routes {
            for headers in [[good], [("X-Admin-Api-Key", "wrong")], [], [good, ("X-Forwarded-For", "203.0.113.10")]] {
                try expectProblem(try call(server, route, headers), 403, "ip-not-allowed")
            }
        }
        for header in ["X-Real-IP", "Forwarded", "True-Client-IP"] {
            let answer = try call(server, ("GET", "/v1/admin/users"), [good, (header, "203.0.113.10")])
            #expect(answer.status == 403)
        }
        #expect(try TestUser(server).list().status == 200)
    }

    @Test func `addresses and ranges on the list are let in`() throws {
        for list in ["127.0.0.1", "203.0.113.10, 127.0.0.0/8", "::1,127.0.0.1/32"] {
            let server = try RunningServer(["ADMIN_IP_ALLOWLIST": list])
            #expect(try server.admin("GET", "/v1/admin/users").status == 200, "\(list)")
        }
    }

    @Test func `behind a trusted proxy the last address it did not write itself counts`() throws {
        let server = try RunningServer(
            ["ADMIN_IP_ALLOWLIST": "203.0.113.10", "TRUSTED_PROXIES": "127.0.0.1,198.51.100.0/24"])
        func status(_ forwarded: String...) throws -> Int {
            try server.admin("GET", "/v1/admin/users", headers: forwarded.map { ("X-Forwarded-For", $0) }).status
        }
        #expect(try status("203.0.113.10") == 200)
        #expect(try status("203.0.113.10, 198.51.100.7") == 200)
        #expect(try status("192.0.2.1, 203.0.113.10") == 200)
        #expect(try status("203.0.113.10", "198.51.100.7") == 200)
        #expect(try status("203.0.113.10, 192.0.2.1") == 403)
        #expect(try status("203.0.113.10", "192.0.2.1") == 403)
        #expect(try status() == 403)
        #expect(try status("nonsense") == 403)
        #expect(try status("203.0.113.10, nonsense") == 403)
    }

    @Test func `a peer that is no trusted proxy is not believed`() throws {
        let server = try RunningServer(
            ["ADMIN_IP_ALLOWLIST": "203.0.113.10", "TRUSTED_PROXIES": "198.51.100.7"])
        let answer = try server.admin("GET", "/v1/admin/users", headers: [("X-Forwarded-For", "203.0.113.10")])
        try expectProblem(answer, 403, "ip-not-allowed")
    }
}
