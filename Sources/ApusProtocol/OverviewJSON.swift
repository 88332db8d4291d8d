public import ApusCore
public import NIOCore

/// Connections of a transport, counted by it.
public struct ConnectionCounts: Sendable {
    /// WebSocket.
    public var sockets: Int
    /// Server-Sent Events.
    public var streams: Int
    /// All of them, those that only ask and are answered, too.
    public var connections: Int

    public init(sockets: Int, streams: Int, connections: Int) {
        self.sockets = sockets
        self.streams = streams
        self.connections = connections
    }
}

extension ByteBuffer {
    /// Appends what an administrator sees at a glance.
    public mutating func writeOverview(
        _ overview: Overview, _ counts: ConnectionCounts, _ rates: ActivityRates
    ) {
        let totals = overview.totals
        var isFirst = true
        for (name, count) in [
            ("users", totals.users), ("records", totals.records), ("tombstones", totals.tombstones),
            ("devices", totals.devices), ("tokens_revoked", totals.revocations), ("sockets", counts.sockets),
            ("streams", counts.streams), ("connections", counts.connections),
        ] {
            writeStaticString(isFirst ? "{" : ",")
            isFirst = false
            writeJSON(name)
            writeStaticString(":")
            writeDecimal(Int64(count))
        }
        writeStaticString(",\"storage\":{\"backend\":")
        writeJSON(overview.storage.name)
        writeStaticString(",\"bytes\":")
        writeDecimal(Int64(overview.storageBytes))
        writeStaticString(",\"durability\":")
        writeJSON(overview.storage.durability.rawValue)
        writeStaticString("},\"rates\":{\"writes_per_second\":")
        writeThousandths(rates.writes)
        writeStaticString(",\"reads_per_second\":")
        writeThousandths(rates.reads)
        writeStaticString(",\"deliveries_per_second\":")
        writeThousandths(rates.deliveries)
        writeStaticString("},\"changes\":")
        writeJSONArray(overview.changes) { $0.writeNotice($1) }
        writeStaticString(",\"audit\":")
        writeJSONArray(overview.audit) { $0.writeAuditEntry($1) }
        writeStaticString("}")
    }

    /// Appends a figure to a thousandth, which is more than is known; `null` for none.
    public mutating func writeThousandths(_ figure: Double?) {
        guard let figure, figure.isFinite else {
            writeStaticString("null")
            return
        }
        writeString("\((figure * 1000).rounded() / 1000)")
    }

    private mutating func writeNotice(_ change: ChangeNotice) {
        writeStaticString(change.isDeletion ? "{\"type\":\"data.deleted\"," : "{\"type\":\"data.updated\",")
        writeAddress(change.address)
        writeStaticString(",\"seq\":")
        writeDecimal(change.sequence.rawValue)
        writeStaticString(",\"at\":")
        writeTime(change.committedAt)
        writeStaticString("}")
    }

    /// Appends an owner and how far its history goes.
    public mutating func writeOwner(_ entry: OwnerEntry) {
        let hasChanged = entry.state.lastSequence > .zero
        writeStaticString("{\"user_id\":")
        writeJSON(entry.owner.text)
        writeStaticString(",\"seq\":")
        writeDecimal(entry.state.lastSequence.rawValue)
        writeStaticString(",\"last_change_at\":")
        writeTime(hasChanged ? entry.state.lastCommittedAt : nil)
        writeStaticString("}")
    }
}
