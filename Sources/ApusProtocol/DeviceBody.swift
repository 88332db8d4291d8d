public import ApusCore
public import NIOCore

/// `POST /v1/devices/register` `{"user_id","device_id","name"?,"platform"?}`
///
/// `name` and `platform` that are not there stay as they are; `null` takes them away.
public struct DeviceBody: Sendable {
    public var address: DeviceAddress
    public var name = DeviceRegistration.Label.kept
    public var platform = DeviceRegistration.Label.kept

    /// - Throws: `malformed-json`, `invalid-field`.
    public init(_ body: ByteBuffer, limits: Limits) throws(ApusError) {
        let text = body.readableBytesUInt8Span
        var scanner = JSONScanner(depthMax: limits.valueDepthMax)
        try WriteBody.requireObject(&scanner, text)
        var reader = EnvelopeReader(body: body, limits: limits)
        var (owner, id): (OwnerID?, DeviceID?)
        try scanner.beginObject(in: text)
        while let member = try scanner.nextMember(in: text) {
            try reader.enter(member)
            switch member {
            case "user_id": owner = try reader.name(member, &scanner, text)
            case "device_id": id = try reader.name(member, &scanner, text)
            case "name":
                name = try Self.label(member, bytesMax: limits.deviceNameBytesMax, &scanner, text, &reader)
            case "platform":
                platform = try Self.label(member, bytesMax: limits.devicePlatformBytesMax, &scanner, text, &reader)
            default: _ = try scanner.value(in: text)
            }
        }
        try scanner.end(in: text)
        for member in ["user_id", "device_id"] where !reader.has(member) {
            reader.fault(member, "\(member) is missing")
        }
        if let failure = reader.failure() { throw failure }
        guard let owner, let id else { throw ApusError(.invalidField, "user_id and device_id are needed") }
        address = DeviceAddress(owner: owner, id: id)
    }

    private static func label(
        _ member: String, bytesMax: Int, _ scanner: inout JSONScanner, _ text: Span<UInt8>,
        _ reader: inout EnvelopeReader
    ) throws(ApusError) -> DeviceRegistration.Label {
        guard try scanner.peek(in: text) != .null else {
            _ = try scanner.value(in: text)
            return .set(nil)
        }
        guard let label = try reader.string(member, &scanner, text) else { return .kept }
        if label.utf8.count > bytesMax { reader.fault(member, "\(member) must be at most \(bytesMax) bytes") }
        if label.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
            reader.fault(member, "\(member) must not hold control characters")
        }
        return .set(label)
    }
}
