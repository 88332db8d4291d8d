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

    /// How large the file system is that holds `path` or will hold it.
    package static func fileSystemBytes(at path: String) -> Int? {
        var status = statvfs()
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        guard statvfs(path, &status) == 0 || statvfs(folder, &status) == 0 else { return nil }
        let product = Int(clamping: status.f_blocks).multipliedReportingOverflow(by: Int(clamping: status.f_frsize))
        return product.overflow ? nil : product.partialValue
    }

    /// Whether the file cannot get another `byteCount` bytes, for want of space or by a quota. It is tried, so that
    /// nobody may be making the file longer meanwhile.
    package static func isFull(_ path: String, byteCount: Int) -> Bool {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let length = Self.byteCount(path)
        let code = posix_fallocate(descriptor, length, byteCount)
        ftruncate(descriptor, length)
        return isNoSpace(code)
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

/// Which file it is, whatever it is called.
package struct FileIdentity: Hashable, Sendable {
    private let device: UInt
    private let number: UInt

    /// `nil` if there is no such file.
    package init?(of path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = UInt(status.st_dev)
        number = UInt(status.st_ino)
    }
}

extension ApusError {
    /// A database that cannot be opened, told to the operator.
    package static func refusal(_ path: String, _ reason: String, cause: String? = nil) -> ApusError {
        ApusError(.storageUnavailable, "the database \(path) cannot be opened: \(reason)", cause: cause)
    }
}
