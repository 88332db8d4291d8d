public import ApusCore
public import NIOCore

extension ByteBuffer {
    /// Appends the device in the contract's form.
    public mutating func writeDevice(_ status: DeviceStatus) {
        let device = status.device
        writeStaticString("{\"user_id\":")
        writeJSON(device.owner.text)
        writeStaticString(",\"device_id\":")
        writeJSON(device.id.text)
        writeStaticString(",\"name\":")
        writeJSON(device.name)
        writeStaticString(",\"platform\":")
        writeJSON(device.platform)
        writeStaticString(",\"registered_at\":")
        writeTime(device.registeredAt)
        writeStaticString(",\"last_seen_at\":")
        writeTime(device.lastSeenAt)
        writeStaticString(status.isOnline ? ",\"online\":true}" : ",\"online\":false}")
    }
}
