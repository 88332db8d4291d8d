import NIOHTTP1

/// The API as one page to read: no script, one style sheet, nothing from elsewhere.
struct APIPage {
    private let document: APIDocument

    init(_ document: APIDocument) {
        self.document = document
    }

    var html: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Apus API \(HTML.escaped(document.version))</title>
        <link rel="stylesheet" href="/docs/style.css">
        </head>
        <body>
        <header>
        <h1>Apus API <small>\(HTML.escaped(document.version))</small></h1>
        <p>\(HTML.escaped(APIOverview.summary)) For programs: <a href="/openapi.json">openapi.json</a>.</p>
        </header>
        <nav aria-label="Contents">
        \(navigation)
        </nav>
        <main>
        \(overview)
        \(document.groups.map(section).joined(separator: "\n"))
        \(schemas)
        </main>
        </body>
        </html>

        """
    }

    private var navigation: String {
        let groups = document.groups.map { group, entries in
            let items = entries.map { entry in
                "<li><a href=\"#\(entry.operation.id)\">\(method(of: entry)) \(HTML.escaped(entry.operation.summary))"
                    + "</a></li>"
            }
            return "<details open><summary>\(group.rawValue)</summary>\n<ul>\n\(items.joined(separator: "\n"))\n</ul>"
                + "</details>"
        }
        return "<ul><li><a href=\"#overview\">Overview</a></li></ul>\n" + groups.joined(separator: "\n")
            + "\n<ul><li><a href=\"#schemas\">Schemas</a></li></ul>"
    }

    private var overview: String {
        let parts = APIOverview.sections.map { "<h3>\($0.title)</h3>\n\(HTML.blocks($0.text))" }
        return "<section id=\"overview\">\n<h2>Overview</h2>\n\(parts.joined(separator: "\n"))\n</section>"
    }

    private func section(_ group: APIGroup, _ entries: [APIDocument.Entry]) -> String {
        """
        <section id="\(group)">
        <h2>\(group.rawValue)</h2>
        \(HTML.blocks(group.meaning))
        \(entries.map(article).joined(separator: "\n"))
        </section>
        """
    }

    private func method(of entry: APIDocument.Entry) -> String {
        let method = entry.route.method.rawValue
        return "<span class=\"method \(method.lowercased())\">\(method)</span>"
    }
}

// MARK: - One call

extension APIPage {
    private func article(_ entry: APIDocument.Entry) -> String {
        let operation = entry.operation
        let path = HTML.path(entry.route.pattern)
        return [
            "<article id=\"\(operation.id)\">",
            "<h3><a href=\"#\(operation.id)\">\(HTML.escaped(operation.summary))</a></h3>",
            "<p class=\"route\">\(method(of: entry)) <code>\(path)</code> \(access(of: entry))</p>",
            HTML.blocks(operation.notes), parameters(of: entry), body(of: operation),
            "<h4>Try it</h4>\n<pre><code>\(HTML.escaped(entry.command))</code></pre>", example(of: operation),
            answers(of: entry), "</article>",
        ].filter { !$0.isEmpty }.joined(separator: "\n")
    }

    private func access(of entry: APIDocument.Entry) -> String {
        let words =
            switch entry.route.access {
            case .everyone: "everyone"
            case .user: "Bearer token"
            case .administrator: "X-Admin-Api-Key or login"
            }
        return "<span class=\"access\">\(words)</span>"
    }

    private func parameters(of entry: APIDocument.Entry) -> String {
        let rows = entry.parameters.map { parameter in
            [
                "<code>\(HTML.escaped(parameter.name))</code>", parameter.place.rawValue,
                HTML.words(of: parameter.schema), HTML.inline(parameter.meaning),
            ]
        }
        return rows.isEmpty ? "" : "<h4>Parameters</h4>\n" + HTML.table(["Name", "In", "Type", ""], rows)
    }

    private func body(of operation: APIOperation) -> String {
        guard let body = operation.body else { return "" }
        return "<h4>Body</h4>\n<p>\(HTML.words(of: body.schema))</p>"
    }

    private func example(of operation: APIOperation) -> String {
        let example = operation.answers.lazy.flatMap(\.content).compactMap(\.example).first
        return example.map { "<pre class=\"answer\"><code>\(HTML.escaped($0))</code></pre>" } ?? ""
    }

    private func answers(of entry: APIDocument.Entry) -> String {
        let rows = entry.answers.map { answer in
            let schemas = answer.content.map { content in
                content.type.hasSuffix("json") ? HTML.words(of: content.schema) : HTML.escaped(content.type)
            }
            return ["\(answer.status)", schemas.joined(separator: " or "), HTML.lines(answer.meaning)]
        }
        let own = Set(entry.operation.answers.map(\.status))
        let (first, rest) = (
            rows.filter { own.contains(Int($0[0]) ?? 0) }, rows.filter { !own.contains(Int($0[0]) ?? 0) }
        )
        let head = ["Status", "Body", ""]
        return "<h4>Answers</h4>\n" + HTML.table(head, first)
            + "\n<details><summary>Errors: \(rest.map { $0[0] }.joined(separator: ", "))</summary>\n"
            + HTML.table(head, rest) + "</details>"
    }
}

extension APIDocument.Entry {
    /// The call as a command.
    var command: String {
        if let command = operation.exampleCommand { return command }
        var path = route.pattern
        for parameter in parameters {
            if let example = parameter.example { path = path.replacing("{\(parameter.name)}", with: example) }
        }
        let url = "http://localhost:8000\(path)\(operation.exampleQuery)"
        var words = ["curl"]
        if route.opensStream { words.append("-N") }
        if route.method != .GET { words.append("-X \(route.method.rawValue)") }
        words.append(operation.exampleQuery.isEmpty ? url : "\"\(url)\"")
        switch route.access {
        case .everyone: break
        case .user: words.append("-H \"Authorization: Bearer $TOKEN\"")
        case .administrator: words.append("-H \"X-Admin-Api-Key: $ADMIN_API_KEY\"")
        }
        guard let body = operation.body else { return words.joined(separator: " ") }
        return words.joined(separator: " ") + " \\\n  -H 'Content-Type: application/json' \\\n  -d '\(body.example)'"
    }
}

// MARK: - Schemas

extension APIPage {
    private var schemas: String {
        let parts = APISchemas.all.map { name, schema in
            "<article id=\"schema-\(name)\">\n<h3><a href=\"#schema-\(name)\">\(name)</a></h3>\n"
                + HTML.blocks(schema.meaning) + "\n" + shape(of: schema) + "\n</article>"
        }
        return "<section id=\"schemas\">\n<h2>Schemas</h2>\n\(parts.joined(separator: "\n"))\n</section>"
    }

    private func shape(of schema: JSONSchema) -> String {
        guard case .object(let members) = schema.kind else { return "<p>\(HTML.words(of: schema))</p>" }
        return HTML.table(["Member", "Type", ""], rows(of: members, within: ""))
    }

    private func rows(of members: [JSONSchema.Member], within path: String) -> [[String]] {
        members.flatMap { member -> [[String]] in
            let name = path + member.name
            let row = [
                "<code>\(HTML.escaped(name))</code>\(member.isRequired ? "" : " <em>optional</em>")",
                HTML.words(of: member.schema), HTML.inline(member.schema.meaning),
            ]
            switch member.schema.kind {
            case .object(let inner): return [row] + rows(of: inner, within: name + ".")
            case .array(let element, _):
                guard case .object(let inner) = element.kind else { return [row] }
                return [row] + rows(of: inner, within: name + "[].")
            case .anything, .string, .choice, .integer, .number, .boolean, .yes, .reference, .either, .null, .problem:
                return [row]
            }
        }
    }
}
