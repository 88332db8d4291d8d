import ApusCore
import Crypto
import Glibc
import NIOCore

/// What the tools do to files, each failure told with the path and the reason.
enum Files {
    enum Kind {
        case file, folder, other
    }

    private static let chunkBytes = 1 << 20

    /// What is at the path itself, links not followed; `nil` if nothing is.
    static func kind(_ path: String) throws(ApusError) -> Kind? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw failure("cannot look at \(path)")
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .folder
        default: return .other
        }
    }

    /// 0 if there is no such file.
    static func byteCount(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Whether both paths lead to one file that is there.
    static func areSame(_ left: String, _ right: String) -> Bool {
        var (first, second) = (stat(), stat())
        guard stat(left, &first) == 0, stat(right, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }

    /// The names in a folder.
    static func names(in folder: String) throws(ApusError) -> [String] {
        guard let stream = opendir(folder) else { throw failure("cannot read \(folder)") }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    static func makeFolder(_ path: String) throws(ApusError) {
        guard mkdir(path, 0o700) == 0 else { throw failure("cannot make the folder \(path)") }
    }

    /// Removes a file, if it is there.
    static func remove(_ path: String) throws(ApusError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw failure("cannot remove \(path)") }
    }

    static func removeEmptyFolder(_ path: String) throws(ApusError) {
        guard rmdir(path) == 0 else { throw failure("cannot remove the folder \(path)") }
    }

    /// Writes a new file that is on the disk on return.
    static func write(_ text: String, to path: String) throws(ApusError) {
        let file = try OpenFile(new: path)
        try file.write(Array(text.utf8)[...])
        try file.sync()
    }

    /// The text of a file of at most `bytesMax`.
    static func text(of path: String, bytesMax: Int) throws(ApusError) -> ByteBuffer {
        let file = try OpenFile(reading: path)
        var text = ByteBuffer()
        while let chunk = try file.read(max: chunkBytes) {
            text.writeBytes(chunk)
            guard text.readableBytes <= bytesMax else {
                throw ApusError(.storageUnavailable, "\(path) is longer than such a file ever is")
            }
        }
        return text
    }

    /// The size and the SHA-256 in hex of a file; with `copy`, also writes it there, to a new file that is on the disk
    /// on return.
    static func checksum(of path: String, copyingTo copy: String? = nil) throws(ApusError) -> Checksum {
        let file = try OpenFile(reading: path)
        var target: OpenFile?
        if let copy { target = try OpenFile(new: copy) }
        var hasher = SHA256()
        var bytes = 0
        while let chunk = try file.read(max: chunkBytes) {
            chunk.withUnsafeBytes { hasher.update(bufferPointer: $0) }
            bytes += chunk.count
            try target?.write(chunk)
        }
        try target?.sync()
        let digits = hasher.finalize().map { byte in
            String(byte >> 4, radix: 16) + String(byte & 0xF, radix: 16)
        }
        return Checksum(bytes: bytes, sha256: digits.joined())
    }

    /// Waits until a file, or a folder's list of names, is on the disk.
    static func sync(_ path: String) throws(ApusError) {
        try OpenFile(reading: path, orFolder: true).sync()
    }

    /// The folder a path is in.
    static func parent(of path: String) -> String {
        let trimmed = withoutSlashes(path)
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        let parent = String(trimmed[..<slash])
        return parent.isEmpty ? "/" : parent
    }

    /// The path without slashes at its end, so that something may be appended.
    static func withoutSlashes(_ path: String) -> String {
        var path = path[...]
        while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
        return String(path)
    }

    /// Gives a file another name in the same file system, never in place of something.
    static func moveFile(_ path: String, to target: String) throws(ApusError) {
        // A second name is made only where there is none; where a file system knows no second names, it is looked at.
        if link(path, target) == 0 { return try remove(path) }
        guard errno != EEXIST else { throw taken(target) }
        guard [EPERM, ENOTSUP, ENOSYS, EMLINK].contains(errno) else { throw failure("cannot make \(target)") }
        try move(path, to: target)
    }

    /// Gives a folder another name, never in place of something.
    static func moveFolder(_ path: String, to target: String) throws(ApusError) {
        try move(path, to: target)
    }

    private static func move(_ path: String, to target: String) throws(ApusError) {
        guard try kind(target) == nil else { throw taken(target) }
        guard rename(path, target) == 0 else {
            if errno == ENOTEMPTY || errno == EEXIST { throw taken(target) }
            throw failure("cannot make \(target)")
        }
    }

    static func taken(_ path: String) -> ApusError {
        ApusError(.storageUnavailable, "there is something at \(path) already; nothing was changed")
    }

    static func failure(_ what: String) -> ApusError {
        let code = errno
        let kind: ApusError.Code = code == ENOSPC || code == EDQUOT ? .storageFull : .storageUnavailable
        return ApusError(kind, "\(what): \(String(cString: strerror(code)))")
    }
}

struct Checksum: Hashable, Sendable {
    var bytes: Int
    /// 64 hex digits.
    var sha256: String
}

/// An open file, closed when it is let go of.
final class OpenFile {
    private let path: String
    private let descriptor: CInt

    /// Opens what is there; a folder only if that will do.
    init(reading path: String, orFolder: Bool = false) throws(ApusError) {
        // Without O_NONBLOCK a pipe in place of a file would make this wait.
        let opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard opened >= 0 else { throw Files.failure("cannot read \(path)") }
        self.path = path
        descriptor = opened
        var status = stat()
        let kind = fstat(opened, &status) == 0 ? status.st_mode & S_IFMT : 0
        guard kind == S_IFREG || (orFolder && kind == S_IFDIR) else {
            throw ApusError(.storageUnavailable, "cannot read \(path): it is no file")
        }
    }

    init(new path: String) throws(ApusError) {
        let opened = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard opened >= 0 else { throw Files.failure("cannot make \(path)") }
        self.path = path
        descriptor = opened
    }

    /// Opens a folder and keeps others from doing so, here or in another process, until it is let go of.
    init(locking folder: String) throws(ApusError) {
        let opened = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard opened >= 0 else { throw Files.failure("cannot read the folder \(folder)") }
        path = folder
        descriptor = opened
        guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            throw ApusError(.storageUnavailable, "\(folder) is being written by another apus")
        }
    }

    deinit {
        close(descriptor)
    }

    /// The next bytes; `nil` at the end.
    func read(max: Int) throws(ApusError) -> ArraySlice<UInt8>? {
        var bytes = [UInt8](repeating: 0, count: max)
        while true {
            let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { return bytes[..<count] }
            if count == 0 { return nil }
            guard errno == EINTR else { throw Files.failure("cannot read \(path)") }
        }
    }

    func write(_ bytes: ArraySlice<UInt8>) throws(ApusError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Files.failure("cannot write \(path)") }
            rest = rest.dropFirst(count)
        }
    }

    func sync() throws(ApusError) {
        guard fsync(descriptor) == 0 else { throw Files.failure("cannot write \(path)") }
    }
}
