import Testing

@testable import ServerTests

/// A server, and an operator who has logged in to its dashboard.
final class Dashboard {
    let server: RunningServer
    let browser: Browser

    static let name = "admin"
    static let password = "a-password-for-tests-only"
    /// What a section is called in the address and in the navigation.
    static let sections = [
        ("overview", "Overview"), ("users", "Users"), ("data", "Data"), ("live", "Live"),
        ("connections", "Connections"), ("devices", "Devices"), ("audit", "Audit log"), ("exports", "Exports"),
        ("settings", "Settings"),
    ]

    init(_ settings: [String: String] = [:]) throws {
        server = try RunningServer(settings.merging(["ADMIN_PASSWORD": Self.password]) { own, _ in own })
        browser = try Browser()
        try browser.open("http://\(Self.name):\(Self.password)@127.0.0.1:\(server.port)/admin")
        try browser.waitFor("The last 60 minutes")
    }

    /// Goes to what stands behind `#/`, as a link would.
    func go(_ names: String...) throws {
        try browser.run("location.hash = arguments[0]", "#/" + names.map(encoded).joined(separator: "/"))
        try browser.waitUntil("document.querySelector('section:not([hidden]) h1')")
    }

    func connect(_ user: TestUser, device: String) throws -> WebSocket {
        try WebSocket(port: server.port, target: "/?token=\(user.token)&device_id=\(encoded(device))")
    }

    /// A user with a record in every state.
    func makeUser(_ id: String) throws -> TestUser {
        let answer = try server.admin("POST", "/v1/admin/users", body: "{\"user_id\":\(JSON.quoted(id))}")
        try #require(answer.status == 201, "\(answer.text)")
        let user = TestUser(server, id: id, token: try #require(answer.json()["token"].text))
        try user.mustSet("theme", #"{"mode":"dark","number":9007199254740993}"#)
        try user.mustSet("gone", "\"once\"")
        _ = try user.delete("gone")
        return user
    }
}
