public import ApusCore
import Synchronization

/// The exports under way: each on a thread of its own, with a reader of its own, in one snapshot.
final class Exports: Sendable {
    private struct State {
        var underWay = 0
        var startedCount = 0
        var threads: [Int: WorkerThread] = [:]
        /// Threads that have nothing more to do, or are about to.
        var ended: [WorkerThread] = []
        var isStopped = false
    }

    private let storage: any StorageBackend
    private let limits: Limits
    private let clock: any WallClock
    private let state: Mutex<State> = Mutex(State())

    init(storage: any StorageBackend, limits: Limits, clock: any WallClock) {
        self.storage = storage
        self.limits = limits
        self.clock = clock
    }

    /// Takes one of the places that there are, for ``run(_:to:)`` or ``release()``.
    ///
    /// - Throws: `overloaded`.
    func take() throws(ApusError) {
        let isTaken = state.withLock { state in
            guard !state.isStopped, state.underWay < limits.exportsAtOnceMax else { return false }
            state.underWay += 1
            return true
        }
        guard !isTaken else { return }
        var error = ApusError(.overloaded, "there are as many exports under way as there may be")
        error.retryAfterSeconds = 10
        throw error
    }

    func release() {
        state.withLock { $0.underWay -= 1 }
    }

    /// Exports in the place that was taken.
    func run(_ query: ExportQuery, to sink: any ExportSink) {
        let ended: [WorkerThread]? = state.withLock { state in
            guard !state.isStopped else { return nil }
            defer { state.ended = [] }
            let number = state.startedCount
            state.startedCount += 1
            state.threads[number] = WorkerThread { [self] in
                let outcome = outcome(of: query, to: sink)
                release()
                sink.end(outcome)
                leave(number)
            }
            return state.ended
        }
        guard let ended else {
            release()
            return sink.end(.failure(.exportCutShort("the server stops")))
        }
        for thread in ended { thread.join() }
    }

    /// The last thing that the thread does.
    private func leave(_ number: Int) {
        state.withLock { state in
            if let thread = state.threads.removeValue(forKey: number) { state.ended.append(thread) }
        }
    }

    /// Ends all exports before their end, and returns when they have.
    func stop() {
        let threads = state.withLock { state in
            state.isStopped = true
            defer {
                state.threads = [:]
                state.ended = []
            }
            return Array(state.threads.values) + state.ended
        }
        for thread in threads { thread.join() }
    }

    private func outcome(of query: ExportQuery, to sink: any ExportSink) -> Result<Void, ApusError> {
        let end = ContinuousClock.now + .seconds(limits.exportSecondsMax)
        do throws(ApusError) {
            let reader = try storage.openReader()
            try reader.snapshot { () throws(ApusError) in
                let walk = ExportWalk(reader: reader, moment: clock.now(), bytesMax: limits.exportPageBytesMax)
                try walk.run(query) { rows throws(ApusError) in
                    try checkTime(end)
                    guard sink.take(rows) else { throw .exportCutShort("the client takes no more") }
                }
            }
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    private func checkTime(_ end: ContinuousClock.Instant) throws(ApusError) {
        guard !state.withLock({ $0.isStopped }) else { throw .exportCutShort("the server stops") }
        guard ContinuousClock.now < end else { throw .exportCutShort("the export takes too long") }
    }
}

/// Reads what an export asks for, a page at a time.
struct ExportWalk {
    let reader: any StorageReader
    /// When it was begun: what is live then is live all the time.
    let moment: Timestamp
    /// Of the values of a page.
    let bytesMax: Int

    private static let rowsAtOnce = 1000

    /// Calls `give` with every page, some of them empty.
    func run(_ query: ExportQuery, _ give: (ExportRows) throws(ApusError) -> Void) throws(ApusError) {
        switch query {
        case .users: try users(give)
        case .records(let filter):
            if let owner = filter.owner { return try records(of: owner, filter, give) }
            try owners { owner throws(ApusError) in try records(of: owner, filter, give) }
        case .audit(let filter): try audit(filter, give)
        }
    }

    private func users(_ give: (ExportRows) throws(ApusError) -> Void) throws(ApusError) {
        var last: OwnerID?
        repeat {
            let users = try reader.users(after: last, limit: Self.rowsAtOnce)
            last = users.last?.id
            try give(.users(users))
        } while last != nil
    }

    private func owners(_ visit: (OwnerID) throws(ApusError) -> Void) throws(ApusError) {
        var last: OwnerID?
        repeat {
            let owners = try reader.owners(after: last, limit: Self.rowsAtOnce)
            last = owners.last?.owner
            for entry in owners { try visit(entry.owner) }
        } while last != nil
    }

    private func records(
        of owner: OwnerID, _ filter: ExportQuery.RecordFilter, _ give: (ExportRows) throws(ApusError) -> Void
    ) throws(ApusError) {
        var after = SequenceNumber.zero
        var hasMore = true
        while hasMore {
            let page = try reader.changes(
                owner: owner, collection: filter.collection, after: after, limit: Self.rowsAtOnce, bytesMax: bytesMax,
                liveAt: moment)
            let shown = filter.includesTombstones ? page.records : page.records.filter { !$0.isTombstone }
            try give(.records(shown))
            (after, hasMore) = (page.reached.after, page.hasMore)
        }
    }

    private func audit(
        _ filter: AuditFilter, _ give: (ExportRows) throws(ApusError) -> Void
    ) throws(ApusError) {
        var last: Int64? = 0
        while let number = last {
            let entries = try reader.auditEntries(after: number, limit: Self.rowsAtOnce)
            last = entries.last?.number
            try give(.audit(entries.filter { filter.matches($0) }))
        }
    }
}

extension ApusError {
    fileprivate static func exportCutShort(_ why: String) -> ApusError {
        var error = ApusError(.overloaded, why)
        error.retryAfterSeconds = 10
        return error
    }
}

extension Engine {
    public func export(_ query: ExportQuery, origin: RequestOrigin, to sink: any ExportSink) {
        do throws(ApusError) {
            try exports.take()
        } catch {
            return sink.end(.failure(error))
        }
        let entry = AuditEntry(
            at: clock.now(), origin: origin, action: "export", target: query.name, detail: query.detail)
        noteAudit(entry) { [exports] noted in
            switch noted {
            case .success: exports.run(query, to: sink)
            case .failure(let error):
                exports.release()
                sink.end(.failure(error))
            }
        }
    }
}
