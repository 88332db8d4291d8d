import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// Who is online, for the operator.
enum OnlineDeviceRoutes {
    static let all: [Route] = [
        Route(method: .GET, pattern: "/v1/admin/devices", access: .administrator, handle: list)
    ]

    private static let countMax = 1000

    private static func list(_ exchange: Exchange) throws(ApusError) {
        guard try exchange.target.parameter("online") == "true" else {
            throw ApusError(.badParameter, "only devices that are online are listed here: online=true")
        }
        exchange.service.onlineDevices(
            limit: countMax,
            then: exchange.answer { devices, _ in
                .json { body in
                    body.writeStaticString("{\"data\":")
                    body.writeJSONArray(devices) { body, device in body.writeDevice(device) }
                    body.writeStaticString("}")
                }
            })
    }
}
