public import ApusCore
public import NIOCore

extension ByteBuffer {
    /// Appends the user in the contract's form; no token is in it.
    public mutating func writeUser(_ user: User) {
        writeStaticString("{\"user_id\":")
        writeJSON(user.id.text)
        writeStaticString(",\"display_name\":")
        writeJSON(user.displayName)
        writeStaticString(",\"created_at\":")
        writeTime(user.createdAt)
        writeStaticString("}")
    }
}
