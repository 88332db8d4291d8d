/// Every bound a client can meet, in one value; the defaults are the contract's.
public struct Limits: Sendable {
    public var bodyBytesMax = 16 << 20
    /// All request bodies being received at once, over all connections.
    public var bodiesBytesMax = 512 << 20
    /// Those of one client address, an IPv6 address standing for its /64; the loopback has no share of its own.
    public var bodiesBytesPerAddressMax = 256 << 20
    /// Those of one token's user.
    public var bodiesBytesPerUserMax = 128 << 20
    /// A body that its request has no use for is passed over up to here; beyond, the connection is closed.
    public var uselessBodyBytesMax = 16 << 10
    public var valueBytesMax = 1 << 20
    public var valueDepthMax = 128
    public var bulkItemsMax = 10_000
    /// So many items of a bulk count as one request more.
    public var bulkItemsPerRequest = 100
    public var pageRecordsMax = 1000
    public var pageRecordsDefault = 100
    /// A page ends early at this many bytes of values, so that 1,000 records of 1 MiB are never held at once.
    public var pageBytesMax = 2 << 20
    public var headersMax = 256
    public var headerBytesMax = 16 << 10
    public var urlBytesMax = 8 << 10
    public var messageBytesMax = 1 << 20
    public var idempotencyKeyBytesMax = 128
    /// Bytes of events a socket's client may have left untaken before it counts as slow.
    public var socketBufferBytesMax = 1 << 20
    /// Bytes of events one event loop keeps for sockets that are behind, over all owners.
    public var feedBytesMax = 256 << 20
    /// Bytes of stored values that one request may have compared or answered, and one transaction may hold.
    public var storedBytesMax = 32 << 20
    /// Members of one JSON object of ours, the unknown ones that are passed over included.
    public var membersMax = 64
    /// Commands waiting for the committer.
    public var commandsWaitingMax = 16_384
    /// Bytes of values waiting for the committer.
    public var commandBytesWaitingMax = 256 << 20
    /// Reads waiting for a reader.
    public var readsWaitingMax = 16_384
    /// A body up to this size takes nothing of the room that bodies share.
    public var smallBodyBytesMax = 16 << 10
    /// Exports under way; each has a thread and a reader of the storage, and keeps what is replaced meanwhile.
    public var exportsAtOnceMax = 2
    /// From the begin of an export to its end.
    public var exportSecondsMax: Int64 = 3600
    /// A client may take nothing of an export for so long.
    public var exportPauseSecondsMax: Int64 = 30
    /// Bytes of values that an export reads at once.
    public var exportPageBytesMax = 256 << 10
    /// Changes, and audit entries, of an overview.
    public var overviewRowsMax = 50
    public var connectionsMax = 20_000
    /// Connections of one address, an IPv6 address standing for its /64; not those of a trusted proxy or the loopback.
    public var connectionsPerAddressMax = 5_000
    /// Sockets and event streams.
    public var socketsPerUserMax = 10_000
    /// Scopes that one socket subscribes to, and changes of them that wait.
    public var scopesPerSocketMax = 64
    /// Frames of one socket that are being answered; the next ones are not read until then.
    public var framesUnderWayMax = 16
    public var subscriptionIDBytesMax = 1024
    /// From the first byte of a WebSocket message to its last.
    public var messageSecondsMax: Int64 = 300
    public var devicesPerUserMax = 1000
    public var deviceNameBytesMax = 256
    public var devicePlatformBytesMax = 64
    /// A device whose last connection has ended may come back unnoticed for so long.
    public var presenceGraceSeconds: Int64 = 5
    /// What is stored of a device that stays online is at most so old.
    public var sightingSecondsMax: Int64 = 60
    /// Sightings of devices written in one commit.
    public var sightingsAtOnceMax = 500
    /// Sightings waiting to be written; what comes beyond is not stored.
    public var sightingsWaitingMax = 20_000
    /// A client's clock may run ahead of ours by this much.
    public var clockSkewMilliseconds: Int64 = 60_000
    public var tokenLeewaySeconds: Int64 = 30
    public var idempotencyLifeSeconds: Int64 = 86_400
    public var ttlSecondsMax: Int64 = 315_360_000
    /// Until TLS is agreed upon.
    public var handshakeSecondsMax: Int64 = 10
    /// From the first byte of a request to the end of its headers.
    public var headSecondsMax: Int64 = 10
    /// Seconds of a request in which less than 1 KiB of it came.
    public var requestSecondsMax: Int64 = 30
    public var bodySecondsMax: Int64 = 300
    public var idleSecondsMax: Int64 = 75
    /// A new connection may be silent for so long.
    public var newConnectionSecondsMax: Int64 = 30
    /// Bytes that come after the last answer are dropped for so long before the connection is cut.
    public var lingerSecondsMax: Int64 = 30
    public var heartbeatSeconds: Int64 = 25
    public var silenceSecondsMax: Int64 = 60

    public init() {}
}
