@testable import ServerTests

/// A user with a token of the run's own secret, so that no other run's server is taken for the right one.
struct Caller: Sendable {
    let id: String
    let token: String

    init(_ id: String, secret: String) {
        self.id = id
        token = Token.external(id, secret: secret)
    }

    var authorization: (String, String) { ("Authorization", "Bearer \(token)") }

    func path(_ parts: String...) -> String {
        (["/v1/data", encoded(id)] + parts.map(encoded)).joined(separator: "/")
    }
}

/// A draft at the moment it is first sent: the same bytes however often they are.
struct Letter {
    let method: String
    let target: String
    let headers: [(String, String)]
    let body: String?
    /// The frame that says the same on a socket, without its `id`.
    let frame: String
    let request: Request

    /// - Parameters:
    ///   - name: what no other letter of the run has; values and the idempotency key are made of it.
    ///   - number: the same as a number below 10,000.
    ///   - known: the change numbers that the writer was last told.
    init(_ draft: Plan.Draft, from user: Caller, index: Int, name: String, number: Int, known: [Address: Int]) {
        let now = Moment.now()
        let key = draft.hasIdempotencyKey ? "key of \(name)" : nil
        var items: [Item] = []
        var texts: [String] = []
        for (position, part) in draft.parts.enumerated() {
            let (item, text) = Self.item(
                part, in: draft.form, name: "\(name)-\(position)", number: number * 100 + position, now: now)
            items.append(item)
            texts.append(text)
        }
        let first = draft.parts[0]
        var headers = [user.authorization]
        var condition = ""
        if let key { headers.append(("Idempotency-Key", key)) }
        switch draft.precondition {
        case .none: break
        case .absent where draft.form != .delete:
            headers.append(("If-None-Match", "*"))
            condition = ",\"if_none_match\":\"*\""
            items[0].precondition = .absent
        case .absent: break
        case .lastKnown:
            let sequence = known[first.address] ?? 1
            headers.append(("If-Match", "\"\(sequence)\""))
            condition = ",\"if_match\":\(sequence)"
            items[0].precondition = .sequence(sequence)
        }
        var request = Request(user: index, items: items)
        request.isBulk = draft.form == .bulk
        request.isAtomic = draft.isAtomic
        request.idempotencyKey = key
        self.request = request

        let path = user.path(first.address.collection, first.address.key)
        let owner = "\"user_id\":\(JSON.quoted(user.id))"
        let claim = (key.map { ",\"idempotency_key\":\(JSON.quoted($0))" } ?? "") + condition
        let policy = ("X-Conflict-Policy", first.policy.word)
        switch draft.form {
        case .post:
            (method, target, body) = ("POST", "/v1/data", "{\(owner),\(texts[0])}")
            frame = "\"type\":\"set\",\(texts[0])\(claim)"
        case .put:
            (method, target) = ("PUT", path + Self.query(first, now: now))
            body = items[0].value
            headers += [policy, ("X-Conflict-Field", first.pointer)]
            frame = "\"type\":\"set\",\(texts[0])\(claim)"
        case .delete:
            (method, target, body) = ("DELETE", path + Self.query(first, now: now), nil)
            headers.append(policy)
            frame = "\"type\":\"delete\",\(texts[0])\(claim)"
        case .bulk:
            let members = "\"items\":[\(texts.map { "{\($0)}" }.joined(separator: ","))],\"atomic\":\(draft.isAtomic)"
            (method, target, body) = ("POST", "/v1/data/bulk", "{\(owner),\(members)}")
            frame = "\"type\":\"bulk\",\(members)\(claim)"
        }
        if body != nil { headers.append(("Content-Type", "application/json")) }
        self.headers = headers
    }

