import ApusCore

@testable import ApusEngine

/// The rules of section 4 of the contract, told once more in the simplest way: copy everything, decide item after item,
/// throw the copy away if the request is refused.
struct PlannerModel {
    struct Row {
        var value: String?
        var updatedAt: Int64
        var expiresAt: Int64?
        var sequence: Int64
        var committedAt: Int64
        /// What a tombstone keeps.
        var kept: String?
    }

    struct State {
        var rows: [String: Row] = [:]
        var last: [String: Int64] = [:]
        var lastCommit: [String: Int64] = [:]
        /// Every change, written down.
        var events: [String] = []
    }

    private struct Kept {
        var fingerprint: [UInt8]
        var stories: [String]
        var at: Int64
    }

    var state = State()
    private var kept: [String: Kept] = [:]

    /// Values that tests write, and the numbers in them: on their own, and at `/n`.
    static let values: [(text: String, whole: Int?, member: Int?)] = [
        ("1", 1, nil), ("2", 2, nil), ("2.0", 2, nil), ("-3", -3, nil), ("\"x\"", nil, nil), ("null", nil, nil),
        (#"{"n":1}"#, nil, 1), (#"{"n":7}"#, nil, 7), (#"{"n":"7"}"#, nil, nil), ("[5]", nil, nil),
    ]

    mutating func decide(_ request: WriteRequest, at now: Int64) -> [String] {
        let name = request.owner.text + " " + (request.idempotency?.key ?? "")
        if let claim = request.idempotency, let first = kept[name], first.at + 86_400_000 > now {
            guard first.fingerprint == claim.fingerprint else { return ["refused conflict"] }
            return ["replayed: " + first.stories.joined(separator: ", ")]
        }
        let before = state
        var stories: [String] = []
        var refusals: [String] = []
        for item in request.items {
            let story = decide(item, of: request.owner.text, at: now)
            stories.append(story)
            guard story.hasPrefix("failed "), request.isAtomic else { continue }
            if request.isBulk, story == "failed not-found" { continue }
            refusals.append(String(story.dropFirst(7)))
        }
        if let first = refusals.first {
            state = before
            let isInvalid = ["invalid-field", "clock-skew", "not-numeric"].contains(first)
            return ["refused " + (request.isBulk && !isInvalid ? "invalid-field" : first)]
        }
        if let claim = request.idempotency {
            kept[name] = Kept(fingerprint: claim.fingerprint, stories: stories, at: now)
        }
        return stories
    }

    private mutating func decide(_ item: Result<WriteItem, ApusError>, of owner: String, at now: Int64) -> String {
        guard case .success(let item) = item else { return "failed invalid-field" }
        let key = item.key.text
        let row = state.rows[owner + "/" + key]
        let isLive = row.map { $0.value != nil && $0.expiresAt ?? .max > now } ?? false
        let live = isLive ? row : nil
        switch item.precondition {
        case .none: break
        case .absent: if live != nil { return "failed precondition-failed" }
        case .present: if live == nil { return "failed precondition-failed" }
        case .sequenceIn(let some):
            guard let live, some.contains(SequenceNumber(live.sequence)) else { return "failed precondition-failed" }
        case .sequenceNotIn(let some):
            if let live, some.contains(SequenceNumber(live.sequence)) { return "failed precondition-failed" }
        }
        let given = item.policy == .serverTime ? nil : item.updatedAt?.milliseconds
        let isAhead = given.map { $0 > now + 60_000 } ?? false
        var time = row.map { Swift.max(now, $0.updatedAt + 1) } ?? now
        guard case .set(let value, let expiry) = item.operation else {
            guard let live else { return "failed not-found" }
            if isAhead { return "failed clock-skew" }
            if let given, given < live.updatedAt { return "lost older to \(story(key, live))" }
            return write(owner, key, nil, keeping: live.value, at: given ?? time, expiresAt: nil, now)
        }
        let expiresAt: Int64?
        switch expiry {
        case .never: expiresAt = nil
        case .afterSeconds(let seconds): expiresAt = now + seconds * 1000
        case .at(let moment):
            let ahead = moment.milliseconds - now
            guard ahead > 0, ahead <= 10 * 365 * 86_400_000 else { return "failed invalid-field" }
            expiresAt = moment.milliseconds
        }
        switch item.policy {
        case .serverTime: break
        case .lastWriteWins:
            if isAhead { return "failed clock-skew" }
            if let given, let row {
                if given < row.updatedAt {
                    var shown = row
                    if !isLive { shown.value = nil }
                    return "lost older to \(story(key, shown))"
                }
                let isSame = row.value == value.text && row.expiresAt == expiresAt
                if given == row.updatedAt, isLive, isSame { return "lost unchanged to \(story(key, row))" }
            }
            time = given ?? time
        case .maxNumeric(let pointer):
            let isWhole = pointer == .whole
            guard let number = Self.number(value.text, isWhole) else { return "failed not-numeric" }
            if let live, let held = Self.number(live.value ?? "", isWhole), held >= number {
                return "lost not-greater to \(story(key, live))"
            }
            if isAhead { return "failed clock-skew" }
            if let given, given > row?.updatedAt ?? .min { time = given }
        }
        return write(owner, key, value.text, at: time, expiresAt: expiresAt, now)
    }

    mutating func undelete(_ key: String, of owner: String, at now: Int64) -> String {
        guard let row = state.rows[owner + "/" + key] else { return "refused not-found" }
        guard row.value == nil else {
            return row.expiresAt ?? .max > now ? "refused precondition-failed" : "refused not-found"
        }
        guard let kept = row.kept else { return "refused not-found" }
        return write(owner, key, kept, at: Swift.max(now, row.updatedAt + 1), expiresAt: nil, now)
    }

    private mutating func write(
        _ owner: String, _ key: String, _ value: String?, keeping kept: String? = nil, at time: Int64,
        expiresAt: Int64?, _ now: Int64
    ) -> String {
        state.last[owner, default: 0] += 1
        state.lastCommit[owner] = Swift.max(now, state.lastCommit[owner] ?? .min)
        let row = Row(
            value: value, updatedAt: time, expiresAt: expiresAt, sequence: state.last[owner] ?? 0,
            committedAt: state.lastCommit[owner] ?? now, kept: kept)
        state.rows[owner + "/" + key] = row
        state.events.append("\(owner): \(story(key, row)) at \(time) until \(expiresAt ?? -1)")
        return "applied \(story(key, row))"
    }

    private func story(_ key: String, _ row: Row) -> String {
        "\(key)\(row.value.map { "=" + $0 } ?? " deleted") #\(row.sequence)"
    }

    private static func number(_ text: String, _ isWhole: Bool) -> Int? {
        values.first { $0.text == text }.flatMap { isWhole ? $0.whole : $0.member }
    }
}
