import ApusCore
import Glibc

/// What the system says of this process, under the names that Prometheus' own libraries use.
enum ProcessFigures {
    /// Has `registry` tell them.
    ///
    /// - Parameter startedAt: when this process was started.
    static func observe(in registry: MetricsRegistry, startedAt: Timestamp) {
        registry.observe(MetricName.residentMemory) { pages(field: 1) * pageBytes }
        registry.observe(MetricName.virtualMemory) { pages(field: 0) * pageBytes }
        registry.observe(MetricName.processorTime, .counter) { processorSeconds() }
        registry.observe(MetricName.openFiles) { openFiles() }
        registry.observe(MetricName.filesMax) { filesMax() }
        registry.observe(MetricName.startTime) { Double(startedAt.milliseconds) / 1000 }
    }

    private static let pageBytes = Double(sysconf(Int32(_SC_PAGESIZE)))

    /// A number of `/proc/self/statm` (proc(5)); 0 if it cannot be read.
    private static func pages(field: Int) -> Double {
        let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return 0 }
        let fields = String(decoding: bytes[..<count], as: UTF8.self).split { $0 == " " || $0 == "\n" }
        return fields.indices.contains(field) ? Double(fields[field]) ?? 0 : 0
    }

    private static func processorSeconds() -> Double {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private static func openFiles() -> Double {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Without ".", "..", and the one that was opened to look.
        return Double(max(0, count - 3))
    }

    private static func filesMax() -> Double {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        return Double(limit.rlim_cur)
    }
}
