/// What an administrator may have whole, as of one commit.
public enum ExportQuery: Hashable, Sendable {
    /// Every user that was made here, without tokens.
    case users
    case records(RecordFilter)
    case audit(AuditFilter)

    /// Whose records, and which; `nil` is all.
    public struct RecordFilter: Hashable, Sendable {
        public var owner: OwnerID?
        public var collection: CollectionName?
        /// Whether tombstones come, too.
        public var includesTombstones: Bool

        public init(owner: OwnerID? = nil, collection: CollectionName? = nil, includesTombstones: Bool = false) {
            self.owner = owner
            self.collection = collection
            self.includesTombstones = includesTombstones
        }
    }

    /// Which audit entries; `nil` is all.
    public struct AuditFilter: Hashable, Sendable {
        /// Inclusive.
        public var since: Timestamp?
        /// Exclusive.
        public var until: Timestamp?
        public var actor: String?
        public var action: String?

        public init(since: Timestamp? = nil, until: Timestamp? = nil, actor: String? = nil, action: String? = nil) {
            self.since = since
            self.until = until
            self.actor = actor
            self.action = action
        }

        public func matches(_ entry: AuditEntry) -> Bool {
            if let since, entry.at < since { return false }
            if let until, entry.at >= until { return false }
            if let actor, !entry.origin.actor.utf8.elementsEqual(actor.utf8) { return false }
            if let action, !entry.action.utf8.elementsEqual(action.utf8) { return false }
            return true
        }
    }

    /// What the audit log calls it, and the file that it fills.
    public var name: String {
        switch self {
        case .users: "users.json"
        case .records: "data.json"
        case .audit: "audit.csv"
        }
    }

    /// What narrows it, for the audit log; empty if nothing does.
    public var detail: String {
        switch self {
        case .users: return ""
        case .records(let filter):
            let narrowing = [
                filter.owner.map { "user_id=\($0)" }, filter.collection.map { "collection=\($0)" },
                filter.includesTombstones ? "deleted=true" : nil,
            ]
            return narrowing.compactMap(\.self).joined(separator: " ")
        case .audit(let filter):
            let narrowing = [
                filter.since.map { "since=\($0.text)" }, filter.until.map { "until=\($0.text)" },
                filter.actor.map { "actor=\($0)" }, filter.action.map { "action=\($0)" },
            ]
            return narrowing.compactMap(\.self).joined(separator: " ")
        }
    }
}

/// A part of an export, in its order: users by id; records by owner, then by change number; audit entries by their
/// arrival, the oldest first.
public enum ExportRows: Sendable {
    case users([User])
    case records([Record])
    case audit([AuditEntry])
}

/// Who takes an export. Called on threads of the engine's, by one at a time.
public protocol ExportSink: Sendable {
    /// Takes the next rows, of which there may be none. Unlike a ``Completion`` it may wait while its client takes
    /// nothing. The stop of the engine waits with it, so that it must not wait for ever.
    ///
    /// - Returns: whether more is wanted.
    func take(_ rows: ExportRows) -> Bool

    /// Called once, at the end, when the snapshot and the thread are free again; must not block.
    func end(_ outcome: Result<Void, ApusError>)
}
