import Glibc

/// Memory that is in use and not swapped out.
enum ResidentMemory {
    /// Of a process by its number, or of this one as `self`; 0 when there is none.
    static func bytes(ofProcess process: String) -> Int {
        let fields = (fileText("/proc/\(process)/statm") ?? "").split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return 0 }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }

    /// The most it was since the process began or ``forgetPeak(ofProcess:)``; 0 when there is no such process.
    static func peakBytes(ofProcess process: String) -> Int {
        let lines = (fileText("/proc/\(process)/status") ?? "").split(separator: "\n")
        let fields = lines.first { $0.hasPrefix("VmHWM:") }?.split(whereSeparator: { $0 == " " || $0 == "\t" }) ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * 1024 : 0
    }

    static func forgetPeak(ofProcess process: String) throws {
        let descriptor = open("/proc/\(process)/clear_refs", O_WRONLY | O_CLOEXEC)
        defer { close(descriptor) }
        guard write(descriptor, "5", 1) == 1 else { throw BenchError.system("/proc/\(process)/clear_refs") }
    }
}
