package import ApusCore
internal import Glibc

/// Keeps a second server away from a database for as long as it lives.
///
/// It is `flock` on a file of its own. `flock`, because the kernel lets go of it however the process ends, and because
/// it keeps out a second opener in the same process too. A file of its own, because closing any descriptor of the
/// database drops the locks that SQLite holds on it (sqlite.org/howtocorrupt.html, section 2.2). The file stays: a
/// lock on a file that may be unlinked keeps nobody out.
package struct FileLock: ~Copyable {
    private let descriptor: CInt

    /// - Parameters:
    ///   - path: as ``FileStatus/resolved(_:for:)`` gives it: a link and what it leads to are one database, so they
    ///     must be one lock.
    ///   - suffix: what the lock's file is named after the database.
    /// - Throws: `storage-unavailable`, for the operator.
    package init(guarding path: String, suffix: String) throws(ApusError) {
        let lockPath = path + suffix
        descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            let code = errno
            if code == ENOENT { throw ApusError.refusal(path, "its folder does not exist") }
            throw ApusError.refusal(path, "\(lockPath) cannot be opened: \(String(cString: strerror(code)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            if code == EWOULDBLOCK { throw ApusError.refusal(path, "it is in use by another server") }
            throw ApusError.refusal(path, "\(lockPath) cannot be locked: \(String(cString: strerror(code)))")
        }
    }

    deinit {
        close(descriptor)
    }
}
