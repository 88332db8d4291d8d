import ApusCore
import NIOCore
import NIOHTTP1
import Testing

@testable import ApusHTTP

/// The API's document is made from the routes and from what is said of them; neither may miss the other.
@Suite struct APIDocumentTests {
    private let routes = HTTPTransport.routes(version: "1.2.3")
    private let document: APIDocument

    init() {
        document = APIDocument(routes: routes, version: "1.2.3")
    }

    @Test func `every route is described once, and nothing else is`() {
        let described = APIOperation.all.map(\.name)
        #expect(described.count == Set(described).count)
        #expect(Set(described).symmetricDifference(routes.map(\.name)) == [])
        #expect(routes.count == Set(routes.map(\.name)).count)
        #expect(document.entries.count == routes.count)
    }

    @Test func `a call's name is its own`() {
        let ids = document.entries.map(\.operation.id)
        #expect(ids.count == Set(ids).count)
    }

    @Test func `what a path and a body hold is told`() {
        for entry in document.entries {
            let names = entry.route.pattern.split(separator: "/").filter { $0.hasPrefix("{") }
            let told = entry.parameters.filter { $0.place == .path }
            #expect(told.map { "{\($0.name)}" } == names.map(String.init), "\(entry.route.name)")
            #expect(told.allSatisfy { $0.example != nil }, "\(entry.route.name)")
            #expect((entry.operation.body != nil) == entry.route.takesBody, "\(entry.route.name)")
            let parameters = entry.parameters.map { "\($0.place) \($0.name)" }
            #expect(parameters.count == Set(parameters).count, "\(entry.route.name)")
        }
    }

    @Test func `every schema that is referred to is there, and every one that is there is referred to`() {
        let known = APISchemas.all.map(\.name)
        #expect(known.count == Set(known).count)
        let bySchemas = APISchemas.all.flatMap(\.schema.references)
        let byCalls = document.entries.flatMap { entry in
            entry.parameters.map(\.schema) + entry.answers.flatMap(\.content).map(\.schema)
                + (entry.operation.body.map { [$0.schema] } ?? [])
        }.flatMap(\.references)
        #expect(Set(bySchemas + byCalls).symmetricDifference(known) == [])
    }

    @Test func `examples of JSON are JSON`() throws {
        for entry in document.entries {
            let answers = entry.answers.flatMap(\.content).filter { $0.type.hasSuffix("json") }
            for example in answers.compactMap(\.example) + [entry.operation.body?.example].compactMap({ $0 }) {
                #expect(throws: Never.self, "\(entry.route.name): \(example)") { try parse(example) }
            }
        }
        for (name, schema) in APISchemas.all {
            if let example = schema.example { #expect(throws: Never.self, "\(name)") { try parse(example) } }
        }
    }

    private func parse(_ text: String) throws {
        _ = try JSONText(parsing: ByteBuffer(string: text), depthMax: 128)
    }

    @Test func `the document is JSON, and the same bytes each time`() throws {
        let encoded = document.encoded()
        _ = try JSONText(parsing: encoded, depthMax: 128)
        #expect(APIDocument(routes: routes, version: "1.2.3").encoded() == encoded)
        #expect(APIDocument(routes: routes.reversed(), version: "1.2.3").encoded() == encoded)
    }

    @Test func `who may ask is who the route lets in`() {
        for entry in document.entries {
            let statuses = entry.answers.map(\.status)
            switch entry.route.access {
            case .everyone: #expect(entry.security.isEmpty)
            case .user, .administrator: #expect(!entry.security.isEmpty && statuses.contains(401))
            }
        }
    }

    @Test func `a route that nobody described is not in the document, and breaks nothing`() {
        let stray = Route(method: .GET, pattern: "/stray/{thing}", access: .everyone) { _ in }
        let other = APIDocument(routes: routes + [stray], version: "1.2.3")
        #expect(other.encoded() == document.encoded())
    }

    @Test func `text on the page is text, whatever it holds`() {
        #expect(HTML.escaped("<a href='x'>&\"") == "&lt;a href=&#39;x&#39;&gt;&amp;&quot;")
        #expect(HTML.inline("a `b<c` `d`") == "a <code>b&lt;c</code> <code>d</code>")
        #expect(HTML.blocks("one\n\n- a\n- `b`") == "<p>one</p>\n<ul>\n<li>a</li>\n<li><code>b</code></li>\n</ul>")
    }

    @Test func `each call on the page has a command to paste`() throws {
        let command = { (id: String) throws in
            try #require(document.entries.first { $0.operation.id == id }).command
        }
        #expect(
            try command("putRecord") == """
                curl -X PUT http://localhost:8000/v1/data/u1/profile/theme -H "Authorization: Bearer $TOKEN" \\
                  -H 'Content-Type: application/json' \\
                  -d '{"mode":"dark"}'
                """)
        #expect(
            try command("listUsers")
                == #"curl "http://localhost:8000/v1/admin/users?limit=100" -H "X-Admin-Api-Key: $ADMIN_API_KEY""#)
        #expect(try command("openSocket") == #"wscat -c "ws://localhost:8000/?token=$TOKEN""#)
        #expect(try command("health") == "curl http://localhost:8000/health")
        for entry in document.entries { #expect(!entry.command.contains("{user}") && !entry.command.contains("{id}")) }
    }
}
