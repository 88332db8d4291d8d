import Testing

@Suite(.serialized) struct OnlineDevicesTests {
    @Test func `the administrator sees which devices are online, whoever's they are`() throws {
        let server = try RunningServer()
        func online() throws -> [JSON] {
            let answer = try server.admin("GET", "/v1/admin/devices?online=true")
            #expect(answer.status == 200, "\(answer.text)")
            return try answer.json()["data"].items
        }
        #expect(try online().isEmpty)
        let (one, two) = (TestUser(server, id: "one"), TestUser(server, id: "two"))
        let body = #"{"user_id":"one","device_id":"phone","name":"Phone","platform":"x"}"#
        #expect(try one.call("POST", "/v1/devices/register", body: body).status == 201)
        #expect(try online().isEmpty, "known, but not online")
        let sockets = [
            try two.listening("&device_id=tv"), try one.listening("&device_id=phone"),
            try one.listening("&device_id=desk"), try one.listening(),
        ]
        let isThere = try eventually { try online().count == 3 }
        #expect(isThere)
        let devices = try online()
        #expect(devices.compactMap { $0["user_id"].text } == ["one", "one", "two"])
        #expect(devices.compactMap { $0["device_id"].text } == ["desk", "phone", "tv"])
        #expect(devices[1]["name"].text == "Phone" && devices.allSatisfy { $0["online"].bool == true })
        #expect(
            devices[0].names == [
                "user_id", "device_id", "name", "platform", "registered_at", "last_seen_at", "online",
            ])
        for target in ["/v1/admin/devices", "/v1/admin/devices?online=false"] {
            try expectProblem(try server.admin("GET", target), 400, "bad-parameter")
        }
        try expectProblem(try one.call("GET", "/v1/admin/devices?online=true"), 401, "unauthenticated")
        withExtendedLifetime(sockets) {}
    }

    @Test func `a server that takes writes is ready, and anybody may ask`() throws {
        let answer = try RunningServer.shared().call("GET", "/ready")
        #expect(answer.status == 200 && answer.text == #"{"status":"ready"}"#)
    }
}
