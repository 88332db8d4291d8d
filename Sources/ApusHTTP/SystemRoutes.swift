import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// What the server says about itself.
enum SystemRoutes {
    static let all: [Route] = [
        Route(method: .GET, pattern: "/", access: .everyone, handle: welcome),
        Route(method: .GET, pattern: RealtimePath.long, access: .everyone, handle: welcome),
        Route(method: .GET, pattern: "/health", access: .everyone, handle: health),
    ]

    /// What a browser or `curl` sees where WebSocket clients connect.
    private static func welcome(_ exchange: Exchange) throws(ApusError) {
        exchange.reply(
            .json { body in
                body.writeStaticString("{\"name\":\"apus\",\"version\":")
                body.writeJSON(exchange.context.settings.version)
                body.writeStaticString(
                    ",\"realtime\":\"connect here with WebSocket and a token\",\"health\":\"/health\"}")
            })
    }

    private static func health(_ exchange: Exchange) throws(ApusError) {
        exchange.service.health(
            then: exchange.answer { report, exchange in
                let uptime = exchange.service.now().seconds - report.startedAt.seconds
                return .json(report.fault == nil ? .ok : .serviceUnavailable) { body in
                    body.writeStaticString("{\"status\":")
                    body.writeJSON(report.fault == nil ? "ok" : "storage-unavailable")
                    body.writeStaticString(",\"version\":")
                    body.writeJSON(exchange.context.settings.version)
                    body.writeStaticString(",\"uptime_seconds\":")
                    body.writeDecimal(max(0, uptime))
                    body.writeStaticString(",\"storage\":{\"backend\":")
                    body.writeJSON(report.storage.name)
                    body.writeStaticString(",\"durability\":")
                    body.writeJSON(report.storage.durability.rawValue)
                    body.writeStaticString(",\"schema_version\":")
                    body.writeDecimal(Int64(report.storage.schemaVersion))
                    body.writeStaticString(",\"epoch\":")
                    body.writeJSON(report.storage.epoch.text)
                    body.writeStaticString(",\"bytes\":")
                    body.writeDecimal(Int64(report.storageBytes))
                    body.writeStaticString("},\"connections\":")
                    body.writeDecimal(Int64(exchange.context.hub.connectionCount))
                    body.writeStaticString(",\"sockets\":")
                    body.writeDecimal(Int64(exchange.context.hub.socketCount))
                    body.writeStaticString("}")
                }
            })
    }
}

/// Where WebSocket clients connect.
enum RealtimePath {
    static let long = "/v1/realtime"

    static func isRealtime(_ target: RequestTarget) -> Bool {
        target.segments.isEmpty || target.segments == ["v1", "realtime"]
    }
}
