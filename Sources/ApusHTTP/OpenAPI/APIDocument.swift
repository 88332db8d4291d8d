import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// The API in the form of OpenAPI 3.1: the routes there are, with what their descriptions say of them.
struct APIDocument: Sendable {
    /// A route and what is said of it.
    struct Entry: Sendable {
        var route: Route
        var operation: APIOperation
    }

    /// In the order of their descriptions.
    let entries: [Entry]
    let version: String

    init(routes: [Route], operations: [APIOperation] = APIOperation.all, version: String) {
        let known = Dictionary(routes.map { ($0.name, $0) }) { first, _ in first }
        entries = operations.compactMap { operation in
            known[operation.name].map { Entry(route: $0, operation: operation) }
        }
        self.version = version
    }

    var groups: [(group: APIGroup, entries: [Entry])] {
        APIGroup.allCases.compactMap { group in
            let members = entries.filter { $0.operation.group == group }
            return members.isEmpty ? nil : (group, members)
        }
    }
}

extension Route {
    /// Its method and pattern, which only it has.
    var name: String { "\(method.rawValue) \(pattern)" }
}

extension APIOperation {
    var name: String { "\(method.rawValue) \(pattern)" }
}

// MARK: - What the route adds

extension APIDocument.Entry {
    /// Those of the path first.
    var parameters: [APIParameter] {
        let own = operation.parameters
        let ofPath = route.pattern.split(separator: "/").compactMap { part -> APIParameter? in
            guard part.hasPrefix("{") else { return nil }
            let name = String(part.dropFirst().dropLast())
            return own.first { $0.place == .path && $0.name == name } ?? APIParameter.ofPaths[name]
        }
        return ofPath + own.filter { $0.place != .path }
    }

    /// All of them, by status.
    var answers: [APIAnswer] {
        var byStatus: [Int: APIAnswer] = [:]
        for answer in operation.answers { byStatus[answer.status] = answer }
        let failures = Set(route.commonFailures + operation.failures)
        let codes = Dictionary(grouping: ApusError.Code.allCases.filter(failures.contains), by: \.status)
        for (status, codes) in codes {
            let problems = APIAnswer(problems: codes, status: status)
            guard var own = byStatus[status] else {
                byStatus[status] = problems
                continue
            }
            own.meaning += "\n\n" + problems.meaning
            own.headers += problems.headers
            own.content += problems.content
            byStatus[status] = own
        }
        return byStatus.values.sorted { $0.status < $1.status }
    }

    var security: [APISecurity] {
        switch route.access {
        case .everyone: []
        case .user: route.opensStream ? [.token, .tokenInURL] : [.token]
        case .administrator: [.administratorKey, .login]
        }
    }
}

/// How a client says who it is.
enum APISecurity: String, CaseIterable {
    case token
    case tokenInURL
    case administratorKey
    case login

    fileprivate var scheme: JSONValue {
        switch self {
        case .token:
            .object([
                ("type", .string("http")), ("scheme", .string("bearer")), ("bearerFormat", .string("JWT")),
                ("description", .string("A token of the user.")),
            ])
        case .tokenInURL:
            .object([
                ("type", .string("apiKey")), ("in", .string("query")), ("name", .string("token")),
                ("description", .string("The same, where no header can be sent.")),
            ])
        case .administratorKey:
            .object([
                ("type", .string("apiKey")), ("in", .string("header")), ("name", .string("X-Admin-Api-Key")),
                ("description", .string("The server's `ADMIN_API_KEY`.")),
            ])
        case .login:
            .object([
                ("type", .string("http")), ("scheme", .string("basic")),
                (
                    "description",
                    .string(
                        "`ADMIN_USERNAME` and `ADMIN_PASSWORD`, as for the dashboard. What changes something needs "
                            + "`X-Apus-Dashboard: 1` besides, and may come from no page of another origin.")
                ),
            ])
        }
    }
}

// MARK: - As JSON

