import Foundation
import Testing

/// The dashboard's page and files, as they come over the wire.
@Suite struct AdminPageTests {
    @Test func `the page and all it loads come from the server itself`() throws {
        let server = try RunningServer.shared()
        let page = try server.admin("GET", "/admin")
        #expect(page.status == 200)
        #expect(page["content-type"] == "text/html; charset=utf-8")
        #expect(page["cache-control"] == "no-store")
        #expect(page.text.contains("#/users") && page.text.contains("Apus 0."))
        #expect(!page.text.contains("{{"))
        let assets = Self.assets(in: page.text)
        #expect(assets.count >= 3)
        var names = assets
        var known: Set<String> = []
        while let name = names.popLast() {
            guard known.insert(name).inserted else { continue }
            let asset = try server.admin("GET", "/admin/assets/\(name)")
            #expect(asset.status == 200, "\(name)")
            #expect(!asset.body.isEmpty && asset["cache-control"] == "no-cache")
            names += asset.text.components(separatedBy: "from \"./").dropFirst().map {
                String($0.prefix { $0 != "\"" })
            }
        }
        #expect(known.contains("chart.js"), "what the scripts load is looked at, too")
    }

    @Test func `nothing but the page's own scripts and styles may run, and nobody may frame it`() throws {
        let server = try RunningServer.shared()
        for target in ["/admin", "/admin/assets/admin.js", "/admin/assets/icon.svg"] {
            let answer = try server.admin("GET", target)
            let policy = try #require(answer["content-security-policy"])
            #expect(policy.hasPrefix("default-src 'none'; script-src 'self'; style-src 'self';"))
            #expect(policy.hasSuffix("base-uri 'none'; frame-ancestors 'none'"))
            #expect(!policy.contains("unsafe") && !policy.contains("http"))
            #expect(answer["x-content-type-options"] == "nosniff")
            #expect(answer["referrer-policy"] == "no-referrer")
        }
        let page = try server.admin("GET", "/admin").text
        for inline in [" style=", " onclick=", " onload=", "<style", "javascript:"] { #expect(!page.contains(inline)) }
        #expect(page.components(separatedBy: "<script").count == page.components(separatedBy: "></script>").count)
    }

    @Test func `a file that has not changed is not sent again`() throws {
        let server = try RunningServer.shared()
        let first = try server.admin("GET", "/admin/assets/admin.css")
        let tag = try #require(first["etag"])
        for known in [tag, "W/\(tag)", "\"other\", \(tag)"] {
            let again = try server.admin("GET", "/admin/assets/admin.css", headers: [("If-None-Match", known)])
            #expect(again.status == 304 && again.body.isEmpty && again["etag"] == tag)
        }
        let other = try server.admin("GET", "/admin/assets/admin.css", headers: [("If-None-Match", "\"other\"")])
        #expect(other.status == 200)
    }

    @Test func `neither page nor files are for strangers, and no other file can be had`() throws {
        let server = try RunningServer.shared()
        for target in ["/admin", "/admin/assets/admin.js"] {
            try expectProblem(try server.call("GET", target), 401, "unauthenticated")
        }
        for name in ["admin.html", "none.js", "..%2Fadmin.html", "%2e%2e%2f.env", ""] {
            try expectProblem(try server.admin("GET", "/admin/assets/\(name)"), 404, "not-found")
        }
    }

    @Test func `files in a directory called templates are used instead`() throws {
        let directory = ScratchDirectory()
        try FileManager.default.createDirectory(
            atPath: directory.path + "/templates", withIntermediateDirectories: true)
        writeFile(directory.path + "/templates/admin.css", "/* ours */")
        writeFile(directory.path + "/templates/other.css", "/* not asked for */")
        let server = try RunningServer(in: directory)
        #expect(try server.admin("GET", "/admin/assets/admin.css").text == "/* ours */")
        #expect(try server.admin("GET", "/admin/assets/admin.js").text.contains("import"))
        #expect(try server.admin("GET", "/admin/assets/other.css").status == 404)
    }

    @Test func `a template that is none stops the start with a line that names it`() throws {
        let directory = ScratchDirectory()
        try FileManager.default.createDirectory(
            atPath: directory.path + "/templates", withIntermediateDirectories: true)
        writeFile(directory.path + "/templates/admin.html", "{{#sections}} without an end")
        do {
            _ = try RunningServer(in: directory)
            Issue.record("the server came up")
        } catch let failure as RunningServer.NotStarted {
            #expect(failure.errors.contains("the template admin.html cannot be used"))
        }
    }

    @Test func `without a password the page says how to turn the dashboard on`() throws {
        let server = try RunningServer()
        let page = try server.call("GET", "/admin", headers: [("Accept", "text/html,*/*;q=0.8")])
        #expect(page.status == 401)
        #expect(page["www-authenticate"] == "Bearer", "a browser would ask for a password")
        #expect(page["content-type"] == "text/html; charset=utf-8")
        #expect(page.text.contains("ADMIN_PASSWORD"))
        try expectProblem(try server.call("GET", "/admin"), 401, "unauthenticated")
        let data = try server.call("GET", "/admin/data", headers: [("Accept", "text/html")])
        try expectProblem(data, 401, "unauthenticated")
    }

    @Test func `looking at the page again and again uses up one request each time`() throws {
        let server = try RunningServer(["ADMIN_RATE_LIMIT_PER_MIN": "5"])
        for _ in 0..<40 {
            #expect(try server.admin("GET", "/admin/assets/admin.js").status == 200)
        }
        #expect(try server.admin("GET", "/admin").status == 200)
    }

    /// What stands in `src` and `href` attributes below the assets.
    private static func assets(in page: String) -> [String] {
        page.components(separatedBy: "\"/admin/assets/").dropFirst().map { String($0.prefix { $0 != "\"" }) }
    }
}
