import Testing

@testable import ServerTests

/// That everybody can use the dashboard: on a phone, in the dark, without a mouse, with a screen reader.
@Suite(.serialized) struct LooksTests {
    /// Every place worth a look.
    private static let places: [[String]] =
        Dashboard.sections.map { [$0.0] } + [
            ["users", "alex"], ["data", "alex"], ["data", "alex", "things"], ["data", "alex", "things", "theme"],
            ["data", "alex", "things", "gone"],
        ]

    private func visitAll(_ dashboard: Dashboard, _ look: (_ place: String) throws -> Void) throws {
        for place in Self.places {
            try dashboard.browser.run(
                "location.hash = arguments[0]", "#/" + place.map(encoded).joined(separator: "/"))
            try dashboard.browser.waitUntil(
                "!document.getElementById('\(place[0])').hidden && document.readyState === 'complete'")
            try settle(dashboard.browser)
            try look(place.joined(separator: "-"))
        }
    }

    /// Waits until a section has what it asked for.
    private func settle(_ browser: Browser) throws {
        try browser.waitUntil(
            """
            ['.rows', '.empty', '.tiles > *', '.editor', '.facts', 'form.card'].some((kind) =>
              document.querySelector(`section:not([hidden]) ${kind}`)?.checkVisibility())
            """)
    }

    @Test func `nobody is kept out of any section, by light or by dark`() throws {
        let dashboard = try Dashboard()
        let user = try dashboard.makeUser("alex")
        let socket = try dashboard.connect(user, device: "tv-1")
        let axe = try Equipment.axe()
        for isDark in [false, true] {
            try dashboard.browser.prefer(dark: isDark)
            try visitAll(dashboard) { place in
                try dashboard.browser.run(axe + "; return null")
                let found = try dashboard.browser.runAwaiting(
                    """
                    const done = arguments[arguments.length - 1];
                    axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => done(violations
                      .filter(({ impact }) => impact === "serious" || impact === "critical")
                      .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ").slice(0, 500)}`)),
                      (error) => done([String(error)]));
                    """)
                #expect(found.items.isEmpty, "\(place), dark \(isDark): \(found.raw)")
                try dashboard.browser.picture("\(place)-\(isDark ? "dark" : "light")")
            }
        }
        withExtendedLifetime(socket) {}
    }

    @Test func `every section fits on a phone`() throws {
        let dashboard = try Dashboard()
        let long = String(repeating: "a-name-without-an-end-", count: 5)
        let user = try dashboard.makeUser("alex")
        try user.mustSet(long, "\"\(long)\"", in: "things")
        _ = try dashboard.makeUser(long)
        try dashboard.browser.resize(width: 360, height: 740, isPhone: true)
        try visitAll(dashboard) { place in
            let width = try dashboard.browser.run("return document.documentElement.scrollWidth").int
            #expect(width == 360, "\(place)")
            try dashboard.browser.picture("\(place)-phone")
        }
        try dashboard.browser.press("Menu")
        try dashboard.browser.press("Users")
        try dashboard.browser.waitUntil("!document.getElementById('users').hidden")
    }

    @Test func `the theme is the system's, or the one that was chosen`() throws {
        let dashboard = try Dashboard()
        let browser = dashboard.browser
        let ground = "return getComputedStyle(document.body).backgroundColor"
        try browser.prefer(dark: false)
        let light = try browser.run(ground).text
        try browser.prefer(dark: true)
        let dark = try browser.run(ground).text
        #expect(light != dark)
        try browser.choose("Light", in: "Theme")
        #expect(try browser.run(ground).text == light)
        try browser.reload()
        #expect(try browser.run(ground).text == light)
        try browser.choose("Dark", in: "Theme")
        try browser.prefer(dark: false)
        #expect(try browser.run(ground).text == dark)
    }

    @Test func `names and values that are markup are text`() throws {
        let dashboard = try Dashboard()
        let browser = dashboard.browser
        let evil = #"<img src=x onerror="window.pwned = 1"><script>window.pwned = 1</script>"#
        let answer = try dashboard.server.admin(
            "POST", "/v1/admin/users",
            body: "{\"user_id\":\(JSON.quoted(evil)),\"display_name\":\(JSON.quoted(evil))}")
        let user = TestUser(dashboard.server, id: evil, token: try #require(answer.json()["token"].text))
        try browser.press("Live")
        try browser.waitFor("Listening")
        try user.mustSet(evil, JSON.quoted(evil), in: evil)
        let socket = try dashboard.connect(user, device: evil)
        try browser.waitFor(evil)
        for place in [
            ["overview"], ["users"], ["users", evil], ["data"], ["data", evil], ["data", evil, evil],
            ["data", evil, evil, evil], ["connections"], ["devices"], ["audit"],
        ] {
            try browser.run("location.hash = arguments[0]", "#/" + place.map(encoded).joined(separator: "/"))
            try settle(browser)
            try browser.waitUntil(
                "[...document.querySelectorAll('section:not([hidden]) *')].some((element) => "
                    + "String(element.value ?? element.textContent).includes('<img src=x'))")
            #expect(try browser.run("return window.pwned ?? null").isNull, "\(place)")
            #expect(try browser.run("return document.querySelector('img[onerror]')").isNull, "\(place)")
        }
        let complaints = try browser.complaints()
        #expect(complaints.isEmpty)
        withExtendedLifetime(socket) {}
    }

    @Test func `the page does nothing that its policy forbids, and nothing that the browser complains of`() throws {
        let dashboard = try Dashboard()
        _ = try dashboard.makeUser("alex")
        try visitAll(dashboard) { _ in }
        let complaints = try dashboard.browser.complaints()
        #expect(complaints.isEmpty)
    }

    @Test func `everything is done without a mouse`() throws {
        let dashboard = try Dashboard()
        _ = try dashboard.makeUser("alex")
        let browser = dashboard.browser
        try browser.press(.tab)
        #expect(try browser.focus() == "Skip to the content")
        try browser.press(.enter)
        #expect(try browser.run("return document.activeElement.id").text == "main")
        try browser.press(.tab)
        #expect(try browser.focus() == "Refresh")

        try browser.run("document.getElementById('menu').focus(); document.querySelector('#nav a').focus()")
        try browser.press(.tab)
        #expect(try browser.focus() == "Users")
        #expect(
            try browser.run("return getComputedStyle(document.activeElement).outlineStyle").text == "solid",
            "what has the focus is seen to have it")
        try browser.press(.enter)
        try browser.waitUntil("document.activeElement.id === 'users-title'")
        try browser.press(.tab)
        #expect(try browser.focus() == "New user or token")
        try browser.press(.enter)
        try browser.waitUntil("document.getElementById('issue').open")
        #expect(try browser.run("return document.activeElement.name").text == "user_id")
        try browser.press(.escape)
        try browser.waitUntil("!document.getElementById('issue').open")
        #expect(try browser.focus() == "New user or token", "a dialog gives the focus back")
    }
}
