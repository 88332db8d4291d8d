public import ApusCore
import ApusEngine
import ApusHTTP
import ApusTelemetry
import ApusUpkeep
import Glibc
public import Logging
import ServiceLifecycle
import UnixSignals

/// The whole server, put together from settings and a registry of plug-ins.
public struct Server: Sendable {
    private let settings: Settings
    private let registry: PluginRegistry
    private let engine: Engine
    private let tls: TLSIdentity?
    private let metrics: MetricsRegistry
    private let monitor: Monitor
    private let logger: Logger

    /// Files, threads' pipes and the connections that are only told that there are too many.
    private static let descriptorsForOthers = 128

    /// How long a stop may take before what is left is cut off.
    private static let stopTime = Duration.seconds(20)

    /// Opens the storage; nothing is served yet.
    ///
    /// - Throws: what the storage throws, its message written for the operator.
    public init(settings: Settings, registry: PluginRegistry = .standard, logger: Logger) throws(ApusError) {
        self.settings = settings
        self.registry = registry
        self.logger = logger
        let credentials = try settings.tlsFiles?.read()
        tls = credentials.map { TLSIdentity($0) }
        // What is made from here on, the database's files above all, is nobody else's to read.
        umask(0o077)
        let storage = try Self.openStorage(settings, registry)
        try UnfinishedMigration.refuse(storage, to: "served")
        var engineSettings = settings.engine
        let descriptors = Self.raiseDescriptorLimit() - Self.descriptorsForOthers
        if descriptors < engineSettings.limits.connectionsMax {
            engineSettings.limits.connectionsMax = max(1, descriptors)
            logger.notice(
                "fewer connections than could be: this process may not open more files (ulimit -n)",
                metadata: ["connections": "\(engineSettings.limits.connectionsMax)"])
        }
        metrics = MetricsRegistry()
        let start = ContinuousClock.now
        monitor = Monitor(registry: metrics, version: Version.current, clock: SystemClock()) {
            ContinuousClock.now - start
        }
        engine = try Engine(storage: storage, settings: engineSettings, metrics: metrics, logger: logger)
        observe(storage)
    }

    /// Serves until SIGTERM or SIGINT, then finishes what was accepted and returns.
    ///
    /// - Parameter onListening: called with the address once connections are taken.
    /// - Throws: `IOError` when the address cannot be bound.
    public func run(onListening: @escaping @Sendable (_ host: String, _ port: Int) -> Void) async throws {
        let parts = TransportParts(
            service: engine, auth: registry.makeAuth(settings), settings: settings, logger: logger, metrics: metrics,
            telemetry: monitor, tls: tls
        ) { [engine, logger] host, port in
            let storage = engine.storageDescription
            logger.info(
                "listening",
                metadata: [
                    "host": "\(host)", "port": "\(port)", "storage": "\(storage.name)", "path": "\(storage.path)",
                    "durability": "\(storage.durability.rawValue)", "schema": "\(storage.schemaVersion)",
                ])
            onListening(host, port)
        }
        let reload = TLSReload(
            hangups: await UnixSignalsSequence(trapping: .sighup), files: settings.tlsFiles, identity: tls,
            logger: logger)
        var configuration = ServiceGroupConfiguration(
            services: [monitor] + engine.services + [reload] + registry.makeTransports(parts),
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = Self.stopTime
        try await ServiceGroup(configuration: configuration).run()
        logger.info("stopped")
    }

    /// Has it counted what only has to be looked at.
    private func observe(_ storage: any StorageBackend) {
        metrics.observe(MetricName.storageBytes) { Double(storage.bytesStored()) }
        metrics.observe(MetricName.commitQueueLength) { [engine] in Double(engine.commandsWaiting) }
        guard storage.description.name == "sqlite" else { return }
        let log = storage.description.path + "-wal"
        metrics.observe(MetricName.storageLogBytes) {
            var status = stat()
            return stat(log, &status) == 0 ? Double(status.st_size) : 0
        }
    }

    private static func openStorage(
        _ settings: Settings, _ registry: PluginRegistry
    ) throws(ApusError) -> any StorageBackend {
        do throws(ApusError) {
            return try registry.openStorage(
                StorageURL(settings.databasePath), durability: settings.durability, access: .serving)
        } catch  where error.code == .badParameter {
            throw ApusError(.badParameter, "DB_PATH \"\(settings.databasePath)\" cannot be used: \(error.message)")
        }
    }

    /// Every socket takes a descriptor, and the usual soft limit of 1,024 is soon reached.
    ///
    /// - Returns: how many this process may have.
    private static func raiseDescriptorLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_max)
    }
}

extension Settings {
    var engine: EngineSettings {
        var engine = EngineSettings()
        engine.limits.socketBufferBytesMax = socketBufferBytes
        engine.rateLimitPerMinute = rateLimitPerMinute
        engine.adminRateLimitPerMinute = adminRateLimitPerMinute
        engine.tokenTTLSeconds = tokenTTLSeconds
        engine.tombstoneTTLDays = tombstoneTTLDays
        engine.auditTTLDays = auditTTLDays
        engine.cleanupInterval = .milliseconds(cleanupIntervalMilliseconds)
        return engine
    }
}
