import Testing

/// The document that the server gives of its API, and whether answers are as it says.
struct APIContract: Sendable {
    let document: JSON

    init(_ server: RunningServer) throws {
        let answer = try server.call("GET", "/openapi.json")
        try #require(answer.status == 200, "\(answer.text.prefix(500))")
        document = try answer.json()
    }

    /// Every method and path there is.
    var operations: [(method: String, pattern: String)] {
        document["paths"].names.flatMap { pattern in
            document["paths"][pattern].names.map { ($0.uppercased(), pattern) }
        }
    }

    /// Notes everything in which the answer is not as the document has it.
    func hold(
        _ answer: HTTPAnswer, to method: String, _ pattern: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let place = "\(method) \(pattern): \(answer.status)"
        let operation = document["paths"][pattern][method.lowercased()]
        try #require(operation.isObject, "\(place): not in the document", sourceLocation: sourceLocation)
        let response = resolved(operation["responses"]["\(answer.status)"])
        try #require(
            response.isObject, "\(place): no such status in the document: \(answer.text)",
            sourceLocation: sourceLocation)
        for header in ["etag", "idempotency-replayed", "retry-after", "www-authenticate", "x-request-id"]
        where answer[header] != nil {
            let isKnown = response["headers"].names.contains { $0.lowercased() == header }
            #expect(isKnown, "\(place): \(header) is not in the document", sourceLocation: sourceLocation)
        }
        guard response["content"].isObject else {
            #expect(answer.body.isEmpty, "\(place): has a body", sourceLocation: sourceLocation)
            return
        }
        let type = answer["content-type"] ?? "none"
        let content = response["content"].names.first { $0 == type }.map { response["content"][$0] }
        let schema = try #require(
            content?["schema"], "\(place): \(type) is not in the document", sourceLocation: sourceLocation)
        guard type.hasSuffix("json") else { return }
        let faults = faults(of: try answer.json(), by: schema, at: "")
        #expect(faults == [], "\(place): \(answer.text.prefix(500))", sourceLocation: sourceLocation)
    }

    private func resolved(_ node: JSON) -> JSON {
        guard let reference = node["$ref"].text else { return node }
        return reference.split(separator: "/").dropFirst().reduce(document) { $0[String($1)] }
    }
}

// MARK: - Schemas

extension APIContract {
    /// What is wrong with `value`, each with its place; a keyword that is not known here is a fault, too.
    func faults(of value: JSON, by schema: JSON, at place: String) -> [String] {
        schema.names.flatMap { keyword in
            faults(of: value, by: keyword, schema[keyword], in: schema, at: place)
        }
    }

    private func faults(
        of value: JSON, by keyword: String, _ rule: JSON, in schema: JSON, at place: String
    ) -> [String] {
        func check(_ holds: Bool) -> [String] { holds ? [] : ["\(place): \(keyword) is \(rule.raw.prefix(200))"] }
        switch keyword {
        case "description", "examples", "pattern": return []
        case "$ref":
            let target = resolved(schema)
            return target.isObject ? faults(of: value, by: target, at: place) : check(false)
        case "type": return check(rule.text == value.type || rule.text == "number" && value.type == "integer")
        case "const": return check(rule.raw == value.raw)
        case "enum": return check(rule.items.contains { $0.raw == value.raw })
        case "format": return check(rule.text == "date-time" && value.text?.hasSuffix("Z") == true)
        case "minimum": return check(value.int ?? .min >= rule.int ?? .max)
        case "maximum": return check(value.int ?? .max <= rule.int ?? .min)
        case "minLength": return check(value.text.map { $0.unicodeScalars.count >= rule.int ?? .max } ?? false)
        case "maxLength": return check(value.text.map { $0.unicodeScalars.count <= rule.int ?? 0 } ?? false)
        case "maxItems": return check(value.items.count <= rule.int ?? 0)
        case "items": return zip(0..., value.items).flatMap { faults(of: $1, by: rule, at: "\(place)/\($0)") }
        case "allOf": return rule.items.flatMap { faults(of: value, by: $0, at: place) }
        case "anyOf":
            let each = rule.items.map { faults(of: value, by: $0, at: place) }
            return each.contains { $0.isEmpty } ? [] : check(false) + each.joined()
        case "required": return check(rule.items.allSatisfy { value.names.contains($0.text ?? "") })
        case "properties":
            // A whole object of ours says what it needs; it has no member besides the ones that are told.
            let isWhole = !rule.names.isEmpty && !schema["required"].isMissing
            let unknown = isWhole ? value.names.filter { !rule.names.contains($0) } : []
            return unknown.map { "\(place)/\($0): not in the document" }
                + rule.names.filter(value.names.contains).flatMap {
                    faults(of: value[$0], by: rule[$0], at: "\(place)/\($0)")
                }
        default: return ["\(place): unknown keyword \(keyword)"]
        }
    }
}

extension JSON {
    fileprivate var type: String {
        switch kind {
        case .object: "object"
        case .array: "array"
        case .string: "string"
        case .number: int == nil ? "number" : "integer"
        case .boolean: "boolean"
        case .null: "null"
        case .missing: "missing"
        }
    }
}
