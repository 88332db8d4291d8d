import ApusCore
import Metrics
import NIOCore
import Testing

@testable import ApusTelemetry
@testable import ServerTests

@Suite struct RegistryTests {
    let registry = MetricsRegistry()

    func told() throws -> Exposition {
        var text = ByteBuffer()
        MetricText.write(registry, to: &text)
        return try Exposition(String(buffer: text))
    }

    @Test func `what several have counted under one name and labels is one series`() throws {
        let counters = (0..<3).map { _ in
            Counter(label: MetricName.writes, dimensions: [("a", "1")], factory: registry)
        }
        for counter in counters { counter.increment(by: 2) }
        Counter(label: MetricName.writes, dimensions: [("a", "2")], factory: registry).increment()
        let told = try told()
        #expect(told.value(MetricName.writes, ["a": "1"]) == 6 && told.value(MetricName.writes, ["a": "2"]) == 1)
        #expect(told.families[MetricName.writes]?.type == "counter")
        #expect(registry.total(of: MetricName.writes) == 7)
    }

    @Test func `nothing is lost when many threads count at once`() async throws {
        let counter = Counter(label: MetricName.reads, factory: registry)
        let meter = Meter(label: MetricName.connections, factory: registry)
        let timer = Timer(label: MetricName.requestDuration, factory: registry)
        await withTaskGroup { group in
            for _ in 0..<4 {
                group.addTask {
                    for turn in 0..<10_000 {
                        counter.increment()
                        meter.increment()
                        timer.recordNanoseconds(Int64(turn))
                    }
                }
            }
        }
        let told = try told()
        #expect(told.value(MetricName.reads) == 40_000 && told.value(MetricName.connections) == 40_000)
        #expect(told.value(MetricName.requestDuration + "_count") == 40_000)
    }

    @Test func `a gauge of the same name is the same gauge, and goes down too`() throws {
        let meters = (0..<2).map { _ in Meter(label: MetricName.webSockets, factory: registry) }
        meters[0].increment()
        meters[1].increment()
        meters[1].decrement()
        #expect(try told().value(MetricName.webSockets) == 1)
        meters[0].set(7)
        #expect(try told().value(MetricName.webSockets) == 7)
    }

    @Test func `durations are told in seconds, each in the classes that hold it`() throws {
        let timer = Timer(label: MetricName.requestDuration, dimensions: [("route", "/")], factory: registry)
        for nanoseconds: Int64 in [100_000, 100_001, 3_000_000, 20_000_000_000] {
            timer.recordNanoseconds(nanoseconds)
        }
        let told = try told()
        func below(_ bound: String) -> Double? {
            told.value(MetricName.requestDuration + "_bucket", ["route": "/", "le": bound])
        }
        #expect(below("0.0001") == 1 && below("0.00025") == 2 && below("0.005") == 3 && below("10") == 3)
        #expect(below("+Inf") == 4)
        #expect(told.value(MetricName.requestDuration + "_sum", ["route": "/"]) == 20.003200001)
    }

    @Test func `labels and help may hold anything, and names are made such that they can be read`() throws {
        let odd = "a\\b\"c\nd é"
        Counter(label: "9.odd-name", dimensions: [("le-vel", odd)], factory: registry).increment()
        FloatingPointCounter(label: "parts", factory: registry).increment(by: 0.5)
        Gauge(label: "level", factory: registry).record(-0.25)
        Recorder(label: "sizes", factory: registry).record(3)
        let told = try told()
        #expect(told.value("_9_odd_name", ["le_vel": odd]) == 1)
        #expect(told.value("parts") == 0.5 && told.value("level") == -0.25)
        #expect(told.value("sizes_count") == 1 && told.value("sizes_sum") == 3)
    }

    @Test func `a name cannot be a counter here and a gauge there, nor have endless series`() throws {
        Counter(label: "twofold", factory: registry).increment()
        Meter(label: "twofold", factory: registry).set(9)
        #expect(try told().value("twofold") == 1)
        for number in 0...MetricsRegistry.seriesMax {
            Counter(label: "many", dimensions: [("n", "\(number)")], factory: registry).increment()
        }
        #expect(try told().total("many") == Double(MetricsRegistry.seriesMax))
    }

    @Test(arguments: [(1.0, "1"), (0.5, "0.5"), (1e300, "1e+300"), (.infinity, "+Inf"), (-.infinity, "-Inf")])
    func `numbers are written as other programs read them`(number: Double, text: String) {
        #expect(MetricText.number(number) == text)
        #expect(MetricText.number(.nan) == "NaN")
    }

    @Test func `a quantile lies within the class where it is`() throws {
        var distribution = Distribution(bounds: [10, 20, 40])
        #expect(distribution.quantile(0.5) == nil)
        distribution.counts = [0, 10, 0, 0]
        #expect(distribution.quantile(0.5) == 15 && distribution.quantile(0) == 10 && distribution.quantile(1) == 20)
        distribution.counts = [50, 0, 49, 1]
        #expect(distribution.quantile(0.5) == 10)
        #expect(distribution.quantile(0.99) == 40 && distribution.quantile(1) == 40)
        #expect(try #require(distribution.quantile(0.75)) > 20)
    }
}
