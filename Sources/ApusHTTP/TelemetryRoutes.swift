import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// What the server has been doing, for the operator.
enum TelemetryRoutes {
    /// - Parameter arePublic: whether anybody may read the metrics.
    static func all(arePublic: Bool) -> [Route] {
        [
            Route(method: .GET, pattern: "/metrics", access: arePublic ? .everyone : .administrator, handle: metrics),
            Route(method: .GET, pattern: "/v1/admin/history", access: .administrator, handle: history),
        ]
    }

    /// https://prometheus.io/docs/instrumenting/exposition_formats/#basic-info
    private static let metricsType = "text/plain; version=0.0.4; charset=utf-8"

    private static func metrics(_ exchange: Exchange) throws(ApusError) {
        let telemetry = exchange.context.settings.telemetry
        exchange.answerAside { () throws(ApusError) in
            HTTPReply(status: .ok, contentType: metricsType, body: telemetry.exposition())
        }
    }

    private static func history(_ exchange: Exchange) throws(ApusError) {
        let after = try exchange.time("after")
        let telemetry = exchange.context.settings.telemetry
        let now = exchange.service.now()
        exchange.answerAside { () throws(ApusError) in
            .json { body in
                body.writeStaticString("{\"step_seconds\":")
                body.writeDecimal(telemetry.stepSeconds)
                body.writeStaticString(",\"server_time\":")
                body.writeTime(now)
                body.writeStaticString(",\"samples\":")
                body.writeJSONArray(telemetry.history(after: after)) { body, sample in body.writeSample(sample) }
                body.writeStaticString("}")
            }
        }
    }
}

extension Exchange {
    /// Answers with what `body` makes beside the event loop, for what takes its time.
    func answerAside(_ body: @escaping @Sendable () throws(ApusError) -> HTTPReply) {
        let answer = answer(awaiting: { () async throws(ApusError) in try body() })
        answer(.success(()))
    }
}

extension ByteBuffer {
    fileprivate mutating func writeSample(_ sample: TelemetrySample) {
        writeStaticString("{\"at\":")
        writeTime(sample.at)
        let rates = sample.rates
        for (name, rate) in [("writes", rates.writes), ("reads", rates.reads), ("deliveries", rates.deliveries)] {
            writeMember(name, rate)
        }
        writeMember("latency_p50_ms", sample.latencyMedianMilliseconds)
        writeMember("latency_p99_ms", sample.latencyP99Milliseconds)
        for (name, figure) in [
            ("connections", sample.connections), ("sockets", sample.sockets), ("memory_bytes", sample.memoryBytes),
            ("disk_bytes", sample.diskBytes),
        ] {
            writeString(",\"\(name)\":")
            writeDecimal(Int64(figure))
        }
        writeStaticString("}")
    }

    private mutating func writeMember(_ name: String, _ number: Double?) {
        writeString(",\"\(name)\":")
        writeThousandths(number)
    }
}
