import Glibc

/// Memory that is in use and not swapped out.
enum ResidentMemory {
    /// Of a process by its number, or of this one as `self`; 0 when there is none.
    static func bytes(ofProcess process: String) -> Int {
        let fields = (fileText("/proc/\(process)/statm") ?? "").split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return 0 }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }
}
