public import ApusCore
public import NIOCore
public import ServiceLifecycle
import Synchronization

/// Looks at what was counted every few seconds, and remembers an hour of it.
///
/// Run it beside the server; what was counted since the start can be asked for without that.
public final class Monitor: Telemetry, Service {
    /// What has been counted until a moment.
    private struct Totals {
        var uptime = Duration.zero
        var writes = 0.0
        var reads = 0.0
        var deliveries = 0.0

        func rates(since earlier: Totals) -> ActivityRates {
            let seconds = (uptime - earlier.uptime) / .seconds(1)
            var rates = ActivityRates()
            guard seconds > 0 else { return rates }
            rates.writes = (writes - earlier.writes) / seconds
            rates.reads = (reads - earlier.reads) / seconds
            rates.deliveries = (deliveries - earlier.deliveries) / seconds
            return rates
        }
    }

    private struct State {
        var samples: [TelemetrySample] = []
        /// At the end of each of the last steps, the oldest first; never empty.
        var totals = [Totals()]
        var latency = Distribution(bounds: MetricDefinition.requestBounds)
    }

    private let registry: MetricsRegistry
    private let clock: any WallClock
    private let uptime: @Sendable () -> Duration
    private let sleep: @Sendable (Duration) async throws -> Void
    private let state: Mutex<State> = Mutex(State())

    public static let step = Duration.seconds(5)
    /// An hour.
    static let samplesMax = 720
    /// Steps of a minute.
    private static let stepsOfMinute = 12

    /// - Parameters:
    ///   - uptime: time since the server was started, which never falls.
    ///   - sleep: waits for so long.
    public init(
        registry: MetricsRegistry, version: String, clock: any WallClock, uptime: @escaping @Sendable () -> Duration,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.registry = registry
        self.clock = clock
        self.uptime = uptime
        self.sleep = sleep
        ProcessFigures.observe(in: registry, startedAt: clock.now())
        registry.observe(MetricName.uptime) { uptime() / .seconds(1) }
        registry.observe(MetricName.buildInfo, dimensions: [("version", version)]) { 1 }
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await self.sleep(Self.step)
                } catch {
                    break
                }
                self.takeSample()
            }
        }
    }

    /// Ends the step that is under way.
    func takeSample() {
        let totals = totals()
        let latency = registry.distribution(of: MetricName.requestDuration)
        let now = clock.now()
        let figures = [
            MetricName.connections, MetricName.webSockets, MetricName.eventStreams, MetricName.residentMemory,
            MetricName.storageBytes,
        ].map { Int(registry.total(of: $0)) }
        state.withLock { state in
            let step = latency.since(state.latency)
            state.latency = latency
            state.samples.append(
                TelemetrySample(
                    at: now, rates: totals.rates(since: state.totals[state.totals.count - 1]),
                    latencyMedianMilliseconds: step.quantile(0.5).map { $0 / 1_000_000 },
                    latencyP99Milliseconds: step.quantile(0.99).map { $0 / 1_000_000 }, connections: figures[0],
                    sockets: figures[1] + figures[2], memoryBytes: figures[3], diskBytes: figures[4]))
            if state.samples.count > Self.samplesMax { state.samples.removeFirst() }
            state.totals.append(totals)
            if state.totals.count > Self.stepsOfMinute { state.totals.removeFirst() }
        }
    }

    private func totals() -> Totals {
        Totals(
            uptime: uptime(), writes: registry.total(of: MetricName.writes),
            reads: registry.total(of: MetricName.reads), deliveries: registry.total(of: MetricName.deliveries))
    }
}

extension Monitor {
    public var stepSeconds: Int64 { Self.step.components.seconds }

    public func history(after time: Timestamp?) -> [TelemetrySample] {
        state.withLock { state in
            guard let time else { return state.samples }
            return state.samples.filter { $0.at > time }
        }
    }

    public func ratesOfLastMinute() -> ActivityRates {
        let totals = totals()
        return state.withLock { totals.rates(since: $0.totals[0]) }
    }

    public func exposition() -> ByteBuffer {
        var text = ByteBuffer()
        MetricText.write(registry, to: &text)
        return text
    }
}
