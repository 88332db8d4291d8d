import Foundation
import Testing

@testable import ServerTests

/// What an operator does in the dashboard, in a real browser, on the real server.
@Suite(.serialized) struct OperatorTests {
    @Test func `who logs in sees how the server is`() throws {
        let dashboard = try Dashboard()
        _ = try dashboard.makeUser("alex")
        let browser = dashboard.browser
        try browser.press("Refresh")
        try browser.waitFor("Users\n1")
        try browser.waitFor("alex / things / gone")
        for title in ["Writes a second", "Reads a second", "Deliveries a second", "Latency", "Memory"] {
            #expect(try browser.text().contains(title))
        }
        try browser.waitUntil("document.querySelector('.chart path.stroke')?.getAttribute('d')")
        try browser.press("As a table")
        try browser.waitUntil("document.querySelector('.chart td.number')")
        try browser.picture("overview")
    }

    @Test func `a write is seen live, and only what passes the filter`() throws {
        let dashboard = try Dashboard()
        let user = try dashboard.makeUser("alex")
        let browser = dashboard.browser
        try browser.press("Live")
        try browser.waitFor("Listening")
        try user.mustSet("seen", "\"at once\"")
        try browser.waitFor("things / seen")
        try browser.waitFor("at once")

        try browser.fill("Keys that start with", "only-")
        try browser.press("Apply")
        try browser.waitFor("Listening · 0 changes")
        try user.mustSet("other", "1")
        try user.mustSet("only-this", "2")
        try browser.waitFor("things / only-this")
        #expect(try !browser.text().contains("things / other"))

        try browser.press("Pause")
        try user.mustSet("only-later", "3")
        try browser.waitFor("Paused · 2 changes")
        #expect(try !browser.text().contains("only-later"))
        try browser.press("Pause")
        try browser.waitFor("only-later")
        try browser.picture("live")
    }

