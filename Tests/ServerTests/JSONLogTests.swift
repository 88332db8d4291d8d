import Testing

@Suite(.serialized) struct JSONLogTests {
    @Test func `every log line is one JSON object with its time, level, message and source`() throws {
        let server = try RunningServer(["LOG_FORMAT": "json", "LOG_LEVEL": "debug"])
        let user = TestUser(server)
        try user.mustSet("k", "1")
        _ = try user.socket("&since=0").next()
        #expect(server.terminate() == Program.Ending(code: 0))
        let lines = server.errors.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.last == "" && lines.count > 2)
        var messages: [String] = []
        for line in lines.dropLast() {
            let entry = try JSON(String(line))
            #expect(Array(entry.names.prefix(4)) == ["time", "level", "message", "source"], "\(line)")
            #expect(Moment(entry["time"].text) != nil && entry["level"].text?.isEmpty == false)
            #expect(Set(entry.names).count == entry.names.count)
            messages.append(entry["message"].text ?? "")
        }
        #expect(messages.contains("listening") && messages.contains("stopped"))
        let listening = try JSON(String(try #require(lines.first { $0.contains("\"listening\"") })))
        #expect(listening["port"].text == "\(server.port)" && listening["storage"].text?.isEmpty == false)
        #expect(server.program.printed.hasPrefix("apus "))
    }

    @Test(arguments: ["trace", "info"])
    func `no token, key, secret or value is in it, and no name breaks a line`(level: String) throws {
        let server = try RunningServer(["LOG_FORMAT": "json", "LOG_LEVEL": level])
        let value = "a-value-nobody-may-log"
        let user = TestUser(server, id: "logged\"}")
        try user.mustSet("k", JSON.quoted(value))
        _ = try user.set("k", "\"\(value)")
        _ = try user.socket("&since=0").next()
        _ = try server.call("GET", "/nowhere%0A{?token=\(user.token)")
        _ = try server.call("GET", "/v1/admin/users", headers: [("X-Admin-Api-Key", TestSecret.adminKey + "-wrong")])
        _ = try server.admin("GET", "/v1/admin/settings")
        _ = server.terminate()
        for secret in [user.token, TestSecret.jwt, TestSecret.adminKey, value] {
            #expect(!server.errors.contains(secret))
        }
        for line in server.errors.split(separator: "\n") { _ = try JSON(String(line)) }
    }

    @Test func `the settings in force are shown with their sources, and no secret`() throws {
        let server = try RunningServer(["ADMIN_PASSWORD": "a-password-nobody-sees", "RATE_LIMIT_PER_MIN": "0"])
        let answer = try server.admin("GET", "/v1/admin/settings")
        #expect(answer.status == 200)
        for secret in [TestSecret.jwt, TestSecret.adminKey, "a-password-nobody-sees"] {
            #expect(!answer.text.contains(secret))
        }
        let all = try answer.json()["data"].items
        func setting(_ name: String) -> JSON { all.first { $0["name"].text == name } ?? .missing }
        #expect(setting("HOST")["value"].text == "127.0.0.1" && setting("HOST")["source"].text == "environment")
        #expect(setting("LOG_FORMAT")["value"].text == "text" && setting("LOG_FORMAT")["source"].text == "default")
        for name in ["JWT_SECRET", "ADMIN_API_KEY", "ADMIN_PASSWORD"] {
            #expect(setting(name)["value"].isNull && setting(name)["secret"].bool == true)
            #expect(setting(name)["set"].bool == true)
        }
        #expect(all.filter { $0["secret"].bool == true }.count == 3 && all.count > 15)
        try expectProblem(try server.call("GET", "/v1/admin/settings"), 401, "unauthenticated")
    }
}
