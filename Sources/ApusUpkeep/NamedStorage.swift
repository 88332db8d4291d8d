public import ApusCore

/// A storage that is known by its kind and a path, and not open yet.
public struct NamedStorage: Sendable {
    public typealias Opening =
        @Sendable (_ path: String, _ access: StorageAccess) throws(ApusError) -> any StorageBackend

    /// `sqlite`, `lmdb`: the name it is registered under.
    public let kind: String
    public let path: String
    private let opening: Opening

    public init(kind: String, path: String, opening: @escaping Opening) {
        self.kind = kind
        self.path = path
        self.opening = opening
    }

    /// What the files that storages put beside theirs are named after it: logs, and files without which one can do.
    static let logSuffixes = ["-wal", "-journal"]
    static let companionSuffixes = logSuffixes + ["-shm", "-lock"]

    /// `KIND:PATH`, as commands take it.
    public var url: String { "\(kind):\(path)" }

    /// Opens it.
    ///
    /// - Throws: `bad-parameter` if nothing is kept there; what the storage throws.
    func open(_ access: StorageAccess) throws(ApusError) -> any StorageBackend {
        let backend = try opening(path, access)
        guard !backend.description.path.isEmpty else {
            throw ApusError(.badParameter, "\(url) keeps nothing, so there is nothing to be done with it")
        }
        return backend
    }

    /// A storage of the same kind at another path.
    func at(_ path: String) -> NamedStorage {
        NamedStorage(kind: kind, path: path, opening: opening)
    }
}

extension StorageBackend {
    /// Refuses damaged files: with an index that lacks a row, a copy would lack it too, and nobody would notice.
    ///
    /// - Parameter path: of the database that this one is, or is a copy of.
    func refuseFaults(of path: String, _ what: String) throws(ApusError) {
        let found: [String] = try telling(of: path, "read") { () throws(ApusError) in try faults(limit: 1) }
        guard let fault = found.first else { return }
        throw ApusError(
            .storageUnavailable,
            "the database \(path) cannot be \(what): it is damaged, apus doctor tells more "
                + "(\(Findings.lines(of: fault).joined(separator: "; ")))")
    }
}

extension ApusError {
    /// The same failure told to the operator: which database could not be read or written, and why.
    func told(of path: String, _ what: String) -> ApusError {
        guard !message.contains(path) else { return self }
        let reason =
            switch code {
            case .storageFull: "no space is left"
            case .overloaded: "something else stands in the way"
            case .storageUnavailable where cause != nil: "it is damaged, or its disk failed"
            default: message
            }
        return ApusError(code, "the database \(path) cannot be \(what): \(reason)", cause: cause)
    }
}

/// Runs `body`; its failures name the database and what was being done with it.
func telling<Answer>(
    of path: String, _ what: String, _ body: () throws(ApusError) -> Answer
) throws(ApusError) -> Answer {
    do throws(ApusError) {
        return try body()
    } catch {
        throw error.told(of: path, what)
    }
}
