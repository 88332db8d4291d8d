import ApusCore

/// What is said of a metric beside its values.
struct MetricDefinition: Sendable {
    /// What it means, in one line.
    let help: String
    /// Upper bounds of the classes that its values are counted in: nanoseconds for durations.
    var bounds: [Int64] = []

    /// Of requests: from what a read out of the memory takes to what a client gives up on.
    static let requestBounds: [Int64] =
        [
            100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
            5_000_000, 10_000_000,
        ]
        .map { $0 * 1000 }

    /// Powers of two: what a batch of requests counts.
    static let countBounds: [Int64] = (0...12).map { 1 << $0 }

    /// The metrics of this server.
    static let known: [String: MetricDefinition] = [
        MetricName.requests: MetricDefinition(help: "HTTP requests answered, by route and class of status."),
        MetricName.requestDuration: MetricDefinition(
            help: "From the head of a request to its answer, the time its body takes to arrive included.",
            bounds: requestBounds),
        MetricName.refusals: MetricDefinition(help: "Requests and frames answered with an error, by its code."),
        MetricName.writes: MetricDefinition(help: "Accepted changes of records."),
        MetricName.reads: MetricDefinition(help: "Records and pages of records read for clients."),
        MetricName.deliveries: MetricDefinition(help: "Events handed to sockets and event streams."),
        MetricName.commitRequests: MetricDefinition(
            help: "Write requests that shared a commit.", bounds: countBounds),
        MetricName.commitDuration: MetricDefinition(
            help: "From the decision to the durable commit of a batch of writes.", bounds: requestBounds),
        MetricName.commitQueueLength: MetricDefinition(help: "Write requests waiting for the committer."),
        MetricName.connections: MetricDefinition(help: "Open connections, sockets and streams among them."),
        MetricName.webSockets: MetricDefinition(help: "Open WebSockets."),
        MetricName.eventStreams: MetricDefinition(help: "Open event streams of users."),
        MetricName.changeTails: MetricDefinition(help: "Administrators' open streams of all changes."),
        MetricName.slowConsumers: MetricDefinition(
            help: "Sockets and event streams closed because their clients read too slowly."),
        MetricName.storageBytes: MetricDefinition(help: "Bytes the database takes on disk."),
        MetricName.storageLogBytes: MetricDefinition(help: "Bytes of SQLite's write-ahead log."),
        MetricName.uptime: MetricDefinition(help: "Seconds since the server was started."),
        MetricName.buildInfo: MetricDefinition(help: "Always 1; the version is in its label."),
        MetricName.residentMemory: MetricDefinition(help: "Resident memory size in bytes."),
        MetricName.virtualMemory: MetricDefinition(help: "Virtual memory size in bytes."),
        MetricName.processorTime: MetricDefinition(help: "User and system time of the process in seconds."),
        MetricName.openFiles: MetricDefinition(help: "Open file descriptors."),
        MetricName.filesMax: MetricDefinition(help: "Most file descriptors the process may open."),
        MetricName.startTime: MetricDefinition(help: "Start of the process, in seconds since 1970."),
    ]

    /// Of a metric that a plug-in brought.
    static let unknown = MetricDefinition(help: "Counted by a plug-in.", bounds: requestBounds)
}