    @Test func `a token is issued, shown once, and works`() throws {
        let dashboard = try Dashboard()
        let browser = dashboard.browser
        try browser.press("Users")
        try browser.press("New user or token")
        try browser.fill("User id", "bea")
        try browser.fill("Display name", "Beatriz")
        try browser.fill("Good for", "3600")
        try browser.fill("Custom claims", #"{"role": "editor", "n": 9007199254740993"#)
        try browser.press("Issue token")
        try browser.waitFor("line 1, column 41")
        try browser.fill("Custom claims", #"{"role": "editor", "n": 9007199254740993}"#)
        try browser.press("Issue token")
        try browser.waitFor("Token for bea")
        try browser.waitFor(#""n": 9007199254740993"#)
        try browser.picture("token")
        let token = try #require(browser.run("return document.getElementById('issued-token').value").text)
        try browser.press("Copy")
        try browser.press("Done")
        try browser.waitFor("Beatriz")
        #expect(try browser.run("return document.documentElement.outerHTML").text?.contains(token) == false)
        let user = TestUser(dashboard.server, id: "bea", token: token)
        try user.mustSet("first", "1")
    }

    @Test func `tokens are revoked, one or all, and rotated`() throws {
        let dashboard = try Dashboard()
        let user = try dashboard.makeUser("alex")
        let browser = dashboard.browser
        try dashboard.go("users", "alex")
        try browser.press("Rotate tokens")
        try browser.press("Rotate")
        try browser.waitFor("Token for alex")
        let second = try #require(browser.run("return document.getElementById('issued-token').value").text)
        try browser.press("Done")
        #expect(try user.list().status == 401)
        let rotated = TestUser(dashboard.server, id: "alex", token: second)
        #expect(try rotated.list().status == 200)

        try browser.press("Revoke all tokens")
        try browser.press("Revoke all")
        try browser.waitFor("All tokens were revoked")
        #expect(try rotated.list().status == 401)

        let third = try dashboard.server.admin("POST", "/v1/admin/users", body: #"{"user_id":"alex"}"#).json()
        let issued = TestUser(dashboard.server, id: "alex", token: try #require(third["token"].text))
        #expect(try issued.list().status == 200)
        try browser.reload()
        try browser.press("Revoke the token \(try #require(third["jti"].text))")
        try browser.press("Revoke")
        try browser.waitFor("The token was revoked")
        #expect(try issued.list().status == 401)
    }

    @Test func `a user is deleted only after the name was typed`() throws {
        let dashboard = try Dashboard()
        let user = try dashboard.makeUser("alex")
        let browser = dashboard.browser
        try dashboard.go("users", "alex")
        try browser.press("Delete user")
        try browser.fill("Type alex to go on", "ale")
        #expect(try browser.run("return document.getElementById('confirm-action').disabled").bool == true)
        try browser.fill("Type alex to go on", "alex")
        try browser.press("Delete the user")
        try browser.waitFor("alex was deleted")
        #expect(try user.list().status == 401)
    }

    @Test func `a client is disconnected`() throws {
        let dashboard = try Dashboard()
        let user = try dashboard.makeUser("alex")
        let socket = try dashboard.connect(user, device: "tv-1")
        let browser = dashboard.browser
        try browser.press("Devices")
        try browser.waitFor("tv-1")
        try browser.press("Connections")
        try browser.waitFor("WebSocket")
        try browser.picture("connections")
        try browser.press("Disconnect alex at 127.0.0.1")
        try browser.waitFor("Nobody is connected.")
        #expect(try socket.closeCode() == 1008)
    }

    @Test func `an export is downloaded`() throws {
        let dashboard = try Dashboard()
        _ = try dashboard.makeUser("alex")
        let browser = dashboard.browser
        let directory = ScratchDirectory()
        try browser.download(to: directory.path)
        try browser.press("Exports")
        try browser.fill("Collection", "things")
        try browser.picture("exports")
        for name in ["users.json", "data.json", "audit.csv"] {
            try browser.press("Download \(name)")
            let isThere = eventually { !readFile("\(directory.path)/\(name)").isEmpty }
            #expect(isThere, "\(name)")
        }
        let records = try JSON(readFile("\(directory.path)/data.json"))
        #expect(records.items.map { $0["key"].text } == ["theme"])
        #expect(records[0]["value"].raw.contains("9007199254740993"))
    }

    @Test func `the audit log is searched`() throws {
        let dashboard = try Dashboard()
        _ = try dashboard.makeUser("alex")
        _ = try dashboard.makeUser("bea")
        let browser = dashboard.browser
        try browser.press("Audit log")
        try browser.waitFor("token.issue")
        try browser.fill("Target", "bea")
        try browser.press("Search")
        try browser.waitUntil(
            """
            [...document.querySelectorAll('#audit-table tbody tr')].length > 0 &&
            ![...document.querySelectorAll('#audit-table tbody td')].some((cell) => cell.textContent.includes('alex'))
            """)
        #expect(try browser.text().contains("token.issue"))
        try browser.picture("audit")
        try browser.press("Clear")
        try browser.waitFor("alex")
    }

    @Test func `the settings in force are shown, and no secret among them`() throws {
        let dashboard = try Dashboard(["WS_BUFFER_BYTES": "77777"])
        let browser = dashboard.browser
        try browser.press("Settings")
        try browser.waitFor("77777")
        try browser.waitFor("set, not shown")
        let everything = try browser.run("return document.documentElement.outerHTML").text ?? ""
        for secret in [TestSecret.jwt, TestSecret.adminKey, Dashboard.password] {
            #expect(!everything.contains(secret))
        }
    }

    @Test func `a refusal says what it is about and what to do`() throws {
        let dashboard = try Dashboard()
        let browser = dashboard.browser
        try dashboard.go("users", "nobody-is-called-this")
        try browser.waitFor("Not Found")
        try browser.waitFor("status 404 · code not-found · request ")

        try browser.press("Users")
        try browser.press("New user or token")
        try browser.fill("User id", "alex")
        try browser.fill("Good for", "0")
        try browser.press("Issue token")
        try browser.waitFor("code invalid-field")
        try browser.waitFor("/ttl_seconds")
        try browser.picture("refusal")
    }

    @Test func `a page that asks too much waits as long as it is told to, and goes on`() throws {
        let dashboard = try Dashboard(["ADMIN_RATE_LIMIT_PER_MIN": "90"])
        let browser = dashboard.browser
        try browser.runAwaiting(
            """
            const done = arguments[arguments.length - 1];
            const asks = Array.from({ length: 100 }, () => fetch(location.origin + '/v1/admin/users?limit=1'));
            Promise.all(asks).then(() => done());
            """)
        try browser.press("Users")
        try browser.waitFor("Too many requests: waiting")
        try browser.waitFor("No user is called like this.")
        try browser.waitFor("Connected")
    }
}
