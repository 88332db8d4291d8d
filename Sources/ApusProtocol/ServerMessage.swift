public import ApusCore
public import NIOCore

/// What the server says to a subscriber, as JSON text.
public enum ServerMessage: Sendable {
    case hello(Hello)
    case event(Change)
    case presence(PresenceChange)
    /// Everything up to here has been sent; live events follow. `id` is that of the subscription it belongs to.
    case current(SequenceNumber, id: JSONText?)
    /// The position asked for cannot be served; a snapshot follows.
    case reset(ResetReason, id: JSONText?)
    /// The token ends soon; another one keeps the socket open.
    case expiring(Timestamp)
    case acknowledged(Acknowledgement, id: JSONText?)
    case error(ApusError, id: JSONText?, requestID: String)
}

public struct Hello: Sendable {
    public var user: OwnerID
    public var epoch: Epoch
    /// The user's last change.
    public var sequence: SequenceNumber
    public var time: Timestamp
    public var heartbeatMilliseconds: Int64
    /// Whether live events follow at once, so that `sequence` is the place to resume from.
    public var isCurrent: Bool

    public init(
        user: OwnerID, epoch: Epoch, sequence: SequenceNumber, time: Timestamp, heartbeatMilliseconds: Int64,
        isCurrent: Bool
    ) {
        self.user = user
        self.epoch = epoch
        self.sequence = sequence
        self.time = time
        self.heartbeatMilliseconds = heartbeatMilliseconds
        self.isCurrent = isCurrent
    }
}

public enum ResetReason: String, Sendable {
    case purged
    case future
    case otherEpoch = "other-epoch"
}

/// What an `ack` says besides that.
public enum Acknowledgement: Sendable {
    case plain
    /// A change of scope has taken effect after this change: what comes later is of the new scopes.
    case streaming(after: SequenceNumber)
    /// The socket's token ends then.
    case renewed(until: Timestamp)
    /// The members of what REST would have answered, a JSON object.
    case answer(ByteBuffer)
}

extension ServerMessage {
    /// The `type` member.
    var type: StaticString {
        switch self {
        case .hello: "hello"
        case .event(let change): change.record.isTombstone ? "data.deleted" : "data.updated"
        case .presence(let change): change.isOnline ? "presence.online" : "presence.offline"
        case .current: "current"
        case .reset: "reset"
        case .expiring: "auth.expiring"
        case .acknowledged: "ack"
        case .error: "error"
        }
    }

    /// Where a subscriber that has heard this may go on; `nil` if it says nothing about that.
    var position: SequenceNumber? {
        switch self {
        case .hello(let hello): hello.isCurrent ? hello.sequence : nil
        case .event(let change): change.record.sequence
        case .current(let sequence, _): sequence
        case .presence, .reset, .expiring, .acknowledged, .error: nil
        }
    }
}

extension ByteBuffer {
    public mutating func writeMessage(_ message: ServerMessage) {
        writeStaticString("{\"type\":\"")
        writeStaticString(message.type)
        writeStaticString("\"")
        switch message {
        case .hello(let hello): write(hello)
        case .event(let change): write(change)
        case .presence(let change): write(change)
        case .current(let sequence, let id):
            writeID(id)
            writeSequence(sequence)
        case .reset(let reason, let id):
            writeID(id)
            writeStaticString(",\"reason\":")
            writeJSON(reason.rawValue)
        case .expiring(let time):
            writeStaticString(",\"expires_at\":")
            writeTime(time)
        case .acknowledged(let acknowledgement, let id):
            writeID(id)
            write(acknowledgement)
        case .error(let error, let id, let requestID):
            writeID(id)
            writeStaticString(",\"error\":")
            writeProblem(error, requestID: requestID)
        }
        writeStaticString("}")
    }

    private mutating func write(_ hello: Hello) {
        writeStaticString(",\"user_id\":")
        writeJSON(hello.user.text)
        writeStaticString(",\"epoch\":")
        writeJSON(hello.epoch.text)
        writeSequence(hello.sequence)
        writeStaticString(",\"server_time\":")
        writeTime(hello.time)
        writeStaticString(",\"heartbeat_ms\":")
        writeDecimal(hello.heartbeatMilliseconds)
    }

    private mutating func write(_ change: Change) {
        let record = change.record
        writeSequence(record.sequence)
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
        writeSequence(record.sequence)
        writeStaticString("}")
    }

    private mutating func write(_ change: PresenceChange) {
        writeStaticString(",\"data\":{\"user_id\":")
        writeJSON(change.owner.text)
        writeStaticString(",\"device_id\":")
        writeJSON(change.device.text)
        writeStaticString(",\"at\":")
        writeTime(change.at)
        writeStaticString("}")
    }

    private mutating func write(_ acknowledgement: Acknowledgement) {
        switch acknowledgement {
        case .plain: break
        case .streaming(let sequence): writeSequence(sequence)
        case .renewed(let time):
            writeStaticString(",\"expires_at\":")
            writeTime(time)
        case .answer(let object):
            // Its braces are the frame's own.
            writeStaticString(",")
            writeImmutableBuffer(object.slice(1..<object.readableBytes - 1))
        }
    }

    private mutating func writeSequence(_ sequence: SequenceNumber) {
        writeStaticString(",\"seq\":")
        writeDecimal(sequence.rawValue)
    }

    private mutating func writeID(_ id: JSONText?) {
        guard let id else { return }
        writeStaticString(",\"id\":")
        writeImmutableBuffer(id.bytes)
    }
}
