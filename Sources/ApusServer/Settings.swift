public import ApusCore
public import Logging
import NIOCore

/// What an operator decides: read once at the start, the same until the end.
///
/// ``table`` has the names, defaults and meanings.
public struct Settings: Sendable {
    private let jwt: Secret
    private let adminKey: Secret
    private let password: Secret?
    public var adminUsername: String
    public var adminAllowlist: [AddressRange]
    public var trustedProxies: [AddressRange]
    public var corsAllowOrigins: [String]
    /// 0 is off.
    public var rateLimitPerMinute: Int
    /// 0 is off.
    public var adminRateLimitPerMinute: Int
    public var tokenTTLSeconds: Int64
    public var auditTTLDays: Int
    public var tombstoneTTLDays: Int
    public var cleanupIntervalMilliseconds: Int
    public var host: String
    /// 0 for any free one.
    public var port: Int
    /// With ``tlsKeyPath``, or neither.
    public var tlsCertificatePath: String?
    public var tlsKeyPath: String?
    public var logLevel: Logger.Level
    public var logFormat: LogFormat
    /// Whether anybody may read the metrics, and not only the administrator.
    public var areMetricsPublic: Bool
    public var socketBufferBytes: Int
    /// `DB_PATH` as it was given: `data.db`, `sqlite:PATH`, `lmdb:PATH`, `memory:`.
    public var databasePath: String
    public var durability: Durability
    /// Threads that serve connections; as many as there are cores unless `EVENT_LOOPS` says otherwise.
    public var loops: Int

    /// All settings, secrets without their values, in the order of ``table``.
    public private(set) var inForce: [SettingInForce]
    /// Where the secrets were found, in words.
    public private(set) var secretsOrigin: String
    /// Whether secrets were made up, now, for lack of any.
    public private(set) var hasNewSecrets: Bool

    /// Every setting, in the order in which they are documented.
    public static let table: [SettingRow] = SettingsTable.rows

    /// Reads all settings; a later source wins over an earlier one, and an empty value counts as not set.
    ///
    /// If a secret is missing and the server listens on the loopback only, secrets are made up and appended to the
    /// `.env` file, which then is readable by its owner alone.
    ///
    /// - Parameters:
    ///   - path: of the `.env` file, which need not exist; `nil` for none.
    ///   - flags: by the settings' names.
    /// - Throws: if a value cannot be read, naming the setting, the value unless it is a secret, and its source; or if
    ///   secrets are missing elsewhere than on the loopback.
    public static func load(
        environment: [String: String], dotEnv path: String? = ".env", flags: [String: String] = [:]
    ) throws(SettingsError) -> Settings {
        let file = path.map { SettingsFile(path: $0) }
        var source = try SettingsSource(environment: environment, file: file, flags: flags)
        for row in table { try row.check(source) }
        let missing = source.missingSecrets
        if !missing.isEmpty {
            let host = try source.required(SettingsTable.host)
            guard let file, isLoopback(host) else { throw missingSecrets(missing, host: host, file: file) }
            let password = SettingsTable.adminPassword
            try SecretsFile(file: file).add(missing + (source.isSet(password) ? [] : [password.key]))
            source = try SettingsSource(environment: environment, file: file, flags: flags)
        }
        return try Settings(reading: source, hasNewSecrets: !missing.isEmpty)
    }

