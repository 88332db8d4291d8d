import Glibc

/// A whole run: a server for each group of works, one row for each work, one table at the end.
final class Session {
    /// A kind of work and what to call it when it fails.
    struct Work {
        let name: String
        let run: (Trial) throws -> Row
    }

    private let options: BenchOptions
    private var rows: [Row] = []

    init(_ options: BenchOptions) {
        self.options = options
    }

    /// Does the groups of works against each backend; a server serves one group, loaded first when `needsLoad` says so.
    func run(_ groups: [(needsLoad: Bool, works: [Work])]) throws {
        ServerProcess.endWithUs()
        try raiseFileLimit()
        try checkCores()
        let folder = try Folder.make(options.dir)
        for backend in options.backendNames {
            for group in groups {
                var works = group.works
                if group.needsLoad && options.load { works.insert(Work(name: "load") { try $0.load() }, at: 0) }
                run(works, backend: backend, in: folder)
            }
        }
        print(Table(rows: rows).text)
        if let path = options.json { try ResultFile(settings: options.settings, rows: rows).write(to: path) }
        guard rows.allSatisfy({ $0.failure == nil }) else { throw BenchError("a part of the run failed, see above") }
    }

    private func run(_ works: [Work], backend: String, in folder: Folder) {
        do {
            let server = try ServerProcess(options.plan(backend: backend), in: folder)
            let trial = Trial(options: options, backend: backend, folder: folder, server: server)
            for work in works {
                say("\(backend): \(work.name) …")
                do {
                    rows.append(try work.run(trial))
                } catch {
                    fail(work.name, backend, error)
                    // What follows builds on what was loaded, and a server that is gone does nothing more.
                    if work.name == "load" || !server.isRunning { break }
                }
            }
            do { try server.stop() } catch { fail("stop", backend, error) }
            if options.keep { say("kept \(server.folder.path)") } else { server.folder.remove() }
        } catch {
            fail("start", backend, error)
        }
    }

    private func fail(_ work: String, _ backend: String, _ error: any Error) {
        var row = Row(backend: backend, durability: options.durability, work: work)
        row.failure = "\(error)"
        rows.append(row)
    }

    /// Sockets are files; the server inherits the limit.
    private func raiseFileLimit() throws {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { throw BenchError.system("getrlimit") }
        limit.rlim_cur = limit.rlim_max
        guard setrlimit(resource, &limit) == 0 else { throw BenchError.system("setrlimit") }
    }

    private func checkCores() throws {
        guard !options.pin || sysconf(Int32(_SC_NPROCESSORS_ONLN)) >= 2 else {
            throw BenchError("there is only one core: use --no-pin, and trust no figure")
        }
    }

    private func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = write(2, bytes, bytes.count)
    }
}
