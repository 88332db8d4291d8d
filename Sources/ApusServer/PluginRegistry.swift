import ApusAuth
public import ApusCore
import ApusEngine
import ApusHTTP
import ApusMemory
import ApusSQLite
public import Logging
public import ServiceLifecycle

/// What the server is put together from: storages by name, the token check, and the transports.
///
/// Start from ``standard``, register your own, and hand it to ``Server``.
public struct PluginRegistry: Sendable {
    /// Opens the storage at `path`, what `DB_PATH` holds after the name and its colon.
    public typealias StorageFactory =
        @Sendable (_ path: String, _ settings: Settings) throws(ApusError) -> any StorageBackend
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

    /// Storages `sqlite` and `memory`, JWT, and HTTP.
    public static let standard: PluginRegistry = {
        var registry = PluginRegistry(
            auth: { settings in
                JWTAuthProvider(
                    secret: settings.jwtSecret, leewaySeconds: Limits().tokenLeewaySeconds, clock: SystemClock(),
                    rememberedTokensMax: 65_536)
            },
            transports: [{ $0.http() }])
        registry.register(storage: "sqlite") { path, settings throws(ApusError) in
            try SQLiteBackend(path: path, durability: settings.durability, makeEpoch: Engine.randomTokenID)
        }
        registry.register(storage: "memory") { _, _ in MemoryBackend(makeEpoch: Engine.randomTokenID) }
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

    func openStorage(_ settings: Settings) throws(ApusError) -> any StorageBackend {
        let place = StorageURL(settings.databasePath)
        guard let open = storages[place.name] else {
            let names = storages.keys.sorted().joined(separator: ", ")
            throw ApusError(.badParameter, "DB_PATH asks for the storage \"\(place.name)\"; there are: \(names)")
        }
        return try open(place.path, settings)
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
    /// To be called with the address once connections are taken.
    public var onListening: @Sendable (_ host: String, _ port: Int) -> Void

    fileprivate func http() -> HTTPTransport {
        var http = HTTPSettings(
            isAdministratorKey: AdminCredentials(key: settings.adminAPIKey).isKey,
            cursorSecret: Secret(settings.jwtSecret), version: Version.current)
        http.host = settings.host
        http.port = settings.port
        http.eventLoops = settings.loops
        http.adminAllowlist = settings.adminAllowlist
        http.trustedProxies = settings.trustedProxies
        http.corsAllowOrigins = settings.corsAllowOrigins
        return HTTPTransport(service: service, auth: auth, settings: http, logger: logger, onListening: onListening)
    }
}

/// What `DB_PATH` says: a storage's name and what it shall open.
struct StorageURL: Hashable {
    var name: String
    var path: String

    /// `sqlite:PATH`, `lmdb:PATH`, `memory:`, any other registered `name:…`; without a name LMDB for a path that ends
    /// in `.lmdb` or `.mdb`, and SQLite otherwise.
    init(_ text: String) {
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
