internal import ApusCore
internal import ApusStorageKit
internal import CLMDB
internal import Glibc

/// Tells a file that was cut short from a whole one: it is mapped all the same, and to read beyond its end would end
/// the process.
struct FileLength {
    private let environment: Environment

    init(of environment: Environment) {
        self.environment = environment
    }

    /// Free pages at the end may never have been written. So a short file is made as long as it should be, and is whole
    /// if all that was missing is free; otherwise it is cut back and refused.
    func check() throws(ApusError) {
        let path = environment.path
        let (length, wanted) = (FileStatus.byteCount(path), environment.bytesUsed)
        guard length < wanted else { return }
        guard !environment.isReadOnly else { return try checkIsServed() }
        guard truncate(path, wanted) == 0 else { throw .refusal(path, FileStatus.description(ofErrno: errno)) }
        let missing = length / Self.pageBytes(environment)..<wanted / Self.pageBytes(environment)
        guard (try? freePages(in: missing)) == missing.count else {
            truncate(path, length)
            throw .refusal(path, Self.complaint)
        }
    }

    /// Nothing can be added to a file that is only read; but the server that writes it has seen to its end.
    private func checkIsServed() throws(ApusError) {
        let isServed = (try? FileLock(guarding: environment.path, suffix: LMDBBackend.lockSuffix)) == nil
        guard isServed else { throw .refusal(environment.path, Self.complaint) }
    }

    /// How many of these pages are in the list of free ones.
    private func freePages(in pages: Range<Int>) throws(ApusError) -> Int {
        let transaction = try environment.begin(isReadOnly: true)
        defer { mdb_txn_abort(transaction) }
        var cursor: OpaquePointer?
        // The list is LMDB's table 0: a transaction's number → how many pages it freed, and which.
        guard mdb_cursor_open(transaction, 0, &cursor) == MDB_SUCCESS, let cursor else { return 0 }
        defer { mdb_cursor_close(cursor) }
        var (key, value, found) = (MDB_val(), MDB_val(), 0)
        while mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS {
            let numbers = UnsafeRawBufferPointer(value).bindMemory(to: UInt.self)
            found += numbers.dropFirst().lazy.filter { pages.contains(Int(bitPattern: $0)) }.count
        }
        return found
    }

    private static let complaint = "it is damaged: a part of it is missing"

    private static func pageBytes(_ environment: Environment) -> Int {
        var status = MDB_stat()
        mdb_env_stat(environment.handle, &status)
        return Int(status.ms_psize)
    }
}
