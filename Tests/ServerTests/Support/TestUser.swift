import Testing

/// A user nobody else uses, with a good token, and the calls such a user makes.
struct TestUser: Sendable {
    let server: RunningServer
    let id: String
    let token: String

    init(_ server: RunningServer, id: String? = nil) {
        self.server = server
        self.id = id ?? "user-\(UInt64.random(in: 0...UInt64.max))"
        token = Token.external(self.id)
    }

    init(_ server: RunningServer, id: String, token: String) {
        self.server = server
        self.id = id
        self.token = token
    }

    var authorization: (String, String) { ("Authorization", "Bearer \(token)") }

    func path(_ collection: String? = nil, _ key: String? = nil) -> String {
        (["/v1/data", encoded(id)] + [collection, key].compactMap { $0 }.map(encoded)).joined(separator: "/")
    }

    func call(
        _ method: String, _ target: String, headers: [(String, String)] = [], body: String? = nil
    ) throws -> HTTPAnswer {
        var all = [authorization]
        let namesType = headers.contains { $0.0.lowercased() == "content-type" }
        if body != nil && !namesType { all.append(("Content-Type", "application/json")) }
        return try server.call(method, target, headers: all + headers, body: body)
    }

    /// The body of `POST /v1/data` with further members after the value.
    func upsertBody(_ key: String, _ value: String, in collection: String = "things", extra: String = "") -> String {
        "{\"user_id\":\(JSON.quoted(id)),\"collection\":\(JSON.quoted(collection)),\"key\":\(JSON.quoted(key)),"
            + "\"value\":\(value)\(extra.isEmpty ? "" : "," + extra)}"
    }

    /// `POST /v1/data`; `extra` is further members, such as `"ttl_seconds":5`.
    func set(
        _ key: String, _ value: String, in collection: String = "things", extra: String = "",
        headers: [(String, String)] = []
    ) throws -> HTTPAnswer {
        try call(
            "POST", "/v1/data", headers: headers, body: upsertBody(key, value, in: collection, extra: extra))
    }

    /// A write that must succeed; its record.
    @discardableResult
    func mustSet(
        _ key: String, _ value: String, in collection: String = "things", extra: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> JSON {
        let answer = try set(key, value, in: collection, extra: extra)
        try #require(answer.status == 200, "\(answer.text.prefix(500))", sourceLocation: sourceLocation)
        let json = try answer.json()
        try #require(json["applied"].bool == true, "\(answer.text.prefix(500))", sourceLocation: sourceLocation)
        return json["data"]
    }

    func get(_ key: String, in collection: String = "things", headers: [(String, String)] = []) throws -> HTTPAnswer {
        try call("GET", path(collection, key), headers: headers)
    }

    func put(
        _ key: String, _ value: String, in collection: String = "things", headers: [(String, String)] = []
    ) throws -> HTTPAnswer {
        try call("PUT", path(collection, key), headers: headers, body: value)
    }

    func delete(
        _ key: String, in collection: String = "things", query: String = "", headers: [(String, String)] = []
    ) throws -> HTTPAnswer {
        try call("DELETE", path(collection, key) + query, headers: headers)
    }

    /// `GET /v1/data/{user}/{collection}`, or across all collections for `nil`.
    func list(_ collection: String? = "things", query: String = "") throws -> HTTPAnswer {
        try call("GET", path(collection) + query)
    }

    /// `POST /v1/data/bulk`; each item is the text of a JSON object, `extra` further members of the body.
    func bulk(_ items: [String], extra: String = "", headers: [(String, String)] = []) throws -> HTTPAnswer {
        let body = "{\"user_id\":\(JSON.quoted(id)),\"items\":[\(items.joined(separator: ","))]"
        return try call(
            "POST", "/v1/data/bulk", headers: headers, body: body + (extra.isEmpty ? "}" : ",\(extra)}"))
    }
}

/// An item of a bulk.
func item(_ key: String, _ value: String, in collection: String = "things", extra: String = "") -> String {
    "{\"collection\":\(JSON.quoted(collection)),\"key\":\(JSON.quoted(key)),\"value\":\(value)"
        + (extra.isEmpty ? "}" : ",\(extra)}")
}

/// Checks everything the contract says of an error, section 2.
func expectProblem(
    _ answer: HTTPAnswer, _ status: Int, _ code: String, at pointer: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let shown: Comment = "\(answer.status) \(answer.text.prefix(500))"
    #expect(answer.status == status, shown, sourceLocation: sourceLocation)
    let type = answer["content-type"] ?? "none"
    #expect(type.hasPrefix("application/problem+json"), shown, sourceLocation: sourceLocation)
    guard answer.status >= 400 else { return }
    let problem = try answer.json()
    #expect(problem["code"].text == code, shown, sourceLocation: sourceLocation)
    #expect(problem["status"].int == answer.status, shown, sourceLocation: sourceLocation)
    for name in ["type", "title", "detail", "request_id"] {
        #expect(problem[name].text?.isEmpty == false, "\(name) in \(answer.text)", sourceLocation: sourceLocation)
    }
    #expect(problem["request_id"].text == answer["x-request-id"], shown, sourceLocation: sourceLocation)
    if let pointer {
        let pointers = problem["errors"].items.compactMap { $0["pointer"].text }
        #expect(pointers.contains(pointer), shown, sourceLocation: sourceLocation)
        let details = problem["errors"].items.compactMap { $0["detail"].text }
        #expect(details.count == pointers.count, shown, sourceLocation: sourceLocation)
    }
}

/// The record or tombstone in a list, by key.
func keys(_ list: JSON) -> [String] {
    list["data"].items.compactMap { $0["key"].text }
}

func sequences(_ list: JSON) -> [Int] {
    list["data"].items.compactMap { $0["seq"].int }
}
