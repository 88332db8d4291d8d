internal import ApusCore
internal import ApusStorageKit
internal import CSQLite

/// A copy of a whole database, page by page, as of one commit (sqlite.org/backup.html).
///
/// It is made in one step: a step holds one snapshot for as long as it takes, so that writers of other connections and
/// processes neither wait nor make it start anew.
struct FileCopy {
    private let source: String
    private let target: String

    init(of source: String, to target: String) {
        self.source = source
        self.target = target
    }

    func run() throws(ApusError) {
        try FileStatus.claim(target)
        do throws(ApusError) {
            try copyPages()
            try FileStatus.sync(target)
            try FileStatus.sync(FileStatus.folder(of: target))
        } catch {
            for suffix in ["", "-journal", "-wal", "-shm"] { FileStatus.remove(target + suffix) }
            throw error
        }
    }

    private func copyPages() throws(ApusError) {
        let from = try Connection(path: source, role: .reader)
        let to = try Connection(path: target, role: .writer(.none))
        defer {
            from.close()
            to.close()
        }
        try from.configure(as: .reader)
        // What is half made is thrown away, so that nothing needs a journal.
        try to.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        guard let copy = sqlite3_backup_init(to.handle, "main", from.handle, "main") else {
            throw to.failure(sqlite3_extended_errcode(to.handle))
        }
        let code = sqlite3_backup_step(copy, -1)
        let ending = sqlite3_backup_finish(copy)
        guard code == SQLITE_DONE else { throw to.failure(code) }
        guard ending == SQLITE_OK else { throw to.failure(ending) }
    }
}
