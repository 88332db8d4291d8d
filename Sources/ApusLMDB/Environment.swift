internal import ApusCore
internal import ApusStorageKit
internal import CLMDB
internal import Glibc
internal import Synchronization

/// One open LMDB file, shared by all of this process that read and write it.
///
/// LMDB must not open a file twice in one process (lmdb.h, "Caveats"), so the one that is open already is given out.
/// It is closed when the last user lets go of it.
final class Environment: Sendable {
    private let opened: OpenedFile

    var handle: OpaquePointer { opened.handle }
    var path: String { opened.path }
    var isReadOnly: Bool { opened.isReadOnly }
    var schemaVersion: Int64 { opened.schemaVersion }

    /// What is open, or is just being closed and has no environment any more.
    private static let openOnes = Mutex<[FileIdentity: WeakEnvironment]>([:])

    private struct WeakEnvironment {
        weak var environment: Environment?
    }

    /// The open environment of the file at `path`; the file is made if it is not there and shall be served.
    static func open(
        _ path: String, durability: Durability, access: StorageAccess, makeEpoch: () -> String
    ) throws(ApusError) -> Environment {
        // A file that is just being closed is soon closed: each turn waits a millisecond.
        for _ in 0..<10_000 {
            let found = try openOnes.withLock { (ones: inout [FileIdentity: WeakEnvironment]) throws(ApusError) in
                if let identity = FileIdentity(of: path), let one = ones[identity] { return one.environment }
                let opened = try OpenedFile(path, durability: durability, access: access, makeEpoch: makeEpoch)
                let environment = Environment(opened)
                ones[opened.identity] = WeakEnvironment(environment: environment)
                return environment
            }
            // Outside of the lock, which the environment takes when nobody uses it any more.
            if let found { return try found.shared(durability, access) }
            usleep(1000)
        }
        throw .refusal(path, "this program is closing it")
    }

    private init(_ opened: consuming OpenedFile) {
        self.opened = opened
    }

    deinit {
        Self.openOnes.withLock { ones in
            opened.close()
            ones[opened.identity] = nil
        }
    }

    private func shared(_ durability: Durability, _ access: StorageAccess) throws(ApusError) -> Environment {
        guard access != .reading else { return self }
        guard !isReadOnly else { throw .refusal(path, "this program is reading it") }
        mdb_env_set_flags(handle, UInt32(MDB_NOSYNC | MDB_NOMETASYNC), 0)
        mdb_env_set_flags(handle, durability.flags, 1)
        return self
    }

    /// `nil` if the file has no such table, as one that is only read may not: it is empty.
    func number(of table: Table) -> MDB_dbi? { opened.tables[table.rawValue] }

    func begin(isReadOnly: Bool) throws(ApusError) -> OpaquePointer {
        var begun: OpaquePointer?
        let code = mdb_txn_begin(handle, nil, isReadOnly ? UInt32(MDB_RDONLY) : 0, &begun)
        guard code == MDB_SUCCESS, let begun else { throw Self.failure(code) }
        return begun
    }

    /// Frees what processes that were killed while they read still keep from being used again.
    func forgetDeadReaders() {
        var dead: Int32 = 0
        mdb_reader_check(handle, &dead)
    }
}

// MARK: - Errors

extension Environment {
    /// What became of a call that gave `code`.
    static func failure(_ code: Int32) -> ApusError {
        switch code {
        case MDB_MAP_FULL, ENOSPC, EDQUOT: .storageFull(cause: cause(code))
        // MDB_BAD_TXN: an earlier call of the transaction failed and told why.
        case MDB_READERS_FULL, MDB_TXN_FULL, MDB_BAD_TXN, ENOMEM, EAGAIN: .storageBusy(cause: cause(code))
        default: .storageUnavailable(cause: cause(code))
        }
    }

    static func cause(_ code: Int32) -> String {
        "LMDB \(code): \(String(cString: mdb_strerror(code)))"
    }
}

extension Durability {
    /// Without MDB_NOMETASYNC a commit waits for its pages and for the page that makes them valid; with it for its
    /// pages only, so that a power loss can take the last commit but never damages the file.
    var flags: UInt32 {
        switch self {
        case .full: 0
        case .normal: UInt32(MDB_NOMETASYNC)
        case .none: UInt32(MDB_NOSYNC)
        }
    }
}
