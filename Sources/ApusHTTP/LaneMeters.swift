import ApusCore
import Metrics
import NIOCore
import NIOHTTP1

/// What one event loop counts; touched only there, so that no two loops write to the same memory.
final class LaneMeters {
    /// What is counted of one route.
    private final class RouteMeters {
        private let labels: [(String, String)]
        private let factory: any MetricsFactory
        private let duration: Timer
        /// By the first digit of the status.
        private var answers: [Counter?] = Array(repeating: nil, count: 6)

        init(_ labels: [(String, String)], _ factory: any MetricsFactory) {
            self.labels = labels
            self.factory = factory
            duration = Timer(label: MetricName.requestDuration, dimensions: labels, factory: factory)
        }

        func answered(_ status: HTTPResponseStatus, after time: TimeAmount) {
            let digit = min(5, max(1, Int(status.code / 100)))
            duration.recordNanoseconds(time.nanoseconds)
            if let counter = answers[digit] { return counter.increment() }
            let counter = Counter(
                label: MetricName.requests, dimensions: labels + [("status", "\(digit)xx")], factory: factory)
            answers[digit] = counter
            counter.increment()
        }
    }

    let connections: Meter
    private let changeTails: Meter
    private let slowConsumers: Counter
    private let webSockets: (open: Meter, deliveries: Counter)
    private let eventStreams: (open: Meter, deliveries: Counter)
    private let factory: any MetricsFactory
    /// By the routes' numbers.
    private var routes: [RouteMeters?] = []
    private var refusals: [ApusError.Code: Counter] = [:]

    init(_ factory: any MetricsFactory) {
        self.factory = factory
        connections = Meter(label: MetricName.connections, factory: factory)
        changeTails = Meter(label: MetricName.changeTails, factory: factory)
        slowConsumers = Counter(label: MetricName.slowConsumers, factory: factory)
        func deliveries(_ transport: String) -> Counter {
            Counter(label: MetricName.deliveries, dimensions: [("transport", transport)], factory: factory)
        }
        webSockets = (Meter(label: MetricName.webSockets, factory: factory), deliveries("websocket"))
        eventStreams = (Meter(label: MetricName.eventStreams, factory: factory), deliveries("stream"))
        // There from the start, so that an alarm may be set on it.
        refusals[.rateLimited] = counter(of: .rateLimited)
    }

    /// The request has its answer.
    func answered(_ exchange: Exchange, _ status: HTTPResponseStatus) {
        let number = exchange.routeNumber
        if number >= routes.count { routes += Array(repeating: nil, count: number + 1 - routes.count) }
        let meters =
            routes[number] ?? RouteMeters(number == 0 ? Self.noRoute : Self.labels(of: exchange), factory)
        routes[number] = meters
        meters.answered(status, after: NIODeadline.now() - exchange.begunAt)
    }

    /// A request or a frame was answered with an error.
    func refused(_ code: ApusError.Code) {
        let counter = refusals[code] ?? counter(of: code)
        refusals[code] = counter
        counter.increment()
    }

    func opened(_ wire: Wire) { meters(of: wire).open.increment() }

    func closed(_ wire: Wire) { meters(of: wire).open.decrement() }

    /// A subscriber is closed because its client reads too slowly.
    func closedSlow() { slowConsumers.increment() }

    func tailOpened() { changeTails.increment() }

    func tailClosed() { changeTails.decrement() }

    func delivered(_ count: Int, over wire: Wire) { meters(of: wire).deliveries.increment(by: count) }

    private func meters(of wire: Wire) -> (open: Meter, deliveries: Counter) {
        switch wire {
        case .frames: webSockets
        case .events: eventStreams
        }
    }

    private func counter(of code: ApusError.Code) -> Counter {
        Counter(label: MetricName.refusals, dimensions: [("code", code.rawValue)], factory: factory)
    }

    /// Never what a client made up: there may be no end of it.
    private static let noRoute = [("method", "other"), ("route", "none")]

    private static func labels(of exchange: Exchange) -> [(String, String)] {
        let method = exchange.head.method
        return [("method", method == .HEAD ? "GET" : method.rawValue), ("route", exchange.action)]
    }
}
