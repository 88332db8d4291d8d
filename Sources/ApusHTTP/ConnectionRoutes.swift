import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// The open sockets and streams, for the operator.
enum ConnectionRoutes {
    static let all: [Route] = [
        Route(method: .GET, pattern: "/v1/admin/connections", access: .administrator, handle: list),
        Route(method: .DELETE, pattern: "/v1/admin/connections/{id}", access: .administrator, handle: close),
    ]

    /// What the client is told of it.
    private static let reason = "closed by the administrator"

    private static func list(_ exchange: Exchange) throws(ApusError) {
        let answer: @Sendable (([ConnectionGlance], Int), Exchange) -> Void = { found, exchange in
            let (slowest, total) = found
            exchange.reply(
                .json { body in
                    body.writeStaticString("{\"data\":")
                    body.writeJSONArray(slowest) { body, glance in body.writeConnection(glance) }
                    body.writeStaticString(",\"total\":")
                    body.writeDecimal(Int64(total))
                    body.writeStaticString("}")
                })
        }
        let back = exchange.back(answer)
        ConnectionSurvey.start(over: exchange.context.hub.lanes) { back(($0, $1)) }
    }

    private static func close(_ exchange: Exchange) throws(ApusError) {
        guard let id = ConnectionID(exchange.parameters[0]),
            let lane = exchange.context.hub.lanes.first(where: { $0.index == id.lane })
        else { throw absent }
        let found = exchange.back { (user: OwnerID?, exchange) in
            guard let user else { return exchange.refuse(absent) }
            let entry = AuditedRead(action: "connection.close", target: "\(user)/\(id.text)")
            exchange.audit(entry) { exchange throws(ApusError) in
                let closed = exchange.back { (_: Void, exchange) in
                    exchange.reply(.json { $0.writeStaticString("{\"closed\":true}") })
                }
                lane.post {
                    lane.state.listener(id)?.close(.policyViolation, reason: reason)
                    closed(())
                }
            }
        }
        lane.post { found(lane.state.listener(id)?.user) }
    }

    private static let absent = ApusError(.notFound, "there is no such connection")
}

extension Exchange {
    /// Brings what another thread found back to the event loop.
    func back<Found: Sendable>(
        _ body: @escaping @Sendable (Found, Exchange) -> Void
    ) -> @Sendable (Found) -> Void {
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        return { [lane] found in
            lane.post { body(found, bound.value) }
        }
    }
}

extension ByteBuffer {
    fileprivate mutating func writeConnection(_ glance: ConnectionGlance) {
        writeStaticString("{\"id\":")
        writeJSON(glance.id.text)
        switch glance.wire {
        case .frames: writeStaticString(",\"kind\":\"websocket\",\"user_id\":")
        case .events: writeStaticString(",\"kind\":\"stream\",\"user_id\":")
        }
        writeJSON(glance.user.text)
        writeStaticString(",\"device_id\":")
        writeJSON(glance.device?.text)
        writeStaticString(",\"address\":")
        writeJSON(glance.address)
        writeStaticString(",\"opened_at\":")
        writeTime(glance.openedAt)
        writeStaticString(",\"seq\":")
        writeDecimal(glance.position.rawValue)
        writeStaticString(",\"lag\":")
        writeDecimal(glance.delay.changes)
        writeStaticString(",\"buffered_bytes\":")
        writeDecimal(Int64(glance.delay.bytes))
        writeStaticString("}")
    }
}
