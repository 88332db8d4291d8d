import Testing

/// Every command of the brief for tokens, data, sockets and health, as a newcomer pastes it.
@Suite(.serialized) struct BriefTests {
    /// What curl sends without being told otherwise.
    private static let curl = [("User-Agent", "curl/7.88.1"), ("Accept", "*/*")]

    @Test func `the commands of the brief work in their order as they are written`() throws {
        let server = try RunningServer()
        func call(_ method: String, _ target: String, _ headers: [(String, String)], _ body: String? = nil) throws
            -> JSON
        {
            let answer = try server.call(method, target, headers: Self.curl + headers, body: body)
            #expect((200...201).contains(answer.status), "\(method) \(target): \(answer.status) \(answer.text)")
            return try answer.json()
        }
        let admin = [("X-Admin-Api-Key", TestSecret.adminKey)]
        let json = [("Content-Type", "application/json")]

        let first = try call(
            "POST", "/v1/admin/users", json + admin, #"{"user_id":"u1","display_name":"Alex"}"#)
        #expect(first["jti"].text?.isEmpty == false)
        let rotated = try call("POST", "/v1/admin/users/u1/rotate", admin)
        let token = try #require(rotated["token"].text)
        let bearer = [("Authorization", "Bearer \(token)")]

        let socket = try WebSocket(port: server.port, target: "/?token=\(token)")
        #expect(try socket.next()["type"].text == "hello")

        let written = try call(
            "POST", "/v1/data", json + bearer + [("X-Conflict-Policy", "last_write_wins")],
            #"{"user_id":"u1","collection":"profile","key":"theme","value":{"mode":"dark"}}"#)
        #expect(written["applied"].bool == true)
        #expect(written["data"]["value"].raw == #"{"mode":"dark"}"#)
        let bulk = try call(
            "POST", "/v1/data/bulk", json + bearer,
            #"{"user_id":"u1","items":[{"collection":"profile","key":"theme","value":{"mode":"dark"}}]}"#)
        #expect(bulk["results"].items.count == 1)
        let delta = try call("GET", "/v1/data/u1/profile?updated_since=2024-01-01T00:00:00.000Z", bearer)
        #expect(keys(delta) == ["theme"])
        let cursor = try #require(delta["next_cursor"].text)
        _ = try call("GET", "/v1/data/u1/profile?limit=100&cursor=\(cursor)", bearer)
        let deleted = try call("DELETE", "/v1/data/u1/profile/theme", bearer)
        #expect(deleted["data"]["deleted_at"].text != nil)

        let update = try socket.next()
        #expect(update["type"].text == "data.updated" && update["data"]["value"].raw == #"{"mode":"dark"}"#)
        let last = try socket.next(ofType: "data.deleted")
        #expect(last["data"]["key"].text == "theme" && last["data"]["deleted_at"].text != nil)

        let jti = try #require(rotated["jti"].text)
        let revoked = try server.call(
            "POST", "/v1/admin/tokens/revoke", headers: Self.curl + json + admin,
            body: #"{"jti":"\#(jti)","exp":1717171717}"#)
        #expect(revoked.status == 200, "\(revoked.text)")
        #expect(try socket.closeCode() == 4401)
        let after = try server.call("GET", "/v1/data/u1/profile", headers: bearer)
        try expectProblem(after, 401, "token-revoked")
        #expect(try call("GET", "/health", [])["status"].text == "ok")
    }

    @Test(.enabled(if: TestStorage.current.isKept)) func `a token revoked with an exp long past stays revoked`() throws
    {
        let server = try RunningServer(["CLEANUP_INTERVAL_MS": "100"])
        let issued = try server.admin("POST", "/v1/admin/users", body: #"{"user_id":"u1"}"#).json()
        let user = TestUser(server, id: "u1", token: try #require(issued["token"].text))
        let jti = try #require(issued["jti"].text)
        let answer = try server.admin(
            "POST", "/v1/admin/tokens/revoke", body: #"{"jti":"\#(jti)","exp":1717171717}"#)
        #expect(answer.status == 200)
        sleepSeconds(0.5)
        try expectProblem(try user.list(), 401, "token-revoked")
        try server.restart(after: .kill)
        sleepSeconds(0.5)
        try expectProblem(try user.list(), 401, "token-revoked")
    }

    @Test func `a record has exactly the members of the brief and the contract, in their order`() throws {
        let user = TestUser(try RunningServer.shared())
        let order = ["user_id", "collection", "key", "value", "updated_at", "deleted_at", "expires_at", "seq"]
        let before = Moment.now()
        let record = try user.mustSet("theme", #"{"mode":"dark"}"#, in: "profile")
        let after = Moment.now()
        #expect(record.names == order)
        #expect(record["user_id"].text == user.id && record["collection"].text == "profile")
        #expect(record["deleted_at"].isNull && record["expires_at"].isNull && record["seq"].int == 1)
        let updated = try #require(Moment(record["updated_at"].text))
        #expect(before <= updated && updated <= after)
        #expect(try user.get("theme", in: "profile").json()["data"].raw == record.raw)
        #expect(try user.list("profile").json()["data"][0].raw == record.raw)
        #expect(try user.delete("theme", in: "profile").json()["data"].names == order)
    }
}
