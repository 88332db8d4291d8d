import Glibc

/// A whole run: a server for each group of works, one row for each work, one table at the end.
final class Session {
    private let options: BenchOptions
    private var rows: [Row] = []

    init(_ options: BenchOptions) {
        self.options = options
    }

    /// Does the groups of works against each storage; a server serves one group, loaded first when a work of it needs
    /// that.
    func run(_ groups: [[Work]]) throws {
        ServerProcess.endWithUs()
        try raiseFileLimit()
        try checkCores()
        let folder = try Folder.make(options.dir)
        let sender = BareSender(options: options, folder: folder)
        var missing: Set<Variant> = []
        for group in groups {
            var works = options.inProcess ? group.filter { !$0.needsSockets } : group
            guard !works.isEmpty else { continue }
            if options.load && works.contains(where: \.needsLoad) { works.insert(.load, at: 0) }
            // What is compared with each other is measured close to each other: machines change by the minute.
            for variant in options.variants where !missing.contains(variant) {
                let limits = RawLimits(options: options, variant: variant, folder: folder, sender: sender)
                let isAvailable = run(works, variant, limits, in: folder)
                limits.close()
                if !isAvailable { missing.insert(variant) }
            }
        }
        try report()
    }

    /// - Returns: whether there is such a storage.
    private func run(_ works: [Work], _ variant: Variant, _ limits: RawLimits, in folder: Folder) -> Bool {
        do {
            if options.inProcess {
                let subject = try EngineSubject(variant, isPinned: options.pin, in: folder)
                let trial = EngineTrial(options: options, variant: variant, subject: subject, limits: limits)
                run(works, by: trial, variant) { true }
                subject.stop()
                end(subject.folder)
            } else {
                let server = try ServerProcess(options.plan(variant), in: folder)
                let trial = ServerTrial(options: options, variant: variant, server: server, limits: limits)
                run(works, by: trial, variant) { server.isRunning }
                do { try server.stop() } catch { fail("stop", variant, error) }
                end(server.folder)
            }
        } catch {
            let isUnavailable = "\(error)".contains("storage \"\(variant.backend)\"; there are: ")
            fail(isUnavailable ? "(all)" : "start", variant, error, isUnavailable: isUnavailable)
            return !isUnavailable
        }
        return true
    }

    private func run(_ works: [Work], by trial: any Trial, _ variant: Variant, isRunning: () -> Bool) {
        for work in works {
            say("\(variant): \(work.name) …")
            do {
                rows += try trial.rows(of: work)
            } catch {
                fail(work.name, variant, error)
                // What follows builds on what was loaded, and a server that is gone does nothing more.
                if work == .load || !isRunning() { break }
            }
        }
    }

    private func end(_ folder: Folder) {
        if options.keep { say("kept \(folder.path)") } else { folder.remove() }
    }

    private func report() throws {
        let kind = options.inProcess ? "in process" : "over sockets"
        print("\(options.command)\n\(kind), measured \(decimal(options.seconds, places: 1)) s a row\n")
        print(Table(rows: rows).text)
        if let path = options.json { try writeFile(path, ResultFile(settings: options.settings, rows: rows).text) }
        if let path = options.plot { try writeFile(path, Chart(title: options.command, rows: rows).text) }
        guard rows.allSatisfy({ $0.failure == nil || $0.isUnavailable }) else {
            throw BenchError("a part of the run failed, see above")
        }
    }

    private func fail(_ step: String, _ variant: Variant, _ error: any Error, isUnavailable: Bool = false) {
        var row = Row(variant: variant, failing: step, "\(error)")
        row.isUnavailable = isUnavailable
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
