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
        case .audit(let filter): return filter.detail
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
