public import ApusCore
public import NIOCore

/// What the server says on a socket, as JSON text.
public enum ServerMessage: Sendable {
    case hello(user: OwnerID, epoch: Epoch, sequence: SequenceNumber, time: Timestamp, heartbeatMilliseconds: Int64)
    case event(Change)
    /// Everything up to here has been sent; live events follow.
    case current(SequenceNumber)
    /// The position asked for cannot be served; a snapshot follows.
    case reset(ResetReason)
    case acknowledged(id: JSONText?)
    case error(ApusError, id: JSONText?, requestID: String)
}

public enum ResetReason: String, Sendable {
    case purged
    case future
    case otherEpoch = "other-epoch"
}

extension ByteBuffer {
    public mutating func writeMessage(_ message: ServerMessage) {
        switch message {
        case .hello(let user, let epoch, let sequence, let time, let heartbeat):
            writeStaticString("{\"type\":\"hello\",\"user_id\":")
            writeJSON(user.text)
            writeStaticString(",\"epoch\":")
            writeJSON(epoch.text)
            writeStaticString(",\"seq\":")
            writeDecimal(sequence.rawValue)
            writeStaticString(",\"server_time\":")
            writeTime(time)
            writeStaticString(",\"heartbeat_ms\":")
            writeDecimal(heartbeat)
        case .event(let change): writeEvent(change)
        case .current(let sequence):
            writeStaticString("{\"type\":\"current\",\"seq\":")
            writeDecimal(sequence.rawValue)
        case .reset(let reason):
            writeStaticString("{\"type\":\"reset\",\"reason\":")
            writeJSON(reason.rawValue)
        case .acknowledged(let id):
            writeStaticString("{\"type\":\"ack\"")
            writeID(id)
        case .error(let error, let id, let requestID):
            writeStaticString("{\"type\":\"error\"")
            writeID(id)
            writeStaticString(",\"error\":")
            writeProblem(error, requestID: requestID)
        }
        writeStaticString("}")
    }

    private mutating func writeEvent(_ change: Change) {
        let record = change.record
        writeStaticString(
            record.isTombstone ? "{\"type\":\"data.deleted\",\"seq\":" : "{\"type\":\"data.updated\",\"seq\":")
        writeDecimal(record.sequence.rawValue)
        if change.isExpiry { writeStaticString(",\"reason\":\"expired\"") }
        writeStaticString(",\"data\":")
        guard record.isTombstone else {
            writeRecord(record)
            return
        }
        writeStaticString("{")
        writeAddress(record.address)
        writeStaticString(",\"deleted_at\":")
        writeTime(record.deletedAt)
        writeStaticString(",\"seq\":")
        writeDecimal(record.sequence.rawValue)
        writeStaticString("}")
    }

    private mutating func writeID(_ id: JSONText?) {
        guard let id else { return }
        writeStaticString(",\"id\":")
        writeImmutableBuffer(id.bytes)
    }
}
