/// Which audit entries are asked for; what is `nil` does not matter.
public struct AuditFilter: Hashable, Sendable {
    public enum Action: Hashable, Sendable {
        case named(String)
        case beginning(with: String)
    }

    /// Inclusive.
    public var since: Timestamp?
    /// Exclusive.
    public var until: Timestamp?
    public var actor: String?
    public var action: Action?
    public var target: String?

    public init(
        since: Timestamp? = nil, until: Timestamp? = nil, actor: String? = nil, action: Action? = nil,
        target: String? = nil
    ) {
        self.since = since
        self.until = until
        self.actor = actor
        self.action = action
        self.target = target
    }

    public func matches(_ entry: AuditEntry) -> Bool {
        if let since, entry.at < since { return false }
        if let until, entry.at >= until { return false }
        if let actor, !entry.origin.actor.utf8.elementsEqual(actor.utf8) { return false }
        if let target, !entry.target.utf8.elementsEqual(target.utf8) { return false }
        return switch action {
        case nil: true
        case .named(let name): entry.action.utf8.elementsEqual(name.utf8)
        case .beginning(let start): entry.action.utf8.starts(with: start.utf8)
        }
    }

    /// What it says, for the audit log; empty if everything is asked for.
    public var detail: String {
        let action: String? =
            switch action {
            case nil: nil
            case .named(let name): "action=\(name)"
            case .beginning(let start): "action=\(start)*"
            }
        let parts = [
            since.map { "since=\($0.text)" }, until.map { "until=\($0.text)" }, actor.map { "actor=\($0)" }, action,
            target.map { "target=\($0)" },
        ]
        return parts.compactMap(\.self).joined(separator: " ")
    }
}

/// Audit entries from the newest on.
public struct AuditQuery: Sendable {
    public var filter = AuditFilter()
    /// Only entries with lower numbers.
    public var before: Int64?
    public var limit: Int

    public init(limit: Int) {
        self.limit = limit
    }
}

/// A part of what was asked for.
public struct AuditPage: Sendable {
    public var entries: [AuditEntry]
    /// Where to go on, as ``AuditQuery/before``; `nil` at the end.
    public var next: Int64?

    public init(entries: [AuditEntry], next: Int64?) {
        self.entries = entries
        self.next = next
    }
}
