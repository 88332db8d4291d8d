import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// Brings a deleted record back, for the administrator.
enum UndeleteRoute {
    static let all: [Route] = [
        Route(
            method: .POST, pattern: "/v1/admin/data/{owner}/{collection}/{key}/undelete", access: .administrator,
            handle: undelete)
    ]

    private static func undelete(_ exchange: Exchange) throws(ApusError) {
        exchange.service.undelete(
            try exchange.recordAddress(), origin: exchange.origin,
            then: exchange.answer { record, _ in
                var reply = HTTPReply.json { body in
                    body.writeStaticString("{\"applied\":true,\"data\":")
                    body.writeRecord(record)
                    body.writeStaticString("}")
                }
                reply.headers.append(("ETag", Exchange.tag(record.sequence)))
                return reply
            })
    }
}
