internal import ApusCore
internal import ApusStorageKit
internal import CLMDB
internal import Glibc
internal import Synchronization

/// One open LMDB file, shared by all of this process that read and write it.
///
/// LMDB must not open a file twice in one process (lmdb.h, "Caveats"), so ``open(_:durability:access:)`` gives out the
/// one that is open already. It is closed when the last user lets go of it.
final class Environment: @unchecked Sendable {
    let handle: OpaquePointer
    let path: String
    let isReadOnly: Bool
    /// By the raw value of ``Table``; written once, before anybody else has the environment.
    private var tables: [MDB_dbi] = []

    private static let openOnes = Mutex<[FileIdentity: WeakEnvironment]>([:])

    private struct WeakEnvironment {
        weak var environment: Environment?
    }

    /// The open environment of the file at `path`; the file is made if it is not there, unless it is only to be read.
    ///
    /// - Parameter found: makes an empty file into a database, or refuses one that is none of ours.
    static func open(
        _ path: String, durability: Durability, access: StorageAccess, found: (Environment) throws(ApusError) -> Void
    ) throws(ApusError) -> Environment {
        try openOnes.withLock { (open: inout [FileIdentity: WeakEnvironment]) throws(ApusError) in
            if let identity = FileIdentity(of: path), let environment = open[identity]?.environment {
                guard access == .reading || !environment.isReadOnly else {
                    throw .refusal(path, "this program is reading it")
                }
                return environment
            }
            let environment = try Environment(path, durability: durability, isReadOnly: access == .reading)
            try FileLength(of: environment).check()
            try found(environment)
            try environment.openTables()
            open = open.filter { $0.value.environment != nil }
            if let identity = FileIdentity(of: path) { open[identity] = WeakEnvironment(environment: environment) }
            return environment
        }
    }

    private init(_ path: String, durability: Durability, isReadOnly: Bool) throws(ApusError) {
        let flags = durability.flags | (isReadOnly ? UInt32(MDB_RDONLY) : 0)
        var mapBytes = Self.wantedMapBytes(path)
        var (code, opened) = Self.openHandle(path, flags, mapBytes: mapBytes)
        // The address space may be limited.
        while code == ENOMEM, mapBytes > Schema.mapBytesLeast {
            mapBytes /= 2
            (code, opened) = Self.openHandle(path, flags, mapBytes: mapBytes)
        }
        guard let opened else { throw Self.refusal(path, code) }
        handle = opened
        self.path = path
        self.isReadOnly = isReadOnly
    }

    deinit {
        if !isReadOnly { mdb_env_sync(handle, 1) }
        mdb_env_close(handle)
    }

    func number(of table: Table) -> MDB_dbi { tables[table.rawValue] }

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

    /// The length the file must have, but for free pages at its end that were never written.
    var bytesUsed: Int {
        var (info, status) = (MDB_envinfo(), MDB_stat())
        mdb_env_info(handle, &info)
        mdb_env_stat(handle, &status)
        return (info.me_last_pgno + 1) * Int(status.ms_psize)
    }

    /// Opens the tables, and makes those that are not there unless the file is only to be read.
    private func openTables() throws(ApusError) {
        let transaction = try begin(isReadOnly: isReadOnly)
        for table in Table.allCases {
            var number: MDB_dbi = 0
            let code = mdb_dbi_open(transaction, table.name, isReadOnly ? 0 : UInt32(MDB_CREATE), &number)
            guard code == MDB_SUCCESS else {
                mdb_txn_abort(transaction)
                throw .refusal(path, "its tables are not those of Apus", cause: Self.cause(code))
            }
            tables.append(number)
        }
        let code = mdb_txn_commit(transaction)
        guard code == MDB_SUCCESS else { throw Self.failure(code) }
    }

    private static func openHandle(_ path: String, _ flags: UInt32, mapBytes: Int) -> (Int32, OpaquePointer?) {
        var made: OpaquePointer?
        var code = mdb_env_create(&made)
        guard code == MDB_SUCCESS else { return (code, nil) }
        mdb_env_set_maxdbs(made, MDB_dbi(Table.allCases.count))
        mdb_env_set_maxreaders(made, Schema.readersMax)
        mdb_env_set_mapsize(made, mapBytes)
        code = mdb_env_open(made, path, UInt32(MDB_NOSUBDIR | MDB_NOTLS) | flags, 0o644)
        guard code == MDB_SUCCESS else {
            mdb_env_close(made)
            return (code, nil)
        }
        return (code, made)
    }

    private static func wantedMapBytes(_ path: String) -> Int {
        let there = FileStatus.fileSystemBytes(at: path) ?? 0
        let wanted = there.multipliedReportingOverflow(by: Schema.mapTimesFileSystem)
        return min(Schema.mapBytesMost, max(Schema.mapBytesLeast, wanted.overflow ? .max : wanted.partialValue))
    }
}

// MARK: - Errors

extension Environment {
    /// What became of a call that gave `code`.
    static func failure(_ code: Int32) -> ApusError {
        switch code {
        case MDB_MAP_FULL, ENOSPC, EDQUOT: .storageFull(cause: cause(code))
        case MDB_READERS_FULL, MDB_TXN_FULL, MDB_MAP_RESIZED, ENOMEM: .storageBusy(cause: cause(code))
        default: .storageUnavailable(cause: cause(code))
        }
    }

    private static func cause(_ code: Int32) -> String {
        "LMDB \(code): \(String(cString: mdb_strerror(code)))"
    }

    private static func refusal(_ path: String, _ code: Int32) -> ApusError {
        switch code {
        case MDB_INVALID: .refusal(path, "it is not an LMDB database")
        case MDB_VERSION_MISMATCH: .refusal(path, "it was written by another version of LMDB", cause: cause(code))
        case MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_PANIC: .refusal(path, "it is damaged", cause: cause(code))
        case ENOENT: .refusal(path, "its folder does not exist")
        default: .refusal(path, String(cString: mdb_strerror(code)), cause: cause(code))
        }
    }
}

extension Durability {
    /// Without MDB_NOMETASYNC a commit waits for its pages and for the page that makes them valid; with it for its
    /// pages only, so that a power loss can take the last commit but never damages the file.
    fileprivate var flags: UInt32 {
        switch self {
        case .full: 0
        case .normal: UInt32(MDB_NOMETASYNC)
        case .none: UInt32(MDB_NOSYNC)
        }
    }
}
