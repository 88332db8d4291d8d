import ApusCore
import NIOHTTP1

/// Changes over Server-Sent Events, for clients without WebSocket.
enum StreamRoutes {
    static let all: [Route] = [
        Route(pattern: "/v1/stream/{user}") { exchange throws(ApusError) in
            try StreamOpening(exchange.target, exchange.head.headers)
        }
    ]
}
