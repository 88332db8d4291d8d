public import ApusCore
internal import ApusStorageKit
internal import Synchronization

/// The default storage: one SQLite file with a write-ahead log beside it.
///
/// One connection writes and checkpoints, any number of read-only ones read. The file belongs to one server at a time;
/// `PATH-lock` beside it says so.
public final class SQLiteBackend: StorageBackend {
    public let description: StorageDescription
    private let access: StorageAccess
    private let state: Mutex<State>

    private struct State: ~Copyable {
        var lock: FileLock?
        var writerIsOpen = false
    }

    /// Opens the database at `path`, or makes an empty one if `access` is `serving`.
    ///
    /// - Parameter makeEpoch: called once, when the database is made.
    /// - Throws: `storage-unavailable` with a message for the operator, which names the path: it is in use by another
    ///   server, cannot be read and written, is damaged, or is no database of Apus or one of a newer Apus.
    public init(
        path: String, durability: Durability, access: StorageAccess = .serving, makeEpoch: () -> String
    ) throws(ApusError) {
        guard !path.isEmpty, path != ":memory:" else {
            throw ApusError.refusal(path, "it names no file; `memory:` asks for a database that is not kept")
        }
        let path = try FileStatus.resolved(path, for: access)
        let lock = access == .reading ? nil : try FileLock(guarding: path, suffix: "-lock")
        let role = access == .reading ? Connection.Role.reader : .writer(durability)
        let connection = try Connection(path: path, role: role)
        let founding = Founding(path: path, connection: connection)
        let (epoch, version) =
            access == .reading
            ? try founding.found() : (try founding.epoch(durability, makeEpoch: makeEpoch), Schema.version)
        connection.close()
        description = StorageDescription(
            name: "sqlite", path: path, durability: durability, schemaVersion: Int(version), epoch: epoch)
        state = Mutex(State(lock: lock))
        self.access = access
    }

    public func openWriter() throws(ApusError) -> any StorageWriter {
        try claim()
        do throws(ApusError) {
            let role = Connection.Role.writer(description.durability)
            let connection = try Connection(path: description.path, role: role)
            try connection.configure(as: role)
            return SQLiteWriter(connection, of: self)
        } catch {
            release()
            throw error
        }
    }

    public func openReader() throws(ApusError) -> any StorageReader {
        let connection = try Connection(path: description.path, role: .reader)
        try connection.configure(as: .reader)
        return SQLiteReader(connection)
    }

    public func bytesStored() -> Int {
        FileStatus.byteCount(description.path) + FileStatus.byteCount(description.path + "-wal")
    }

    public func copy(to path: String) throws(ApusError) {
        try FileCopy(of: description.path, to: path).run()
    }

    public func faults(limit: Int) throws(ApusError) -> [String] {
        let connection = try Connection(path: description.path, role: .reader)
        try connection.configure(as: .reader)
        return try Examination(of: connection, limit: limit).faults()
    }

    /// Lets a next writer be opened, here or in another process.
    func release() {
        state.withLock { state in
            state.writerIsOpen = false
            state.lock = nil
        }
    }

    private func claim() throws(ApusError) {
        precondition(access != .reading, "a storage that was opened to be read has no writer")
        let path = description.path
        try state.withLock { (state: inout State) throws(ApusError) in
            precondition(!state.writerIsOpen, "a second writer was opened")
            if state.lock == nil { state.lock = try FileLock(guarding: path, suffix: "-lock") }
            state.writerIsOpen = true
        }
    }
}