    private init(reading source: SettingsSource, hasNewSecrets: Bool) throws(SettingsError) {
        jwt = Secret(try source.required(SettingsTable.jwtSecret))
        adminKey = Secret(try source.required(SettingsTable.adminAPIKey))
        adminUsername = try source.required(SettingsTable.adminUsername)
        password = try source.value(of: SettingsTable.adminPassword).map { Secret($0) }
        adminAllowlist = try source.required(SettingsTable.adminAllowlist)
        trustedProxies = try source.required(SettingsTable.trustedProxies)
        corsAllowOrigins = try source.required(SettingsTable.corsAllowOrigins)
        rateLimitPerMinute = try source.required(SettingsTable.rateLimitPerMinute)
        adminRateLimitPerMinute = try source.required(SettingsTable.adminRateLimitPerMinute)
        tokenTTLSeconds = try source.required(SettingsTable.tokenTTLSeconds)
        auditTTLDays = try source.required(SettingsTable.auditTTLDays)
        tombstoneTTLDays = try source.required(SettingsTable.tombstoneTTLDays)
        cleanupIntervalMilliseconds = try source.required(SettingsTable.cleanupIntervalMilliseconds)
        host = try source.required(SettingsTable.host)
        port = try source.required(SettingsTable.port)
        tlsCertificatePath = try source.value(of: SettingsTable.tlsCertificatePath)
        tlsKeyPath = try source.value(of: SettingsTable.tlsKeyPath)
        if (tlsCertificatePath == nil) != (tlsKeyPath == nil) {
            let (given, missing) =
                tlsKeyPath == nil ? ("TLS_CERT_PATH", "TLS_KEY_PATH") : ("TLS_KEY_PATH", "TLS_CERT_PATH")
            throw SettingsError("\(given) is set, but \(missing) is not: TLS needs both, or neither to be off")
        }
        logLevel = try source.required(SettingsTable.logLevel)
        logFormat = try source.required(SettingsTable.logFormat)
        areMetricsPublic = try source.required(SettingsTable.areMetricsPublic)
        socketBufferBytes = try source.required(SettingsTable.socketBufferBytes)
        databasePath = try source.required(SettingsTable.databasePath)
        durability = try source.required(SettingsTable.durability)
        loops = try source.value(of: SettingsTable.loops) ?? System.coreCount
        let computed = [SettingsTable.loops.key: String(loops)]
        inForce = SettingsTable.rows.map { source.inForce($0, computed: computed[$0.key]) }
        secretsOrigin = source.origin(of: SettingsTable.jwtSecret)
        self.hasNewSecrets = hasNewSecrets
    }

    /// Whether only this machine can reach the server.
    public var isLoopback: Bool { Self.isLoopback(host) }

    /// Whether clients come with TLS.
    public var isSecure: Bool { tlsCertificatePath != nil }

    public var jwtSecret: String { jwt.text }
    public var adminAPIKey: String { adminKey.text }
    public var adminPassword: String? { password?.text }

    /// Where the database is, in words.
    public var databasePlace: String {
        let place = StorageURL(databasePath)
        return place.path.isEmpty
            ? "\(place.name), nothing is kept" : "\(SettingsFile(path: place.path).path) (\(place.name))"
    }

    /// A logger that writes to standard error, in ``logFormat``, from ``logLevel`` on.
    public func makeLogger() -> Logger {
        var logger = Logger(label: "apus") { label in
            switch logFormat {
            case .text: StreamLogHandler.standardError(label: label)
            case .json: JSONLogHandler()
            }
        }
        logger.logLevel = logLevel
        return logger
    }

    private static func isLoopback(_ host: String) -> Bool {
        host.lowercased() == "localhost"
            || ["127.0.0.0/8", "::1"].contains { AddressRange($0)?.contains(host) == true }
    }

    private static func missingSecrets(_ keys: [String], host: String, file: SettingsFile?) -> SettingsError {
        let one = keys.count == 1
        let lines = keys.map { "\($0)=\"$(openssl rand -hex 32)\"" }.joined(separator: " ")
        let places = file.map { "in the environment or in \($0.path)" } ?? "in the environment"
        return SettingsError(
            "\(keys.joined(separator: " and ")) \(one ? "is" : "are") not set, and on \(host) nobody makes "
                + "\(one ? "it" : "them") up. Set \(one ? "it" : "them") \(places), for example: export \(lines) "
                + "— or listen on this machine only, with HOST=127.0.0.1, and \(one ? "it is" : "they are") made up")
    }
}

extension SettingsSource {
    init(environment: [String: String], file: SettingsFile?, flags: [String: String]) throws(SettingsError) {
        self.init(
            flags: flags, file: try file?.read() ?? [:], fileName: file?.path ?? "", environment: environment)
    }

    var missingSecrets: [String] {
        [SettingsTable.jwtSecret, SettingsTable.adminAPIKey].filter { !isSet($0) }.map(\.key)
    }
}
