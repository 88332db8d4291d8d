import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// A user's devices over REST.
enum DeviceRoutes {
    static let all: [Route] = [
        Route(method: .POST, pattern: "/v1/devices/register", access: .user, takesBody: true, handle: register),
        Route(method: .GET, pattern: "/v1/devices/{user}", access: .user, handle: list),
        Route(method: .DELETE, pattern: "/v1/devices/{user}/{device_id}", access: .user, handle: forget),
    ]

    private static func register(_ exchange: Exchange) throws(ApusError) {
        try exchange.requireJSON()
        guard let principal = exchange.principal else { throw ApusError(.unauthenticated, "a token is needed") }
        let body = try DeviceBody(exchange.body, limits: exchange.service.limits)
        try exchange.service.authorize(principal, for: body.address.owner)
        let registration = DeviceRegistration(
            address: body.address, name: body.name, platform: body.platform, principal: principal,
            origin: exchange.origin)
        exchange.service.registerDevice(
            registration,
            then: exchange.answer { registered, _ in reply(registered.isNew ? .created : .ok, registered.status) })
    }

    private static func list(_ exchange: Exchange) throws(ApusError) {
        exchange.service.devices(
            of: try exchange.owner(),
            then: exchange.answer { devices, _ in
                .json { body in
                    body.writeStaticString("{\"data\":")
                    body.writeJSONArray(devices) { body, device in body.writeDevice(device) }
                    body.writeStaticString("}")
                }
            })
    }

    private static func forget(_ exchange: Exchange) throws(ApusError) {
        exchange.service.forgetDevice(
            try exchange.name(1), of: try exchange.owner(), origin: exchange.origin,
            then: exchange.answer { device, _ in reply(.ok, device) })
    }

    private static func reply(_ status: HTTPResponseStatus, _ device: DeviceStatus) -> HTTPReply {
        .json(status) { body in
            body.writeStaticString("{\"data\":")
            body.writeDevice(device)
            body.writeStaticString("}")
        }
    }
}
