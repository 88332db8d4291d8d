import ApusCore
import Metrics

/// What the engine counts.
struct EngineMeters: Sendable {
    let writes: Counter
    let reads: Counter
    private let commitRequests: Recorder
    private let commitDuration: Timer

    init(_ factory: any MetricsFactory) {
        writes = Counter(label: MetricName.writes, factory: factory)
        reads = Counter(label: MetricName.reads, factory: factory)
        commitRequests = Recorder(label: MetricName.commitRequests, factory: factory)
        commitDuration = Timer(label: MetricName.commitDuration, factory: factory)
    }

    /// A batch of writes is durable.
    func committed(requests: Int, changes: Int, in duration: Duration) {
        writes.increment(by: changes)
        commitRequests.record(requests)
        let (seconds, attoseconds) = duration.components
        commitDuration.recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
