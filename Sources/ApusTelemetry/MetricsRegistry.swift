import ApusCore
public import Metrics
import Synchronization

/// What is counted in one server, by name and labels.
///
/// Whoever asks for a counter or a timer gets a cell that nobody else adds to: event loops that count the same thing do
/// not wait for each other's caches, and a reader sums up. Gauges of the same name and labels are one.
///
/// It is handed to those who count and is never made the process's own: several servers live in one process.
public final class MetricsRegistry: MetricsFactory {
    private let families: Mutex<[String: MetricFamily]> = Mutex([:])

    /// Series of one name. Whoever wants more counts for nobody.
    static let seriesMax = 4096

    public init() {}

    /// Has `read` asked for the value whenever someone wants to know it.
    ///
    /// - Parameter kind: whether the value only grows.
    public func observe(
        _ label: String, _ kind: ObservedKind = .gauge, dimensions: [(String, String)] = [],
        _ read: @escaping @Sendable () -> Double
    ) {
        change(label, dimensions, kind == .gauge ? .gauge : .counter) { $0.observed = read }
    }

    public enum ObservedKind: Sendable {
        case counter
        case gauge
    }

    /// Everything of that name, all labels together; 0 if there is nothing.
    func total(of name: String) -> Double {
        series(of: name).reduce(0) { $0 + $1.value }
    }

    /// The values of that name, all labels together.
    func distribution(of name: String) -> Distribution {
        let bounds = MetricDefinition.known[name]?.bounds ?? []
        var distribution = Distribution(bounds: bounds)
        for series in series(of: name) { distribution.add(series.distribution(bounds: bounds)) }
        return distribution
    }

    /// Everything that is counted, by name.
    func snapshot() -> [(name: String, family: MetricFamily)] {
        families.withLock { $0 }.map { ($0.key, $0.value) }.sorted { $0.name < $1.name }
    }

    private func series(of name: String) -> [MetricSeries] {
        families.withLock { families in families[name].map { Array($0.series.values) } ?? [] }
    }

    private func change(
        _ label: String, _ dimensions: [(String, String)], _ kind: MetricFamily.Kind,
        _ body: (inout MetricSeries) -> Void
    ) {
        let name = MetricText.name(label)
        let labels = MetricLabels(dimensions)
        families.withLock { families in
            if let family = families[name] {
                guard family.kind == kind, family.series[labels] != nil || family.series.count < Self.seriesMax else {
                    return
                }
            }
            let definition = MetricDefinition.known[name] ?? .unknown
            body(
                &families[name, default: MetricFamily(kind: kind, definition: definition)]
                    .series[labels, default: MetricSeries()])
        }
    }
}

// MARK: - What swift-metrics asks

extension MetricsRegistry {
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        let cell = CounterCell()
        change(label, dimensions, .counter) { $0.counters.append(cell) }
        return cell
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        fraction(label, dimensions, .counter)
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        fraction(label, dimensions, .gauge)
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate
            ? histogram(label, dimensions, .histogram(unitsPerBase: 1)) : fraction(label, dimensions, .gauge)
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        histogram(label, dimensions, .histogram(unitsPerBase: 1_000_000_000))
    }

    private func fraction(
        _ label: String, _ dimensions: [(String, String)], _ kind: MetricFamily.Kind
    ) -> FractionCell {
        let fresh = FractionCell()
        var cell = fresh
        change(label, dimensions, kind) { series in
            cell = series.fraction ?? fresh
            series.fraction = cell
        }
        return cell
    }

    private func histogram(
        _ label: String, _ dimensions: [(String, String)], _ kind: MetricFamily.Kind
    ) -> HistogramCell {
        let definition = MetricDefinition.known[MetricText.name(label)] ?? .unknown
        let cell = HistogramCell(bounds: definition.bounds)
        change(label, dimensions, kind) { $0.histograms.append(cell) }
        return cell
    }

    // What was counted stays counted: a total must not fall.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}
}

/// All series of one name.
struct MetricFamily: Sendable {
    enum Kind: Hashable, Sendable {
        case counter
        case gauge
        /// `unitsPerBase`: what is counted is told divided by this: seconds are told and nanoseconds counted.
        case histogram(unitsPerBase: Int64)
    }

    let kind: Kind
    let definition: MetricDefinition
    var series: [MetricLabels: MetricSeries] = [:]
}

/// Labels in order of their names.
struct MetricLabels: Hashable, Sendable, Comparable {
    struct Label: Hashable, Sendable, Comparable {
        var name: String
        var value: String

        static func < (left: Label, right: Label) -> Bool { (left.name, left.value) < (right.name, right.value) }
    }

    let labels: [Label]

    init(_ dimensions: [(String, String)]) {
        labels = dimensions.map { Label(name: MetricText.labelName($0.0), value: $0.1) }.sorted()
    }

    static func < (left: MetricLabels, right: MetricLabels) -> Bool {
        left.labels.lexicographicallyPrecedes(right.labels)
    }
}

/// The cells of one name and set of labels.
struct MetricSeries: Sendable {
    fileprivate(set) var counters: [CounterCell] = []
    fileprivate(set) var fraction: FractionCell?
    fileprivate(set) var histograms: [HistogramCell] = []
    fileprivate(set) var observed: (@Sendable () -> Double)?

    var value: Double {
        let counted = counters.reduce(0) { $0 &+ $1.value }
        return Double(counted) + (fraction?.value ?? 0) + (observed?() ?? 0)
    }

    func distribution(bounds: [Int64]) -> Distribution {
        var distribution = Distribution(bounds: bounds)
        for cell in histograms { distribution.add(cell.reading) }
        return distribution
    }
}
