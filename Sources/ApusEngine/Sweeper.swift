import ApusCore
import Logging
import ServiceLifecycle

/// Writes the tombstones of records whose time has run out, and forgets old tombstones, answers, tokens and entries.
struct Sweeper: Service {
    let committer: Committer
    let refusals: RefusalTally
    let settings: EngineSettings
    let clock: any WallClock
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await Task.sleep(for: settings.cleanupInterval)
                } catch {
                    break
                }
                await sweepAll()
                flushRefusals(endedBefore: clock.now())
            }
        }
        flushRefusals(endedBefore: nil)
    }

    /// Sweeps in parts until nothing is left to sweep.
    private func sweepAll() async {
        var hasMore = true
        while hasMore, !Task.isCancelled {
            let swept = await withCheckedContinuation { continuation in
                committer.submit(.alone(Sweep { continuation.resume(returning: $0) }))
            }
            switch swept {
            case .success(let more): hasMore = more
            case .failure(let error):
                logger.warning("sweeping failed", metadata: ["cause": "\(error.cause ?? error.message)"])
                hasMore = false
            }
        }
    }

    private func flushRefusals(endedBefore moment: Timestamp?) {
        let entries = refusals.drain(minutesEndedBefore: moment)
        guard !entries.isEmpty else { return }
        committer.submit(.alone(AppendAudit(entries: entries) { _ in }))
    }
}

/// Sweeps a bounded part; answers whether there is more.
struct Sweep: LoneCommand {
    let then: Completion<Bool>

    private static let recordsAtOnce = 500
    static let auditEntriesAtOnce = 2000

    init(then: @escaping Completion<Bool>) {
        self.then = then
    }

    func decide(in transaction: any StorageTransaction, context: CommitContext) throws(ApusError) -> CommitOutcome {
        let now = context.clock.now()
        let expired = try transaction.expired(at: now, limit: Self.recordsAtOnce)
        let rows = try transaction.stored(expired, valueBytesMax: 0).compactMap(\.self)
        let horizon = now.advanced(bySeconds: -Int64(context.settings.tombstoneTTLDays) * 86_400)
        let purges = try transaction.tombstones(committedBefore: horizon, limit: Self.recordsAtOnce)
        var owners: [OwnerID: OwnerState] = [:]
        for owner in Set(rows.map(\.record.address.owner) + purges.map(\.record.address.owner)) {
            owners[owner] = try transaction.ownerState(owner)
        }
        for purge in purges {
            let owner = purge.record.address.owner
            var state = owners[owner] ?? OwnerState()
            state.purgedThrough = max(state.purgedThrough, purge.record.sequence)
            owners[owner] = state
        }
        var planner = CommitPlanner(
            now: now, limits: context.settings.limits, rows: rows, owners: owners, answers: [])
        for address in expired { planner.expire(address) }
        var batch = planner.batch
        batch.purges = purges
        for purge in purges where batch.owners[purge.record.address.owner] == nil {
            batch.owners[purge.record.address.owner] = owners[purge.record.address.owner]
        }
        let aged = try transaction.agedAudit(
            before: now.advanced(bySeconds: -Int64(context.settings.auditTTLDays) * 86_400),
            limit: Self.auditEntriesAtOnce)
        batch.forgetting = context.retention(at: now, auditThrough: aged.through)
        try transaction.apply(batch)
        context.revocations.forget(endedBefore: now)
        let hasMore =
            expired.count == Self.recordsAtOnce || purges.count == Self.recordsAtOnce || aged.hasMore
        return CommitOutcome(changes: planner.changes, answers: [{ then(.success(hasMore)) }])
    }

    func fail(_ error: ApusError) { then(.failure(error)) }
}

extension CommitContext {
    /// What has run out at `now`.
    func retention(at now: Timestamp, auditThrough: Int64) -> Retention {
        Retention(
            answersStoredBefore: now.advanced(bySeconds: -settings.limits.idempotencyLifeSeconds),
            auditThrough: auditThrough, tokensEndedBefore: now)
    }
}
