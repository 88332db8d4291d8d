import ApusCore
import Synchronization

/// Keeps a count for a while, the longer the longer it took: however often one asks, a twentieth of a reader's time is
/// spent on counting. Those who ask while one is counting share what it finds.
final class TotalsCache: Sendable {
    private struct State {
        var totals: StorageTotals?
        var isGoodUntil: ContinuousClock.Instant?
        var waiting: [Completion<StorageTotals>] = []
        var isCounting = false
    }

    private let state: Mutex<State> = Mutex(State())

    private let now: @Sendable () -> ContinuousClock.Instant

    private static let lifePerCountingTime = 19

    init(now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }) {
        self.now = now
    }

    /// Answers with what is known, if that is good enough; else with what `count` answers.
    func get(
        counting count: (@escaping Completion<StorageTotals>) -> Void, then: @escaping Completion<StorageTotals>
    ) {
        let start = now()
        let (known, begins) = state.withLock { state -> (StorageTotals?, Bool) in
            if let totals = state.totals, let end = state.isGoodUntil, start < end { return (totals, false) }
            state.waiting.append(then)
            defer { state.isCounting = true }
            return (nil, !state.isCounting)
        }
        if let known { return then(.success(known)) }
        guard begins else { return }
        count { [self] counted in
            let waiting = state.withLock { state in
                let now = now()
                state.totals = try? counted.get()
                state.isGoodUntil = now.advanced(by: start.duration(to: now) * Self.lifePerCountingTime)
                state.isCounting = false
                defer { state.waiting = [] }
                return state.waiting
            }
            for then in waiting { then(counted) }
        }
    }
}
