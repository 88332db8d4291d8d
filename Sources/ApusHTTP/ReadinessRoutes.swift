import ApusCore
import NIOCore
import NIOHTTP1

/// Whether to send requests here: for who spreads them over servers, or waits for a start.
enum ReadinessRoutes {
    static let all: [Route] = [
        Route(method: .GET, pattern: "/ready", access: .everyone, handle: ready)
    ]

    private static func ready(_ exchange: Exchange) throws(ApusError) {
        guard !exchange.lane.state.isDraining else { throw .stopping }
        exchange.service.health(
            then: exchange.answer { report, _ throws(ApusError) in
                if let obstacle = obstacle(in: report) { throw obstacle }
                return .json { $0.writeStaticString("{\"status\":\"ready\"}") }
            })
    }

    /// Why no write would be taken now.
    static func obstacle(in report: HealthReport) -> ApusError? {
        guard report.fault != nil else { return report.isOverloaded ? .overloaded("the write queue") : nil }
        // Without the cause, which was logged when it happened and not each time someone asks.
        var error = ApusError(.storageUnavailable, "the storage takes no writes")
        error.retryAfterSeconds = 5
        return error
    }
}
