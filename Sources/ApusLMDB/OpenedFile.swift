internal import ApusCore
internal import ApusStorageKit
internal import CLMDB
internal import Glibc

/// A file that LMDB has open, with its tables.
struct OpenedFile: @unchecked Sendable {
    let handle: OpaquePointer
    let path: String
    let identity: FileIdentity
    let isReadOnly: Bool
    let schemaVersion: Int64
    /// By the raw value of ``Table``; `nil` for one that the file has not.
    let tables: [MDB_dbi?]

    /// - Throws: a refusal that names the path and says what is wrong.
    init(
        _ path: String, durability: Durability, access: StorageAccess, makeEpoch: () -> String
    ) throws(ApusError) {
        isReadOnly = access == .reading
        try FileLength(of: path).check()
        if !isReadOnly { try FileStatus.reserve(path + Self.readersSuffix, byteCount: Schema.readersFileBytes) }
        let flags = durability.flags | (isReadOnly ? UInt32(MDB_RDONLY) : 0)
        let (code, opened) = Self.openHandle(path, flags)
        guard let opened, let identity = FileIdentity(of: path) else { throw Self.refusal(path, code) }
        do throws(ApusError) {
            let founding = Founding(path: path, environment: opened, isReadOnly: isReadOnly)
            schemaVersion = try founding.found(makeEpoch: makeEpoch)
            tables = try founding.openTables(version: schemaVersion)
        } catch {
            mdb_env_close(opened)
            throw error
        }
        handle = opened
        self.path = path
        self.identity = identity
    }

    func close() {
        if !isReadOnly { mdb_env_sync(handle, 1) }
        mdb_env_close(handle)
    }

    /// What LMDB calls its table of readers after the file.
    private static let readersSuffix = "-lock"

    /// The address space may be limited, and then it is less that the file can grow into.
    private static func openHandle(_ path: String, _ flags: UInt32) -> (code: Int32, handle: OpaquePointer?) {
        var mapBytes = Schema.mapBytesMost
        while true {
            let (code, handle) = openHandle(path, flags, mapBytes: mapBytes)
            guard code == ENOMEM, mapBytes > Schema.mapBytesLeast else { return (code, handle) }
            mapBytes /= 2
        }
    }

    private static func openHandle(
        _ path: String, _ flags: UInt32, mapBytes: Int
    ) -> (code: Int32, handle: OpaquePointer?) {
        var made: OpaquePointer?
        var code = mdb_env_create(&made)
        guard code == MDB_SUCCESS else { return (code, nil) }
        // One more for the table that an upgrade empties.
        mdb_env_set_maxdbs(made, MDB_dbi(Table.allCases.count + 1))
        mdb_env_set_maxreaders(made, Schema.readersMax)
        mdb_env_set_mapsize(made, mapBytes)
        code = mdb_env_open(made, path, UInt32(MDB_NOSUBDIR | MDB_NOTLS) | flags, 0o644)
        guard code == MDB_SUCCESS else {
            mdb_env_close(made)
            return (code, nil)
        }
        return (code, made)
    }

    /// Why LMDB does not take the file.
    static func refusal(_ path: String, _ code: Int32) -> ApusError {
        let cause = Environment.cause(code)
        return switch code {
        case MDB_INVALID: .refusal(path, "it is not an LMDB database")
        case MDB_VERSION_MISMATCH: .refusal(path, "it was written by another version of LMDB", cause: cause)
        case MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_PANIC, MDB_BAD_TXN: .refusal(path, "it is damaged", cause: cause)
        case MDB_INCOMPATIBLE, MDB_NOTFOUND: .refusal(path, "its tables are not those of Apus", cause: cause)
        case MDB_READERS_FULL: .refusal(path, "too many programs are reading it", cause: cause)
        case EAGAIN: .refusal(path, "a program with the same process number, in another container, has it open")
        case ENOSPC, EDQUOT, MDB_MAP_FULL: .refusal(path, "no space left", cause: cause)
        default: .refusal(path, FileStatus.description(ofErrno: code), cause: cause)
        }
    }
}
