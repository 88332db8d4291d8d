import Glibc

/// The disk's own limit, to hold a durable write against: how often it makes 4 KiB durable, one after the other.
enum RawDisk {
    /// Appends of 4 KiB, each followed by `fdatasync`, a second; one thread, for about `seconds`.
    static func syncsPerSecond(in folder: Folder, seconds: Double = 1) throws -> Double {
        let path = folder.path + "/raw-limit"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw BenchError.system("open \(path)") }
        defer {
            close(descriptor)
            unlink(path)
        }
        let page = [UInt8](repeating: 0x61, count: 4096)
        let start = Moment.now
        let deadline = start.after(seconds: seconds)
        var count = 0
        while Moment.now < deadline {
            guard write(descriptor, page, page.count) == page.count else { throw BenchError.system("write \(path)") }
            guard fdatasync(descriptor) == 0 else { throw BenchError.system("fdatasync \(path)") }
            count += 1
        }
        return Double(count) / (Double(Moment.now - start) / 1e9)
    }
}
