import Testing

@testable import ServerTests

/// Looking at records in the dashboard, changing them, bringing them back.
@Suite(.serialized) struct RecordTests {
    @Test func `a record is found, edited and saved as it was typed`() throws {
        let dashboard = try Dashboard()
        let user = try dashboard.makeUser("alex")
        let browser = dashboard.browser
        try browser.press("Data")
        try browser.press("alex")
        try browser.press("things")
        try browser.press("theme")
        try browser.waitFor("Valid JSON")
        #expect(try value(browser).contains(#""number": 9007199254740993"#))
        try browser.picture("record")

        try browser.fill("Value", #"{"mode": }"#)
        try browser.waitFor("line 1, column 10: no JSON value begins like this")
        try browser.press("Save")
        #expect(try user.get("theme").text.contains("dark"), "what is not JSON is not sent")

        try browser.fill("Value", #"{"mode":"light","number":12345678901234567890.10}"#)
        try browser.press("Save")
        try browser.waitFor("Saved")
        let stored = try user.get("theme").json()["data"]["value"].raw
        #expect(stored == #"{"mode":"light","number":12345678901234567890.10}"#)
    }

    @Test func `a record that someone else changed meanwhile is not written over unasked`() throws {
        let dashboard = try Dashboard()
        let user = try dashboard.makeUser("alex")
        let browser = dashboard.browser
        try dashboard.go("data", "alex", "things", "theme")
        try browser.waitFor("Valid JSON")
        try user.mustSet("theme", "\"theirs\"")
        try browser.fill("Value", "\"mine\"")
        try browser.press("Save")
        try browser.waitFor("Someone else changed this record")
        try browser.waitFor("\"theirs\"")
        try browser.picture("conflict")
        #expect(try user.get("theme").text.contains("theirs"))

        try browser.press("Take the stored one")
        try browser.waitUntil("document.querySelector('[name=value]').value === '\"theirs\"'")

        try user.mustSet("theme", "\"theirs again\"")
        try browser.fill("Value", "\"mine\"")
        try browser.press("Save")
        try browser.press("Save mine over it")
        try browser.waitFor("Saved")
        #expect(try user.get("theme").json()["data"]["value"].text == "mine")
    }

    @Test func `saving leaves the time at which a record expires as it was`() throws {
        let dashboard = try Dashboard()
        let user = try dashboard.makeUser("alex")
        let before = try user.mustSet("short", "1", extra: "\"ttl_seconds\":86400")["expires_at"].text
        let browser = dashboard.browser
        try dashboard.go("data", "alex", "things", "short")
        try browser.waitFor("Valid JSON")
        try browser.fill("Value", "2")
        try browser.press("Save")
        try browser.waitFor("Saved")
        let stored = try user.get("short").json()["data"]
        #expect(stored["value"].raw == "2")
        #expect(stored["expires_at"].text == before)
    }

    @Test func `a record is deleted, shown among the deleted ones, and brought back`() throws {
        let dashboard = try Dashboard()
        let user = try dashboard.makeUser("alex")
        let browser = dashboard.browser
        try dashboard.go("data", "alex", "things", "theme")
        try browser.press("Delete")
        try browser.waitFor("Delete this record")
        try browser.press("Delete")
        try browser.waitFor("Its last value is still kept.")
        #expect(try user.get("theme").status == 404)

        try browser.press("things")
        try browser.waitFor("No record is called like this.")
        try browser.tick("Show deleted")
        try browser.press("theme")
        try browser.picture("deleted")
        try browser.press("Undelete")
        try browser.waitFor("Valid JSON")
        let stored = try user.get("theme")
        #expect(stored.status == 200)
        #expect(try stored.json()["data"]["value"].raw.contains("9007199254740993"))
    }

    @Test func `a new record is made, and none that is there is written over`() throws {
        let dashboard = try Dashboard()
        let user = try dashboard.makeUser("alex")
        let browser = dashboard.browser
        try dashboard.go("data", "alex", "things")
        try browser.press("New record")
        try browser.fill("Key", "a/new one?")
        try browser.press("Go on")
        try browser.waitFor("There is no such record")
        try user.mustSet("a/new one?", "\"first\"")
        try browser.fill("Value", "[1]")
        try browser.press("Save")
        try browser.waitFor("Someone else changed this record")
        try browser.press("Save mine over it")
        try browser.waitFor("Saved")
        #expect(try user.get("a/new one?").json()["data"]["value"].raw == "[1]")
    }

    @Test func `a value is laid out without a token being changed, and told from what is not JSON`() throws {
        let browser = try Dashboard().browser
        let results = try browser.runAwaiting(
            #"""
            const done = arguments[arguments.length - 1];
            import(`${location.origin}/admin/assets/json.js`).then(({ complaint, pretty, records }) => {
              const good = [
                '{"b":1,"a":1.0,"b":[1e400,-0,[],{},[{"c":"\\u00e9 \\" , : "}]]}', '"x"', "12", "[[[]]]", "null",
              ];
              const bad = [
                "", " ", "{", "[1,]", "[,1]", '{"a":1,}', "01", "1.", ".5", '"\u0001"', '"\\x"', '"open',
                "nul", "[1] 2", '{"a" 1}', "{a:1}", "'a'", "[".repeat(129) + "]".repeat(129), "NaN", "\u00a01",
              ];
              const record = '{"data":[{"key":"__proto__","value":{"value": 9007199254740993}}],"value":[1.0]}';
              done([
                good.every((text) => pretty(text).split("\n").map((line) => line.trimStart()).join("")
                  .replaceAll(/("[a-z]"): /g, "$1:") === text && complaint(text) === undefined),
                bad.filter((text) => complaint(text) === undefined).length,
                records(record).data[0].value, records(record).value, pretty(pretty(good[0])) === pretty(good[0]),
              ]);
            }, (error) => done([String(error)]));
            """#)
        #expect(results.raw == #"[true,0,"{\"value\": 9007199254740993}","[1.0]",true]"#)
    }

    private func value(_ browser: Browser) throws -> String {
        try browser.run("return document.querySelector('[name=value]').value").text ?? ""
    }
}
