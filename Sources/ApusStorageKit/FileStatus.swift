package import ApusCore
internal import Glibc

/// What the file system says about a path.
package enum FileStatus {
    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Sees to it that the file has at least `byteCount` bytes that are really there.
    package static func reserve(_ path: String, byteCount: Int) throws(ApusError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .refusal(path, description(ofErrno: errno)) }
        defer { close(descriptor) }
        let code = posix_fallocate(descriptor, 0, byteCount)
        guard code == 0 else { throw .refusal(path, description(ofErrno: code)) }
    }

    package static func exists(_ path: String) -> Bool {
        Glibc.access(path, F_OK) == 0
    }

    /// 0 if there is no such file.
    package static func byteCount(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Where `path` leads to, links followed; the same for every name of a file.
    ///
    /// - Throws: `storage-unavailable`, for the operator, if it is a directory, a folder is missing, a link leads
    ///   nowhere, or a database must be there for `access` and is not.
    package static func resolved(_ path: String, for access: StorageAccess) throws(ApusError) -> String {
        guard !isDirectory(path) else { throw .refusal(path, "it is a directory") }
        if access != .serving {
            guard exists(path) else { throw .refusal(path, "there is no such file") }
            guard byteCount(path) > 0 else { throw .refusal(path, "it is empty") }
        }
        if let found = realPath(path) { return found }
        var status = stat()
        guard lstat(path, &status) != 0 else { throw .refusal(path, "it is a link that leads nowhere") }
        guard let parent = realPath(folder(of: path)) else { throw .refusal(path, "its folder does not exist") }
        let name = path.split(separator: "/").last ?? ""
        return parent.hasSuffix("/") ? parent + name : "\(parent)/\(name)"
    }

    private static func realPath(_ path: String) -> String? {
        let found = realpath(path, nil)
        defer { free(found) }
        return found.map { String(cString: $0) }
    }

    /// The folder a file lies in.
    package static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
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

    /// Makes an empty file, so that what is removed after a failure is one's own.
    ///
    /// - Throws: `storage-unavailable`, for the operator, also if there is something already.
    package static func claim(_ path: String) throws(ApusError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor < 0 else {
            close(descriptor)
            return
        }
        let reason = errno == EEXIST ? "there is something already" : description(ofErrno: errno)
        throw ApusError(.storageUnavailable, "nothing can be written to \(path): \(reason)")
    }

    /// Calls `body` with a descriptor of the file to write to; gives an error number if there is none.
    package static func writing(to path: String, _ body: (CInt) -> Int32) -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        return body(descriptor)
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
