import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

/// The settings in force, for the operator. No secret is told: it never comes as far as here.
enum SettingRoutes {
    static let all: [Route] = [
        Route(method: .GET, pattern: "/v1/admin/settings", access: .administrator) { exchange throws(ApusError) in
            exchange.reply(
                .json { body in
                    body.writeStaticString("{\"data\":")
                    body.writeJSONArray(exchange.context.settings.inForce) { body, setting in body.writeSetting(setting)
                    }
                    body.writeStaticString("}")
                })
        }
    ]
}

extension ByteBuffer {
    fileprivate mutating func writeSetting(_ setting: SettingInForce) {
        writeStaticString("{\"name\":")
        writeJSON(setting.name)
        writeStaticString(",\"value\":")
        writeJSON(setting.value)
        writeStaticString(",\"source\":")
        writeJSON(setting.source.rawValue)
        writeStaticString(setting.isSecret ? ",\"secret\":true" : ",\"secret\":false")
        writeStaticString(setting.isSet ? ",\"set\":true}" : ",\"set\":false}")
    }
}
