import ApusCore
import NIOHTTP1

/// What the API's document says of one route; the route itself says who may ask and whether there is a body.
struct APIOperation: Sendable {
    var method: HTTPMethod
    /// That of the route.
    var pattern: String
    /// A name for generated clients: `listCollection`.
    var id: String
    var group: APIGroup
    /// What it does, in a few words.
    var summary: String
    /// Rules that the schemas do not tell: paragraphs, items that begin with `- `, words of code in backquotes.
    var notes = ""
    /// Those of the path, unless they are said here, are found by their names.
    var parameters: [APIParameter] = []
    var body: APIBody?
    /// Its own answers; what every such route may answer besides is added to the document.
    var answers: [APIAnswer]
    /// How it may fail besides.
    var failures: [ApusError.Code] = []
    /// The query of an example, such as `?limit=10`.
    var exampleQuery = ""
    /// How to try it where `curl` alone does not do.
    var exampleCommand: String?
}

/// A part of the API.
enum APIGroup: String, Sendable, CaseIterable {
    case records = "Records"
    case realtime = "Realtime"
    case devices = "Devices"
    case administration = "Administration"
    case system = "System"

    var meaning: String {
        switch self {
        case .records: "A user's records. The token's user must be the owner."
        case .realtime: "Every change, as it happens."
        case .devices: "Where a user is signed in, and what is online."
        case .administration: "Users, tokens, everybody's data and the server itself, for the administrator."
        case .system: "The server about itself."
        }
    }
}

struct APIParameter: Sendable {
    enum Place: String, Sendable {
        case path, query, header
    }

    var name: String
    var place: Place
    var schema: JSONSchema
    var meaning: String
    /// What an example has in its place; none for parameters that are not shown.
    var example: String?
    /// Whether it has to be there; one of the path has.
    var isRequired = false

    static func query(_ name: String, _ schema: JSONSchema, _ meaning: String) -> APIParameter {
        APIParameter(name: name, place: .query, schema: schema, meaning: meaning)
    }

    static func header(_ name: String, _ schema: JSONSchema, _ meaning: String) -> APIParameter {
        APIParameter(name: name, place: .header, schema: schema, meaning: meaning)
    }

    static func path(_ name: String, _ schema: JSONSchema, _ meaning: String, example: String) -> APIParameter {
        APIParameter(name: name, place: .path, schema: schema, meaning: meaning, example: example)
    }
}

/// A request's body, which is JSON.
struct APIBody: Sendable {
    var schema: JSONSchema
    /// JSON text.
    var example: String
}

struct APIAnswer: Sendable {
    var status: Int
    var meaning: String
    var headers: [APIHeader] = []
    /// Nothing for an answer without a body.
    var content: [APIContent] = []

    /// JSON, by the name of its schema.
    static func json(
        _ status: Int = 200, _ schema: String, _ meaning: String, headers: [APIHeader] = [], example: String? = nil
    ) -> APIAnswer {
        APIAnswer(
            status: status, meaning: meaning, headers: headers,
            content: [APIContent(type: "application/json", schema: .reference(schema), example: example)])
    }

    /// Some other type than JSON, of which no schema tells anything.
    static func text(_ type: String, _ meaning: String, headers: [APIHeader] = [], example: String? = nil) -> APIAnswer
    {
        APIAnswer(
            status: 200, meaning: meaning, headers: headers,
            content: [APIContent(type: type, schema: .anything, example: example)])
    }
}

struct APIContent: Sendable {
    var type: String
    var schema: JSONSchema
    /// JSON text, or for other types the text itself.
    var example: String?
}

/// A header that an answer may have.
struct APIHeader: Sendable {
    var name: String
    var schema: JSONSchema
    var meaning: String

    static let entityTag = APIHeader(
        name: "ETag", schema: .string.example("\"\\\"42\\\"\""), meaning: "The record's `seq` in quotes.")
    static let replayed = APIHeader(
        name: "Idempotency-Replayed", schema: .choice("true"),
        meaning: "This is the stored answer to an earlier request with the same `Idempotency-Key`.")
    static let requestID = APIHeader(
        name: "X-Request-Id", schema: .string, meaning: "Names this request in the server's log and audit log.")
    static let retryAfter = APIHeader(
        name: "Retry-After", schema: .count, meaning: "Seconds after which to try again.")
    static let challenge = APIHeader(
        name: "WWW-Authenticate", schema: .string, meaning: "How to authenticate (RFC 9110, section 11.6.1).")
}
