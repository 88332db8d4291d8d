import ApusCore
import Logging

/// One setting: where it is found, how it is read, what it is without one, and what it does.
struct Setting<Value: Sendable>: Sendable {
    let key: String
    let format: SettingFormat<Value>
    /// `nil` if there is nothing to go by unless it is set.
    let defaultText: String?
    let summary: String

    init(_ key: String, _ format: SettingFormat<Value>, default defaultText: String?, _ summary: String) {
        self.key = key
        self.format = format
        self.defaultText = defaultText
        self.summary = summary
    }
}

/// Every setting of the server, a line each.
enum SettingsTable {
    static let jwtSecret = Setting(
        "JWT_SECRET", .secret(bytesMin: 32), default: nil, "Signs and checks tokens (HS256). Required.")
    static let adminAPIKey = Setting(
        "ADMIN_API_KEY", .key, default: nil, "What X-Admin-Api-Key must be. Required.")
    static let adminUsername = Setting(
        "ADMIN_USERNAME", .userName, default: "admin", "Who may log in to the dashboard.")
    static let adminPassword = Setting(
        "ADMIN_PASSWORD", .password, default: nil, "The dashboard's password; without one there is no dashboard.")
    static let adminAllowlist = Setting(
        "ADMIN_IP_ALLOWLIST", .ranges, default: "", "Who may use the admin routes; empty for everyone with the key.")
    static let trustedProxies = Setting(
        "TRUSTED_PROXIES", .ranges, default: "", "Proxies whose X-Forwarded-For counts.")
    static let corsAllowOrigins = Setting(
        "CORS_ALLOW_ORIGINS", .origins, default: "", "Origins that browsers may call from.")
    static let rateLimitPerMinute = Setting<Int>(
        "RATE_LIMIT_PER_MIN", .integer(0...10_000_000), default: "600", "Requests a user may make a minute; 0 is off.")
    static let adminRateLimitPerMinute = Setting<Int>(
        "ADMIN_RATE_LIMIT_PER_MIN", .integer(0...10_000_000), default: "120",
        "Admin requests an address may make a minute; 0 is off.")
    static let tokenTTLSeconds = Setting<Int64>(
        "TOKEN_TTL_SECONDS", .integer(1...315_360_000), default: "2592000", "How long a token is good (30 days).")
    static let auditTTLDays = Setting<Int>(
        "AUDIT_LOG_TTL_DAYS", .integer(1...36_500), default: "90", "How long the audit log is kept.")
    static let tombstoneTTLDays = Setting<Int>(
        "TOMBSTONE_TTL_DAYS", .integer(1...36_500), default: "30", "How long deletions can be synced.")
    static let cleanupIntervalMilliseconds = Setting<Int>(
        "CLEANUP_INTERVAL_MS", .integer(10...86_400_000), default: "1000", "How often what has expired is swept.")
    static let host = Setting("HOST", .host, default: "0.0.0.0", "The address to listen on.")
    static let port = Setting<Int>(
        "PORT", .integer(0...65_535), default: "8000", "The port to listen on; 0 for any free one.")
    static let tlsCertificatePath = Setting(
        "TLS_CERT_PATH", .text, default: nil, "PEM file with the server's certificate and its chain; turns TLS on.")
    static let tlsKeyPath = Setting("TLS_KEY_PATH", .text, default: nil, "PEM file with the certificate's private key.")
    static let logLevel = Setting<Logger.Level>(
        "LOG_LEVEL", .word(of: Logger.Level.allCases), default: "info", "How much is logged to standard error.")
    static let logFormat = Setting<LogFormat>(
        "LOG_FORMAT", .word(of: LogFormat.allCases), default: "text", "Whether logs are text or JSON, a line an entry.")
    static let areMetricsPublic = Setting(
        "METRICS_PUBLIC", .boolean, default: "false", "Whether anybody may read /metrics.")
    static let socketBufferBytes = Setting<Int>(
        "WS_BUFFER_BYTES", .integer(4096...1 << 30), default: "1048576",
        "Bytes of events a slow socket may hold before it is closed.")
    static let databasePath = Setting("DB_PATH", .path, default: "data.db", "Where the database is.")
    static let durability = Setting<Durability>(
        "DB_DURABILITY", .word(of: [.full, .normal]), default: "full",
        "What a write survives: full is power loss, normal a crash of the process.")
    static let loops = Setting<Int>(
        "EVENT_LOOPS", .integer(1...1024), default: nil, "Threads that serve connections; one a core unless set.")

    static let rows = [
        SettingRow(jwtSecret), SettingRow(adminAPIKey), SettingRow(adminUsername), SettingRow(adminPassword),
        SettingRow(adminAllowlist), SettingRow(trustedProxies), SettingRow(corsAllowOrigins),
        SettingRow(rateLimitPerMinute), SettingRow(adminRateLimitPerMinute), SettingRow(tokenTTLSeconds),
        SettingRow(auditTTLDays), SettingRow(tombstoneTTLDays), SettingRow(cleanupIntervalMilliseconds),
        SettingRow(host), SettingRow(port), SettingRow(tlsCertificatePath), SettingRow(tlsKeyPath),
        SettingRow(logLevel), SettingRow(logFormat), SettingRow(areMetricsPublic), SettingRow(socketBufferBytes),
        SettingRow(databasePath), SettingRow(durability), SettingRow(loops),
    ]
}

extension SettingFormat where Value == [AddressRange] {
    static let ranges = list(of: "addresses and CIDR ranges such as 203.0.113.10 or 10.0.0.0/8") {
        AddressRange($0)
    }
}

/// A setting as help texts and checks need it.
public struct SettingRow: Sendable {
    public let key: String
    /// `nil` if there is none; empty for an empty list.
    public let defaultText: String?
    public let expected: String
    public let summary: String
    let isSecret: Bool
    let check: @Sendable (SettingsSource) throws(SettingsError) -> Void

    init<Value>(_ setting: Setting<Value>) {
        key = setting.key
        defaultText = setting.defaultText
        expected = setting.format.expected
        summary = setting.summary
        isSecret = setting.format.isSecret
        check = { source throws(SettingsError) in _ = try source.value(of: setting) }
    }
}
