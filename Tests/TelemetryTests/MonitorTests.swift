import ApusCore
import ApusTesting
import Metrics
import NIOCore
import Synchronization
import Testing

@testable import ApusTelemetry
@testable import ServerTests

@Suite struct MonitorTests {
    private final class Time: Sendable {
        let wall = ManualClock()
        let uptime = Mutex(Duration.zero)

        func pass(_ seconds: Int64) {
            wall.advance(bySeconds: seconds)
            uptime.withLock { $0 += .seconds(seconds) }
        }
    }

    private let time = Time()
    private let registry = MetricsRegistry()
    private let monitor: Monitor

    init() {
        monitor = Monitor(registry: registry, version: "1.2", clock: time.wall) { [time] in
            time.uptime.withLock { $0 }
        }
    }

    private func step() {
        time.pass(5)
        monitor.takeSample()
    }

    @Test func `a sample tells what happened in its step, and not before`() throws {
        let writes = Counter(label: MetricName.writes, factory: registry)
        let timer = Timer(label: MetricName.requestDuration, factory: registry)
        writes.increment(by: 50)
        for _ in 0..<100 { timer.recordNanoseconds(90_000) }
        step()
        writes.increment(by: 5)
        timer.recordNanoseconds(3_000_000)
        step()
        step()
        let samples = monitor.history(after: nil)
        #expect(samples.map(\.rates.writes) == [10, 1, 0])
        let medians = samples.map(\.latencyMedianMilliseconds)
        #expect(try #require(medians[0]) <= 0.1)
        #expect(try (2.5...5).contains(#require(medians[1])))
        #expect(medians[2] == nil && samples[2].latencyP99Milliseconds == nil)
        #expect(samples[0].memoryBytes > 0)
    }

    @Test func `an hour is kept, and a reader who comes back gets what is new`() throws {
        for _ in 0..<Monitor.samplesMax + 3 { step() }
        let all = monitor.history(after: nil)
        #expect(all.count == Monitor.samplesMax)
        let last = try #require(all.last?.at)
        #expect(last == time.wall.now() && monitor.history(after: last).isEmpty)
        step()
        #expect(monitor.history(after: last).map(\.at) == [time.wall.now()])
    }

    @Test func `rates are of the last minute, or of all the time there was`() {
        let reads = Counter(label: MetricName.reads, factory: registry)
        #expect(monitor.ratesOfLastMinute() == ActivityRates())
        reads.increment(by: 20)
        time.pass(2)
        #expect(monitor.ratesOfLastMinute().reads == 10)
        for _ in 0..<13 { step() }
        #expect(monitor.ratesOfLastMinute().reads == 0)
        reads.increment(by: 120)
        for _ in 0..<2 { step() }
        #expect((2...2.5).contains(monitor.ratesOfLastMinute().reads))
    }

    @Test func `the process and the version are told`() throws {
        time.pass(7)
        let told = try Exposition(String(buffer: monitor.exposition()))
        #expect(told.value(MetricName.uptime) == 7)
        #expect(told.value(MetricName.buildInfo, ["version": "1.2"]) == 1)
        for name in [MetricName.residentMemory, MetricName.virtualMemory, MetricName.openFiles, MetricName.filesMax] {
            #expect(try #require(told.value(name)) > 0, "\(name)")
        }
        #expect(try #require(told.value(MetricName.processorTime)) >= 0)
        #expect(told.value(MetricName.startTime) == 1_767_225_600)
    }
}
