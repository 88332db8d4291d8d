package import ApusCore
internal import Glibc

/// What the file system says about a path.
package enum FileStatus {
    package static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    package static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    /// 0 if there is no such file.
    package static func byteCount(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    package static func remove(_ path: String) {
        unlink(path)
    }

    /// Waits until the file, or the folder's list of names, is on the disk.
    package static func sync(_ path: String) throws(ApusError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .refusal(path, description(ofErrno: errno)) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else {
            throw .storageUnavailable(cause: "fsync of \(path): \(description(ofErrno: errno))")
        }
    }

    package static func description(ofErrno code: CInt) -> String {
        String(cString: strerror(code))
    }

    package static func isNoSpace(_ code: CInt) -> Bool {
        code == ENOSPC || code == EDQUOT
    }
}

extension ApusError {
    /// A database that cannot be opened, told to the operator.
    package static func refusal(_ path: String, _ reason: String, cause: String? = nil) -> ApusError {
        ApusError(.storageUnavailable, "the database \(path) cannot be opened: \(reason)", cause: cause)
    }
}
