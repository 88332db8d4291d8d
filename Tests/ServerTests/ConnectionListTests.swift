import Testing

@Suite(.serialized) struct ConnectionListTests {
    let server: RunningServer

    init() throws { server = try RunningServer() }

    private func connections() throws -> JSON {
        let answer = try server.admin("GET", "/v1/admin/connections")
        #expect(answer.status == 200, "\(answer.text)")
        return try answer.json()
    }

    @Test func `sockets and streams are listed with who they are and where they stand`() throws {
        let user = TestUser(server)
        #expect(try connections()["data"].items.isEmpty)
        let socket = try user.listening("&device_id=tv-1")
        let stream = try user.stream("?collection=things")
        #expect(try stream.next().type == "hello")
        try user.mustSet("k", "1")
        #expect(try socket.next(ofType: "data.updated")["seq"].int == 1)
        #expect(try stream.next().type == "data.updated")
        let list = try connections()
        #expect(list["total"].int == 2 && list["data"].items.count == 2)
        let first = list["data"][0]
        #expect(
            first.names == [
                "id", "kind", "user_id", "device_id", "address", "opened_at", "seq", "lag", "buffered_bytes",
            ])
        let all = list["data"].items
        #expect(Set(all.compactMap { $0["kind"].text }) == ["websocket", "stream"])
        #expect(Set(all.compactMap { $0["id"].text }).count == 2)
        for connection in all {
            #expect(connection["user_id"].text == user.id && connection["address"].text == "127.0.0.1")
            #expect(connection["seq"].int == 1 && connection["lag"].int == 0)
            #expect(connection["buffered_bytes"].int == 0 && Moment(connection["opened_at"].text) != nil)
        }
        #expect(all.first { $0["kind"].text == "websocket" }?["device_id"].text == "tv-1")
        #expect(all.first { $0["kind"].text == "stream" }?["device_id"].isNull == true)
        try expectProblem(try server.call("GET", "/v1/admin/connections"), 401, "unauthenticated")
        try expectProblem(try user.call("GET", "/v1/admin/connections"), 401, "unauthenticated")
    }

    @Test func `the one whose client reads too slowly comes first`() throws {
        let server = try RunningServer(["WS_BUFFER_BYTES": "1073741824"])
        let (user, other) = (TestUser(server), TestUser(server))
        let quick = try user.listening()
        let idle = try (0..<5).map { _ in try other.listening() }
        let slow = try WebSocket(
            port: server.port, target: "/?token=\(user.token)&device_id=slow", receiveBytesMax: 65_536)
        #expect(try slow.next()["type"].text == "hello")
        let value = "\"" + String(repeating: "z", count: 500_000) + "\""
        for _ in 0..<20 {
            try user.mustSet("k", value)
            _ = try quick.next(ofType: "data.updated")
        }
        let list = try server.admin("GET", "/v1/admin/connections").json()
        let first = list["data"][0]
        #expect(first["device_id"].text == "slow", "\(list.raw.prefix(2000))")
        #expect(first["buffered_bytes"].int ?? 0 > 500_000 && first["lag"].int ?? 0 > 0)
        #expect(list["total"].int == 7 && list["data"][1]["buffered_bytes"].int ?? .max < 500_000)
        withExtendedLifetime((quick, idle, slow)) {}
    }

    @Test func `a socket that is disconnected is closed with 1008 and told why, and others go on`() throws {
        let (user, other) = (TestUser(server), TestUser(server))
        let (socket, kept) = (try user.listening(), try other.listening())
        let list = try connections()["data"].items
        let id = try #require(list.first { $0["user_id"].text == user.id }?["id"].text)
        let answer = try server.admin("DELETE", "/v1/admin/connections/\(id)")
        #expect(answer.status == 200 && answer.text == #"{"closed":true}"#)
        let frame = try #require(try socket.readFrame())
        #expect(frame.closeCode == 1008 && frame.closeReason == "closed by the administrator")
        try other.mustSet("k", "1")
        #expect(try kept.next()["type"].text == "data.updated")
        #expect(try connections()["total"].int == 1)
        try expectProblem(try server.admin("DELETE", "/v1/admin/connections/\(id)"), 404, "not-found")
    }

    @Test func `a stream that is disconnected ends`() throws {
        let stream = try TestUser(server).stream()
        #expect(try stream.next().type == "hello")
        let id = try #require(try connections()["data"][0]["id"].text)
        #expect(try server.admin("DELETE", "/v1/admin/connections/\(id)").status == 200)
        #expect(stream.isClosedByServer())
    }

    @Test(arguments: ["x", "0-0-1", "a-0-1-2", "a--1", "a-99999999999999999999-1", "a-0-%2B1", "a-5000-1"])
    func `an id that names nothing is 404`(id: String) throws {
        try expectProblem(try server.admin("DELETE", "/v1/admin/connections/\(id)"), 404, "not-found")
    }

    @Test func `at most 200 are listed, and all are counted`() throws {
        let user = TestUser(server)
        let sockets = try (0..<230).map { _ in try user.listening() }
        let list = try connections()
        #expect(list["data"].items.count == 200 && list["total"].int == sockets.count)
        #expect(Set(list["data"].items.compactMap { $0["id"].text }).count == 200)
    }
}
