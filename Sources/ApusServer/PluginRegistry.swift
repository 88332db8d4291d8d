import ApusAuth
public import ApusCore
import ApusEngine
import ApusHTTP
import ApusLMDB
import ApusMemory
import ApusSQLite
public import ApusUpkeep
public import Logging
public import Metrics
public import ServiceLifecycle

/// What the server is put together from: storages by name, the token check, and the transports.
///
/// Start from ``standard``, register your own, and hand it to ``Server``.
public struct PluginRegistry: Sendable {
    public typealias StorageFactory = @Sendable (_ opening: StorageOpening) throws(ApusError) -> any StorageBackend
    public typealias AuthFactory = @Sendable (_ settings: Settings) -> any AuthProvider
    public typealias TransportFactory = @Sendable (_ parts: TransportParts) -> any Service

    private var storages: [String: StorageFactory] = [:]
    private var auth: AuthFactory
    private var transports: [TransportFactory]

    /// A registry without storages.
    public init(auth: @escaping AuthFactory, transports: [TransportFactory]) {
        self.auth = auth
        self.transports = transports
    }

    /// Storages `sqlite`, `lmdb` and `memory`, JWT, and HTTP.
    public static let standard: PluginRegistry = {
        var registry = PluginRegistry(
            auth: { settings in
                JWTAuthProvider(
                    secret: settings.jwtSecret, leewaySeconds: Limits().tokenLeewaySeconds, clock: SystemClock(),
                    rememberedTokensMax: 65_536)
            },
            transports: [{ $0.http() }])
        registry.register(storage: "sqlite") { opening throws(ApusError) in
            try SQLiteBackend(
                path: opening.path, durability: opening.durability, access: opening.access,
                makeEpoch: opening.makeEpoch)
        }
        registry.register(storage: "lmdb") { opening throws(ApusError) in
            try LMDBBackend(
                path: opening.path, durability: opening.durability, access: opening.access,
                makeEpoch: opening.makeEpoch)
        }
        registry.register(storage: "memory") { MemoryBackend(makeEpoch: $0.makeEpoch) }
        return registry
    }()

    /// Makes `DB_PATH=name:…` open what `open` returns; an earlier one of this name is replaced.
    public mutating func register(storage name: String, _ open: @escaping StorageFactory) {
        storages[name] = open
    }

    /// Replaces the token check.
    public mutating func register(auth make: @escaping AuthFactory) {
        auth = make
    }

    /// Adds a transport beside the others.
    public mutating func register(transport make: @escaping TransportFactory) {
        transports.append(make)
    }

    /// Opens what `url` names, which is written like `DB_PATH`.
    ///
    /// - Throws: `bad-parameter` for a name that is not registered; what the storage throws.
    public func openStorage(
        _ url: StorageURL, durability: Durability, access: StorageAccess
    ) throws(ApusError) -> any StorageBackend {
        try factory(of: url.name)(
            StorageOpening(path: url.path, durability: durability, access: access, makeEpoch: Self.makeEpoch))
    }

    /// A text that was never used before, for an epoch.
    public static let makeEpoch: @Sendable () -> String = { Engine.randomTokenID() }

    /// What `url` names, to be opened by a tool.
    ///
    /// - Throws: `bad-parameter` for a name that is not registered.
    public func storage(_ url: StorageURL) throws(ApusError) -> NamedStorage {
        let open = try factory(of: url.name)
        return NamedStorage(kind: url.name, path: url.path) { path, access throws(ApusError) in
            try open(StorageOpening(path: path, durability: .full, access: access, makeEpoch: Self.makeEpoch))
        }
    }

    private func factory(of name: String) throws(ApusError) -> StorageFactory {
        guard let factory = storages[name] else {
            let names = storages.keys.sorted().joined(separator: ", ")
            throw ApusError(.badParameter, "there is no storage \"\(name)\"; there are: \(names)")
        }
        return factory
    }

    func makeAuth(_ settings: Settings) -> any AuthProvider { auth(settings) }

    func makeTransports(_ parts: TransportParts) -> [any Service] { transports.map { $0(parts) } }
}

/// What a transport is made from.
public struct TransportParts: Sendable {
    public var service: any SyncService
    public var auth: any AuthProvider
    public var settings: Settings
    public var logger: Logger
    /// Where it is counted what happens.
    public var metrics: any MetricsFactory = NOOPMetricsHandler.instance
    /// What has been going on.
    public var telemetry: any Telemetry = NoTelemetry()
    let tls: TLSIdentity?
    /// To be called with the address once connections are taken.
    public var onListening: @Sendable (_ host: String, _ port: Int) -> Void

    fileprivate func http() -> HTTPTransport {
        var http = HTTPSettings(
            isAdministratorKey: AdminCredentials(key: settings.adminAPIKey).isKey,
            cursorSecret: Secret(settings.jwtSecret), version: Version.current)
        http.isKeyGuessable = AdminCredentials.isGuessable(key: settings.adminAPIKey)
        http.login = settings.adminPassword.map {
            AdminLogin(name: settings.adminUsername, password: $0, clock: SystemClock())
        }
        http.host = settings.host
        http.port = settings.port
        http.eventLoops = settings.loops
        http.adminAllowlist = settings.adminAllowlist
        http.trustedProxies = settings.trustedProxies
        http.tls = tls
        http.isSecure = tls != nil
        http.corsAllowOrigins = settings.corsAllowOrigins
        http.metrics = metrics
        http.telemetry = telemetry
        http.inForce = settings.inForce
        http.areMetricsPublic = settings.areMetricsPublic
        return HTTPTransport(service: service, auth: auth, settings: http, logger: logger, onListening: onListening)
    }
}

/// What `DB_PATH` says: a storage's name and what it shall open.
public struct StorageURL: Hashable, Sendable {
    public var name: String
    public var path: String

    public init(name: String, path: String) {
        self.name = name
        self.path = path
    }

    /// `sqlite:PATH`, `lmdb:PATH`, `memory:`, any other registered `name:…`; without a name LMDB for a path that ends
    /// in `.lmdb` or `.mdb`, and SQLite otherwise.
    public init(_ text: String) {
        let scheme = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber) }
        if !scheme.isEmpty, text[scheme.endIndex...].hasPrefix(":") {
            name = String(scheme)
            path = String(text[scheme.endIndex...].dropFirst())
        } else {
            name = text.hasSuffix(".lmdb") || text.hasSuffix(".mdb") ? "lmdb" : "sqlite"
            path = text
        }
    }
}
