/// What JSON is valid somewhere (JSON Schema 2020-12), as far as our own answers and requests need it.
struct JSONSchema: Sendable {
    indirect enum Kind: Sendable {
        case anything
        case string(format: String?, pattern: String?, lengths: ClosedRange<Int>?)
        case choice([String])
        case integer(ClosedRange<Int64>)
        case number
        case boolean
        /// `true` and nothing else.
        case yes
        case array(of: JSONSchema, countMax: Int?)
        /// Members that are not named may be there, too.
        case object([Member])
        /// One that stands under `components`.
        case reference(String)
        case either([JSONSchema])
        case null
        /// A problem object of one status with one of these codes.
        case problem(status: Int, codes: [String])
    }

    struct Member: Sendable {
        var name: String
        var schema: JSONSchema
        var isRequired: Bool
    }

    var kind: Kind
    /// What it means, in a sentence or two; may be empty.
    var meaning = ""
    /// JSON text.
    var example: String?

    /// The same with words of its own.
    func meaning(_ meaning: String) -> JSONSchema {
        var copy = self
        copy.meaning = meaning
        return copy
    }

    func example(_ json: String) -> JSONSchema {
        var copy = self
        copy.example = json
        return copy
    }
}

extension JSONSchema {
    static let anything = JSONSchema(kind: .anything)
    static let boolean = JSONSchema(kind: .boolean)
    static let string = JSONSchema(kind: .string(format: nil, pattern: nil, lengths: nil))
    static let time = JSONSchema(kind: .string(format: "date-time", pattern: nil, lengths: nil))
    static let count = JSONSchema(kind: .integer(0...Int64.max))
    static let number = JSONSchema(kind: .number)

    static func string(_ lengths: ClosedRange<Int>, pattern: String? = nil) -> JSONSchema {
        JSONSchema(kind: .string(format: nil, pattern: pattern, lengths: lengths))
    }

    static func string(pattern: String) -> JSONSchema {
        JSONSchema(kind: .string(format: nil, pattern: pattern, lengths: nil))
    }

    static func integer(_ range: ClosedRange<Int64>) -> JSONSchema { JSONSchema(kind: .integer(range)) }

    static func choice(_ choices: String...) -> JSONSchema { JSONSchema(kind: .choice(choices)) }

    static func array(of element: JSONSchema, countMax: Int? = nil) -> JSONSchema {
        JSONSchema(kind: .array(of: element, countMax: countMax))
    }

    static func reference(_ name: String) -> JSONSchema { JSONSchema(kind: .reference(name)) }

    static func either(_ schemas: JSONSchema...) -> JSONSchema { JSONSchema(kind: .either(schemas)) }

    /// An object; a member whose name ends with `?` need not be there.
    static func object(_ members: KeyValuePairs<String, JSONSchema>) -> JSONSchema {
        JSONSchema(
            kind: .object(
                members.map { name, schema in
                    let isRequired = !name.hasSuffix("?")
                    return Member(
                        name: isRequired ? name : String(name.dropLast()), schema: schema, isRequired: isRequired)
                }))
    }

    /// The same or `null`.
    var orNull: JSONSchema {
        var bare = self
        bare.meaning = ""
        return JSONSchema(kind: .either([bare, JSONSchema(kind: .null)]), meaning: meaning)
    }
}

extension JSONSchema {
    var json: JSONValue {
        guard case .object(var members) = kind.json else { return kind.json }
        if !meaning.isEmpty { members.append(("description", .string(meaning))) }
        if let example { members.append(("examples", .array([.text(example)]))) }
        return .object(members)
    }

    /// What a reader is told of it: `string`, `integer 1–1000`, `array of Record`.
    var words: String {
        switch kind {
        case .anything: "any JSON"
        case .string(let format, _, let lengths):
            if format == "date-time" {
                "time"
            } else if let lengths {
                "string, \(lengths.lowerBound)–\(lengths.upperBound) bytes"
            } else {
                "string"
            }
        case .choice(let choices): choices.joined(separator: " | ")
        case .integer(let range):
            range.upperBound == .max
                ? "integer, from \(range.lowerBound)" : "integer, \(range.lowerBound)–\(range.upperBound)"
        case .number: "number"
        case .boolean: "boolean"
        case .yes: "true"
        case .array(let element, let countMax):
            "array of " + element.words + (countMax.map { ", at most \($0)" } ?? "")
        case .object: "object"
        case .reference(let name): name
        case .either(let schemas): schemas.map(\.words).joined(separator: " or ")
        case .null: "null"
        case .problem: "Problem"
        }
    }

    /// The names of the schemas it refers to.
    var references: [String] {
        switch kind {
        case .reference(let name): [name]
        case .array(let element, _): element.references
        case .object(let members): members.flatMap(\.schema.references)
        case .either(let schemas): schemas.flatMap(\.references)
        case .problem: ["Problem"]
        case .anything, .string, .choice, .integer, .number, .boolean, .yes, .null: []
        }
    }
}

extension JSONSchema.Kind {
    fileprivate var json: JSONValue {
        switch self {
        case .anything: .object([])
        case .string(let format, let pattern, let lengths):
            .members([
                ("type", .string("string")), ("format", format.map { .string($0) }),
                ("minLength", lengths.map { .number(Int64($0.lowerBound)) }),
                ("maxLength", lengths.map { .number(Int64($0.upperBound)) }),
                ("pattern", pattern.map { .string($0) }),
            ])
        case .choice(let choices): .object([("type", .string("string")), ("enum", .strings(choices))])
        case .integer(let range):
            .object([
                ("type", .string("integer")), ("minimum", .number(range.lowerBound)),
                ("maximum", .number(range.upperBound)),
            ])
        case .number: .object([("type", .string("number"))])
        case .boolean: .object([("type", .string("boolean"))])
        case .yes: .object([("const", .boolean(true))])
        case .null: .object([("type", .string("null"))])
        case .array(let element, let countMax):
            .members([
                ("type", .string("array")), ("items", element.json),
                ("maxItems", countMax.map { .number(Int64($0)) }),
            ])
        case .object(let members):
            .members([
                ("type", .string("object")),
                ("required", .strings(members.filter(\.isRequired).map(\.name))),
                ("properties", .object(members.map { ($0.name, $0.schema.json) })),
            ])
        case .reference(let name): .object([("$ref", .string("#/components/schemas/\(name)"))])
        case .either(let schemas): .object([("anyOf", .array(schemas.map(\.json)))])
        case .problem(let status, let codes):
            .object([
                (
                    "allOf",
                    .array([
                        JSONSchema.reference("Problem").json,
                        .object([
                            (
                                "properties",
                                .object([
                                    ("status", .object([("const", .number(Int64(status)))])),
                                    ("code", .object([("enum", .strings(codes))])),
                                ])
                            )
                        ]),
                    ])
                )
            ])
        }
    }
}