extension APIDocument {
    /// The same document is always the same bytes.
    func encoded() -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.write(json)
        return buffer
    }

    private var json: JSONValue {
        .object([
            ("openapi", .string("3.1.0")),
            (
                "info",
                .object([
                    ("title", .string("Apus")), ("version", .string(version)),
                    ("summary", .string(APIOverview.summary)), ("description", .string(APIOverview.markdown)),
                    ("license", .object([("name", .string("MIT")), ("identifier", .string("MIT"))])),
                ])
            ),
            ("servers", .array([.object([("url", .string("/"))])])),
            (
                "tags",
                .array(
                    groups.map { group, _ in
                        .object([("name", .string(group.rawValue)), ("description", .string(group.meaning))])
                    })
            ),
            ("paths", paths),
            ("components", components),
        ])
    }

    private var paths: JSONValue {
        var patterns: [String] = []
        for entry in entries where !patterns.contains(entry.route.pattern) { patterns.append(entry.route.pattern) }
        return .object(
            patterns.map { pattern in
                let ofPath = entries.filter { $0.route.pattern == pattern }
                return (pattern, .object(ofPath.map { ($0.route.method.rawValue.lowercased(), $0.json) }))
            })
    }

    private var components: JSONValue {
        var responses: [(name: String, value: JSONValue)] = []
        for answer in entries.flatMap(\.answers) {
            guard let name = answer.sharedName, !responses.contains(where: { $0.name == name }) else { continue }
            responses.append((name, answer.json))
        }
        return .object([
            ("schemas", .object(APISchemas.all.map { ($0.name, $0.schema.json) })),
            ("responses", .object(responses.sorted { $0.name < $1.name })),
            ("securitySchemes", .object(APISecurity.allCases.map { ($0.rawValue, $0.scheme) })),
        ])
    }
}

extension APIDocument.Entry {
    fileprivate var json: JSONValue {
        .members([
            ("operationId", .string(operation.id)), ("tags", .strings([operation.group.rawValue])),
            ("summary", .string(operation.summary)),
            ("description", operation.notes.isEmpty ? nil : .string(operation.notes)),
            ("security", .array(security.map { .object([($0.rawValue, .array([]))]) })),
            ("parameters", parameters.isEmpty ? nil : .array(parameters.map(\.json))),
            ("requestBody", operation.body?.json),
            (
                "responses",
                .object(
                    answers.map { answer in
                        let shared = answer.sharedName.map { name in
                            JSONValue.object([("$ref", .string("#/components/responses/\(name)"))])
                        }
                        return (String(answer.status), shared ?? answer.json)
                    })
            ),
        ])
    }
}

extension APIParameter {
    fileprivate var json: JSONValue {
        .members([
            ("name", .string(name)), ("in", .string(place.rawValue)),
            ("required", place == .path || isRequired ? .boolean(true) : nil), ("description", .string(meaning)),
            ("schema", schema.json), ("example", example.map { .string($0) }),
        ])
    }
}

extension APIBody {
    fileprivate var json: JSONValue {
        .object([
            ("required", .boolean(true)),
            (
                "content",
                .object([
                    ("application/json", .object([("schema", schema.json), ("example", .text(example))]))
                ])
            ),
        ])
    }
}

extension APIAnswer {
    /// Where it stands under `components`, if it is nothing but problems: the same are answered by many.
    fileprivate var sharedName: String? {
        guard content.count == 1, case .problem(let status, let codes) = content[0].schema.kind else { return nil }
        return ([String(status)] + codes).joined(separator: ".")
    }

    fileprivate var json: JSONValue {
        .members([
            ("description", .string(meaning)),
            (
                "headers",
                .object(
                    (headers + [.requestID]).map { header in
                        (
                            header.name,
                            .object([("description", .string(header.meaning)), ("schema", header.schema.json)])
                        )
                    })
            ),
            (
                "content",
                content.isEmpty
                    ? nil
                    : .object(
                        content.map { content in
                            let isJSON = content.type.hasSuffix("json")
                            let example = content.example.map { isJSON ? JSONValue.text($0) : .string($0) }
                            return (content.type, .members([("schema", content.schema.json), ("example", example)]))
                        })
            ),
        ])
    }
}
