public import ApusCore
internal import ApusStorageKit
internal import CLMDB
internal import Synchronization

/// The storage for much reading: one LMDB file, mapped into memory, and LMDB's lock file beside it.
///
/// One writer, and any number of readers that never wait for it. The file belongs to one server at a time;
/// `PATH-server-lock` beside it says so.
public final class LMDBBackend: StorageBackend {
    public let description: StorageDescription
    private let environment: Environment
    private let access: StorageAccess
    private let state: Mutex<State>

    /// LMDB's own lock file takes the other name, and closing a descriptor of that one would drop LMDB's locks.
    static let lockSuffix = "-server-lock"

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
        guard !path.isEmpty else { throw ApusError.refusal(path, "it names no file") }
        let path = try FileStatus.resolved(path, for: access)
        let lock = access == .reading ? nil : try FileLock(guarding: path, suffix: Self.lockSuffix)
        environment = try Environment.open(path, durability: durability, access: access, makeEpoch: makeEpoch)
        if access != .reading { environment.forgetDeadReaders() }
        let epoch = try LMDBReader(environment).epoch()
        description = StorageDescription(
            name: "lmdb", path: path, durability: durability, schemaVersion: Int(environment.schemaVersion),
            epoch: epoch)
        state = Mutex(State(lock: lock))
        self.access = access
    }

    public func openWriter() throws(ApusError) -> any StorageWriter {
        precondition(access != .reading, "a storage that was opened to be read has no writer")
        let path = description.path
        try state.withLock { (state: inout State) throws(ApusError) in
            precondition(!state.writerIsOpen, "a second writer was opened")
            if state.lock == nil { state.lock = try FileLock(guarding: path, suffix: Self.lockSuffix) }
            state.writerIsOpen = true
        }
        return LMDBWriter(environment, of: self)
    }

    public func openReader() -> any StorageReader {
        LMDBReader(environment)
    }

    public func bytesStored() -> Int {
        FileStatus.byteCount(description.path)
    }

    /// The copy holds no free pages.
    public func copy(to path: String) throws(ApusError) {
        try FileStatus.claim(path)
        do throws(ApusError) {
            let code = FileStatus.writing(to: path) { mdb_env_copyfd2(environment.handle, $0, UInt32(MDB_CP_COMPACT)) }
            guard code == MDB_SUCCESS else { throw Environment.failure(code) }
            try FileStatus.sync(path)
            try FileStatus.sync(FileStatus.folder(of: path))
        } catch {
            FileStatus.remove(path)
            throw error
        }
    }

    public func faults(limit: Int) throws(ApusError) -> [String] {
        try Examination(of: LMDBReader(environment), limit: limit).faults()
    }

    /// Lets a next writer be opened, here or in another process.
    func release() {
        state.withLock { state in
            state.writerIsOpen = false
            state.lock = nil
        }
    }
}
