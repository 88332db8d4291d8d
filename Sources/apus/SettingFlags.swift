import ApusServer
import ArgumentParser

/// The settings that may be given on the command line: all but the secrets, which any user of the machine would see in
/// the list of processes.
struct SettingFlags: ParsableArguments {
    @Option(parsing: .unconditional, help: help("HOST")) var host: String?
    @Option(parsing: .unconditional, help: help("PORT")) var port: String?
    @Option(parsing: .unconditional, help: help("TLS_CERT_PATH")) var tlsCertPath: String?
    @Option(parsing: .unconditional, help: help("TLS_KEY_PATH")) var tlsKeyPath: String?
    @Option(parsing: .unconditional, help: help("DB_PATH")) var dbPath: String?
    @Option(
        name: [.customLong("durability"), .customLong("db-durability")], parsing: .unconditional,
        help: help("DB_DURABILITY")) var durability: String?
    @Option(parsing: .unconditional, help: help("LOG_LEVEL")) var logLevel: String?
    @Option(parsing: .unconditional, help: help("LOG_FORMAT")) var logFormat: String?
    @Option(parsing: .unconditional, help: help("METRICS_PUBLIC")) var metricsPublic: String?
    @Option(parsing: .unconditional, help: help("TOKEN_TTL_SECONDS")) var tokenTtlSeconds: String?
    @Option(parsing: .unconditional, help: help("RATE_LIMIT_PER_MIN")) var rateLimitPerMin: String?
    @Option(parsing: .unconditional, help: help("ADMIN_RATE_LIMIT_PER_MIN")) var adminRateLimitPerMin: String?
    @Option(parsing: .unconditional, help: help("ADMIN_USERNAME")) var adminUsername: String?
    @Option(parsing: .unconditional, help: help("ADMIN_IP_ALLOWLIST")) var adminIpAllowlist: String?
    @Option(parsing: .unconditional, help: help("TRUSTED_PROXIES")) var trustedProxies: String?
    @Option(parsing: .unconditional, help: help("CORS_ALLOW_ORIGINS")) var corsAllowOrigins: String?
    @Option(parsing: .unconditional, help: help("CLEANUP_INTERVAL_MS")) var cleanupIntervalMs: String?
    @Option(parsing: .unconditional, help: help("TOMBSTONE_TTL_DAYS")) var tombstoneTtlDays: String?
    @Option(parsing: .unconditional, help: help("AUDIT_LOG_TTL_DAYS")) var auditLogTtlDays: String?
    @Option(parsing: .unconditional, help: help("WS_BUFFER_BYTES")) var wsBufferBytes: String?
    @Option(parsing: .unconditional, help: help("EVENT_LOOPS")) var eventLoops: String?

    /// Those that were given, by the settings' names.
    var given: [String: String] {
        let all = [
            "HOST": host, "PORT": port, "TLS_CERT_PATH": tlsCertPath, "TLS_KEY_PATH": tlsKeyPath, "DB_PATH": dbPath,
            "DB_DURABILITY": durability, "LOG_LEVEL": logLevel, "LOG_FORMAT": logFormat,
            "METRICS_PUBLIC": metricsPublic,
            "TOKEN_TTL_SECONDS": tokenTtlSeconds, "RATE_LIMIT_PER_MIN": rateLimitPerMin,
            "ADMIN_RATE_LIMIT_PER_MIN": adminRateLimitPerMin, "ADMIN_USERNAME": adminUsername,
            "ADMIN_IP_ALLOWLIST": adminIpAllowlist, "TRUSTED_PROXIES": trustedProxies,
            "CORS_ALLOW_ORIGINS": corsAllowOrigins, "CLEANUP_INTERVAL_MS": cleanupIntervalMs,
            "TOMBSTONE_TTL_DAYS": tombstoneTtlDays, "AUDIT_LOG_TTL_DAYS": auditLogTtlDays,
            "WS_BUFFER_BYTES": wsBufferBytes, "EVENT_LOOPS": eventLoops,
        ]
        return all.compactMapValues(\.self)
    }

    private static func help(_ key: String) -> ArgumentHelp {
        guard let row = Settings.table.first(where: { $0.key == key }) else { return ArgumentHelp(key) }
        let standard = row.defaultText.map { $0.isEmpty ? "" : ", default \($0)" } ?? ""
        return ArgumentHelp("\(row.summary) (\(key)\(standard))")
    }
}
