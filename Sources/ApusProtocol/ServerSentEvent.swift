public import ApusCore
public import NIOCore

extension ByteBuffer {
    /// Appends the message as one event of a `text/event-stream` (HTML Living Standard, section 9.2): its type as
    /// `event`, the position it leads to as `id`, and its JSON as `data`.
    ///
    /// - Parameter text: what ``writeMessage(_:)`` made of it.
    public mutating func writeServerSentEvent(_ message: ServerMessage, text: ByteBuffer) {
        writeStaticString("event: ")
        writeStaticString(message.type)
        if let position = message.position {
            writeStaticString("\nid: ")
            writeDecimal(position.rawValue)
        }
        writeStaticString("\ndata: ")
        writeLines(of: text)
        writeStaticString("\n\n")
    }

    /// Appends the change as an event without an `id`: several owners' changes have no position in common.
    public mutating func writeServerSentChange(_ change: Change) {
        let message = ServerMessage.event(change)
        var text = ByteBuffer()
        text.writeMessage(message)
        writeStaticString("event: ")
        writeStaticString(message.type)
        writeStaticString("\ndata: ")
        writeLines(of: text)
        writeStaticString("\n\n")
    }

    /// Appends an event that says how many are missing here, because they came faster than they were taken.
    public mutating func writeServerSentDropped(count: Int) {
        writeStaticString("event: dropped\ndata: {\"count\":")
        writeDecimal(Int64(count))
        writeStaticString("}\n\n")
    }

    /// A client's JSON may hold line ends between its parts, and each would end the field.
    private mutating func writeLines(of text: ByteBuffer) {
        var rest = text.readableBytesView
        while let end = rest.firstIndex(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            writeBytes(rest[..<end])
            writeStaticString("\ndata: ")
            rest = rest[rest.index(after: end)...]
        }
        writeBytes(rest)
    }

    /// Appends a comment, which clients pass over.
    public mutating func writeServerSentHeartbeat() {
        writeStaticString(":\n\n")
    }
}
