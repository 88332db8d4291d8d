public import ApusCore
public import Logging
import NIOCore
import NIOPosix
public import ServiceLifecycle

/// REST, WebSocket and Server-Sent Events on one port, on SwiftNIO; with TLS, HTTP/2 too.
public struct HTTPTransport: Service {
    private let context: HTTPContext
    private let onListening: @Sendable (_ host: String, _ port: Int) -> Void

    /// How long connections have to finish before they are cut, once the server stops.
    private static let drainTime = Duration.seconds(8)
    private static let drainTick = TimeAmount.milliseconds(200)

    /// - Parameter onListening: called once connections are taken, with the address they are taken at.
    public init(
        service: any SyncService, auth: any AuthProvider, settings: HTTPSettings, logger: Logger,
        onListening: @escaping @Sendable (_ host: String, _ port: Int) -> Void
    ) {
        context = HTTPContext(
            service: service, auth: auth, settings: settings,
            cursors: CursorSealer(secret: Array(settings.cursorSecret.text.utf8), epoch: service.epoch), hub: FeedHub(),
            log: { error, requestID in
                logger.error(
                    "a request failed",
                    metadata: [
                        "code": "\(error.code.rawValue)", "cause": "\(error.cause ?? "")", "request_id": "\(requestID)",
                    ])
            })
        self.onListening = onListening
    }

    /// Serves until the graceful shutdown, then takes no new connection, finishes requests, says goodbye to sockets,
    /// and returns when all connections are closed, or are cut after 8 s.
    ///
    /// - Throws: `IOError` when the address cannot be bound; `BadTemplate` when the dashboard's page cannot be made.
    public func run() async throws {
        let count = min(max(1, context.settings.eventLoops), FeedHub.lanesMax)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: count)
        do {
            try await serve(on: group)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    private func serve(on group: MultiThreadedEventLoopGroup) async throws {
        let lanes = zip(0..., group.makeIterator()).map { index, loop in
            Lane(
                loop: loop, index: index, limits: context.service.limits, hub: context.hub,
                metrics: context.settings.metrics)
        }
        context.hub.open(lanes)
        context.service.attach(context.hub)
        let server = try await bind(group, lanes)
        var ticks = lanes.map { $0.startTicking(every: .seconds(1), context.service.now) }
        let address = server.localAddress
        onListening(address?.ipAddress ?? context.settings.host, address?.port ?? context.settings.port)

        try? await gracefulShutdown()
        try? await server.close()
        for lane in lanes { lane.post { lane.state.drain() } }
        // What may still take its time now has so little of it that a second is too long to look away.
        ticks += lanes.map { $0.startTicking(every: Self.drainTick, context.service.now) }
        let deadline = ContinuousClock.now + Self.drainTime
        while context.hub.connectionCount > 0, ContinuousClock.now < deadline {
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { break }
        }
        for lane in lanes { lane.post { lane.state.abortAll() } }
        for tick in ticks { tick.cancel() }
    }

    /// Everything that is served but the dashboard.
    static func routes(version: String, areMetricsPublic: Bool = false) -> [Route] {
        let described = [
            SystemRoutes.all, DataRoutes.all, StreamRoutes.all, DeviceRoutes.all, AdminRoutes.all, AdminDataRoutes.all,
            UndeleteRoute.all, ExportRoutes.all, AuditRoutes.all, ConnectionRoutes.all, TailRoutes.all,
            OnlineDeviceRoutes.all, SettingRoutes.all, ReadinessRoutes.all,
            TelemetryRoutes.all(arePublic: areMetricsPublic),
        ]
        return APIRoutes.added(to: described.flatMap(\.self), version: version)
    }

    private func bind(_ group: MultiThreadedEventLoopGroup, _ lanes: [Lane]) async throws -> any Channel {
        let settings = context.settings
        let pages = try AdminPages(files: PageFiles.load(), version: settings.version)
        let routes = RouteTable(
            Self.routes(version: settings.version, areMetricsPublic: settings.areMetricsPublic) + pages.routes)
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            // What was read is parsed whole, so that as little as one read may wait for an answer.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { [context] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let lane = lanes.first(where: { $0.loop === channel.eventLoop }) else {
                        throw ChannelError.operationUnsupported
                    }
                    guard let tls = context.settings.tls else {
                        try Self.configure(channel, lane, context, routes)
                        return
                    }
                    let handshake = TLSHandshake(
                        lane: lane, settings: context.settings, limits: context.service.limits
                    ) { channel, chosen in
                        if chosen == "h2" {
                            try HTTP2Connection(context: context, routes: routes, lane: lane).addHandlers(to: channel)
                        } else {
                            try Self.configure(channel, lane, context, routes)
                        }
                    }
                    try channel.pipeline.syncOperations.addHandlers([tls.makeHandler(), handshake])
                }
            }
            .bind(host: context.settings.host, port: context.settings.port)
            .get()
    }

    private static func configure(
        _ channel: any Channel, _ lane: Lane, _ context: HTTPContext, _ routes: RouteTable
    ) throws {
        let connection = HTTPConnection(context: context, routes: routes, lane: lane)
        let decoder = RequestDecoder(
            connection: connection, headerBytesMax: context.service.limits.headerBytesMax)
        try channel.pipeline.syncOperations.addHandlers([ByteToMessageHandler(decoder), connection])
    }
}
