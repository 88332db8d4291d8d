/// Audit entries from the newest on; what is `nil` is not asked for.
public struct AuditQuery: Sendable {
    /// Which actions are asked for.
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
    /// Only entries with lower numbers.
    public var before: Int64?
    public var limit: Int

    public init(limit: Int) {
        self.limit = limit
    }

    /// Whether `entry` is one of those that are asked for.
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
