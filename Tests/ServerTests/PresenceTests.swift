import Testing

@Suite(.serialized) struct PresenceTests {
    let server: RunningServer
    let user: TestUser

    init() throws {
        server = try RunningServer.shared()
        user = TestUser(server)
    }

    private func device(_ id: String, of user: TestUser? = nil) throws -> JSON? {
        let user = user ?? self.user
        let answer = try user.call("GET", "/v1/devices/\(encoded(user.id))")
        return try answer.json()["data"].items.first { $0["device_id"].text == id }
    }

    @Test func `a device is online while a socket of it is open, and offline 5 s after the last one`() throws {
        let (watcher, other) = (try user.listening("&collection=none"), try TestUser(server).listening())
        let first = try user.listening("&device_id=tv-1")
        let online = try watcher.next()
        #expect(online.names == ["type", "data"] && online["type"].text == "presence.online")
        #expect(online["data"].names == ["user_id", "device_id", "at"] && online["data"]["device_id"].text == "tv-1")
        #expect(try first.next().raw == online.raw, "the device's own socket hears it, too")
        #expect(try device("tv-1")?["online"].bool == true, "a device needs no registering")
        let second = try user.listening("&device_id=tv-1")
        first.socket.finishSending()
        let flapping = try user.listening("&device_id=tv-1")
        #expect(try first.closeCode() == -1)
        let before = Moment.now()
        try second.sendClose(1000)
        try flapping.sendClose(1000)
        let offline = try watcher.next(within: 15)
        #expect(offline["type"].text == "presence.offline" && offline["data"]["device_id"].text == "tv-1")
        #expect(before.adding(4.5) < Moment.now())
        #expect(try device("tv-1")?["online"].bool == false)
        #expect(try device("tv-1")?["last_seen_at"].text == offline["data"]["at"].text)
        #expect(throws: SocketFailure.self) { try other.next(within: 0.1) }
    }

    @Test func `event streams hear of devices, and make theirs online`() throws {
        let stream = try user.stream()
        #expect(try stream.next().type == "hello")
        let phone = try user.stream("?device_id=phone")
        #expect(try phone.next().type == "hello")
        let event = try stream.next()
        #expect(event.type == "presence.online" && event.id == nil)
        #expect(try event.json()["data"]["device_id"].text == "phone")
        #expect(try phone.next().data == event.data)
    }

    @Test func `a device that is deleted goes offline at once`() throws {
        let watcher = try user.listening()
        let socket = try user.listening("&device_id=tv")
        #expect(try watcher.next()["type"].text == "presence.online")
        #expect(try user.call("DELETE", "/v1/devices/\(encoded(user.id))/tv").status == 200)
        #expect(try watcher.next()["type"].text == "presence.offline")
        #expect(try device("tv") == nil)
        withExtendedLifetime(socket) {}
    }

    @Test func `nobody is online after a restart, and devices are as they were last seen`() throws {
        guard TestStorage.current != .memory else { return }
        let server = try RunningServer()
        let user = TestUser(server)
        let socket = try user.listening("&device_id=tv")
        #expect(
            try user.call(
                "POST", "/v1/devices/register",
                body: "{\"user_id\":\(JSON.quoted(user.id)),\"device_id\":\"tv\",\"name\":\"Living Room\"}"
            ).status == 200)
        let seen = try device("tv", of: user)
        #expect(seen?["online"].bool == true)
        try server.restart(after: .kill)
        let now = try device("tv", of: user)
        #expect(now?["online"].bool == false && now?["name"].text == "Living Room")
        #expect(now?["last_seen_at"].text != nil && now?["registered_at"].text == seen?["registered_at"].text)
        withExtendedLifetime(socket) {}
    }

    @Test func `a device's name must be one before the socket opens`() throws {
        for wrong in ["", "a%00", String(repeating: "x", count: 129)] {
            let target = "/?token=\(user.token)&device_id=\(wrong)"
            try expectProblem(try WebSocket.refusal(port: server.port, target: target), 400, "bad-parameter")
        }
    }
}