    /// The item, and its members in a body.
    private static func item(
        _ part: Plan.Draft.Part, in form: Plan.Draft.Form, name: String, number: Int, now: Moment
    ) -> (Item, String) {
        var item = Item(address: part.address)
        item.policy = part.policy
        item.updatedAt = part.millisecondsAhead.map { now.milliseconds + $0 }
        var text = "\"collection\":\(JSON.quoted(part.address.collection)),\"key\":\(JSON.quoted(part.address.key))"
        if part.isDelete {
            if form == .bulk { text += ",\"delete\":true" }
        } else {
            // Numbers and objects do not meet in one collection, so that `max_numeric` always has what to compare.
            item.number = part.isWhole ? part.number * 1_000_000 + number : part.number
            let filler = String(repeating: "x", count: part.padding)
            let value =
                part.isWhole
                ? "\(item.number ?? 0)" : "{ \"n\" : \(part.number), \"w\":\"\(name)\", \"é\":\"\\u00e9\(filler)\"}"
            item.value = value
            text += ",\"value\":\(value)"
        }
        if let time = item.updatedAt { text += ",\"updated_at\":\"\(Moment(milliseconds: time).text)\"" }
        switch part.expiry {
        case .none: break
        case .milliseconds(let count):
            text += ",\"expires_at\":\"\(Moment(milliseconds: now.milliseconds + count).text)\""
        case .seconds(let count): text += ",\"ttl_seconds\":\(count)"
        }
        item.hasExpiry = part.expires
        text += ",\"conflict_policy\":\"\(part.policy.word)\",\"conflict_field\":\"\(part.pointer)\""
        return (item, text)
    }

    /// What `PUT` and `DELETE` take in their URL.
    private static func query(_ part: Plan.Draft.Part, now: Moment) -> String {
        var parameters: [String] = []
        if let ahead = part.millisecondsAhead {
            parameters.append("updated_at=" + encoded(Moment(milliseconds: now.milliseconds + ahead).text))
        }
        switch part.expiry {
        case .none: break
        case .milliseconds(let count):
            parameters.append("expires_at=" + encoded(Moment(milliseconds: now.milliseconds + count).text))
        case .seconds(let count): parameters.append("ttl_seconds=\(count)")
        }
        return parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&")
    }
}

extension Plan.Draft.Part {
    var isWhole: Bool { address.collection == "counts" }
    var pointer: String { isWhole ? "" : "/n" }
    /// Whether its time runs out within the run.
    var expires: Bool {
        switch expiry {
        case .none, .seconds(3600): false
        case .milliseconds, .seconds: true
        }
    }
}

extension Item.Policy {
    var word: String {
        switch self {
        case .lastWriteWins: "last_write_wins"
        case .serverTime: "server_time"
        case .maxNumeric: "max_numeric"
        }
    }
}

// MARK: - What comes back

extension State {
    /// A record, or what an event tells of a deleted one.
    init(_ record: JSON) throws {
        guard let sequence = record["seq"].int, let collection = record["collection"].text,
            let key = record["key"].text
        else { throw SocketFailure.malformed(record.raw) }
        let deletedAt = Moment(record["deleted_at"].text)
        let updatedAt = Moment(record["updated_at"].text)
        guard let changedAt = deletedAt ?? updatedAt else { throw SocketFailure.malformed(record.raw) }
        self.init(
            sequence: sequence, address: Address(collection: collection, key: key),
            value: deletedAt == nil ? record["value"].raw : nil, changedAt: changedAt.milliseconds,
            expiresAt: Moment(record["expires_at"].text)?.milliseconds)
    }
}

extension ItemResult {
    /// What `POST /v1/data` answers, or one result of a bulk.
    init(_ result: JSON) throws {
        if let code = result["error"]["code"].text {
            self = .refused(code: code)
        } else if result["applied"].bool == true {
            self = .applied(try State(result["data"]))
        } else if let reason = result["reason"].text {
            self = .lost(reason: reason, to: try State(result["data"]))
        } else {
            throw SocketFailure.malformed(result.raw)
        }
    }
}

extension Attempt.Outcome {
    init(_ answer: HTTPAnswer, to request: Request) throws {
        let json = try answer.json()
        guard answer.status == 200 else {
            guard let code = json["code"].text else { throw SocketFailure.malformed(answer.text) }
            self = .refused(code: code)
            return
        }
        let isReplay = answer["idempotency-replayed"] == "true"
        self = .answered(try Self.results(json, of: request), body: answer.text, isReplay: isReplay)
    }

    static func results(_ json: JSON, of request: Request) throws -> [ItemResult] {
        let results = try request.isBulk ? json["results"].items.map { try ItemResult($0) } : [ItemResult(json)]
        guard results.count == request.items.count else { throw SocketFailure.malformed(json.raw) }
        return results
    }
}
