public import NIOCore

/// What a transport may ask about what the server has been doing.
public protocol Telemetry: Sendable {
    /// How long each sample of the history covers.
    var stepSeconds: Int64 { get }

    /// The samples taken after `time`, oldest first; all that are kept, an hour of them, for `nil`.
    func history(after time: Timestamp?) -> [TelemetrySample]

    /// How much happened in the last minute, or since the start if that is not so long ago.
    func ratesOfLastMinute() -> ActivityRates

    /// Everything that is counted, in Prometheus' text format 0.0.4.
    ///
    /// Reads what the system says of this process, which may take some milliseconds: not for an event loop.
    func exposition() -> ByteBuffer
}

/// How much happens, per second.
public struct ActivityRates: Hashable, Sendable {
    /// Accepted changes.
    public var writes = 0.0
    /// Records and pages read for clients.
    public var reads = 0.0
    /// Events handed to sockets and streams.
    public var deliveries = 0.0

    public init() {}
}

/// What went on in one step of the history, and how things stood at its end.
public struct TelemetrySample: Hashable, Sendable {
    /// Its end.
    public var at: Timestamp
    public var rates: ActivityRates
    /// Half of the requests answered in it took at most so long; `nil` if there were none.
    public var latencyMedianMilliseconds: Double?
    /// 99 of 100 did.
    public var latencyP99Milliseconds: Double?
    public var connections: Int
    /// WebSockets and event streams.
    public var sockets: Int
    /// Of physical memory.
    public var memoryBytes: Int
    /// Of the database.
    public var diskBytes: Int

    public init(
        at: Timestamp, rates: ActivityRates, latencyMedianMilliseconds: Double?, latencyP99Milliseconds: Double?,
        connections: Int, sockets: Int, memoryBytes: Int, diskBytes: Int
    ) {
        self.at = at
        self.rates = rates
        self.latencyMedianMilliseconds = latencyMedianMilliseconds
        self.latencyP99Milliseconds = latencyP99Milliseconds
        self.connections = connections
        self.sockets = sockets
        self.memoryBytes = memoryBytes
        self.diskBytes = diskBytes
    }
}

/// The telemetry of a server that counts nothing.
public struct NoTelemetry: Telemetry {
    public init() {}

    public var stepSeconds: Int64 { 5 }
    public func history(after time: Timestamp?) -> [TelemetrySample] { [] }
    public func ratesOfLastMinute() -> ActivityRates { ActivityRates() }
    public func exposition() -> ByteBuffer { ByteBuffer() }
}

/// The names of what is counted: whoever counts and whoever reads must mean the same.
///
/// Names and units follow Prometheus' conventions: a base unit and, for what only grows, `_total`.
public enum MetricName {
    public static let requests = "apus_http_requests_total"
    public static let requestDuration = "apus_http_request_duration_seconds"
    public static let refusals = "apus_refusals_total"
    public static let writes = "apus_writes_total"
    public static let reads = "apus_reads_total"
    public static let deliveries = "apus_deliveries_total"
    public static let commitRequests = "apus_commit_requests"
    public static let commitDuration = "apus_commit_duration_seconds"
    public static let commitQueueLength = "apus_commit_queue_length"
    public static let connections = "apus_connections"
    public static let webSockets = "apus_websockets"
    public static let eventStreams = "apus_event_streams"
    public static let changeTails = "apus_change_tails"
    public static let slowConsumers = "apus_slow_consumers_closed_total"
    public static let storageBytes = "apus_storage_bytes"
    public static let storageLogBytes = "apus_storage_wal_bytes"
    public static let uptime = "apus_uptime_seconds"
    public static let buildInfo = "apus_build_info"
    public static let residentMemory = "process_resident_memory_bytes"
    public static let virtualMemory = "process_virtual_memory_bytes"
    public static let processorTime = "process_cpu_seconds_total"
    public static let openFiles = "process_open_fds"
    public static let filesMax = "process_max_fds"
    public static let startTime = "process_start_time_seconds"
}
