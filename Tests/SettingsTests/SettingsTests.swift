import ApusCore
import ApusServer
import Logging
import Testing

@Suite struct SettingsTests {
    static let secrets = ["JWT_SECRET": String(repeating: "s", count: 32), "ADMIN_API_KEY": "change-this-admin-key"]

    /// The complaint about these settings; `nil` if there is none.
    static func complaint(
        _ environment: [String: String], file: String = "", flags: [String: String] = [:]
    ) throws -> String? {
        let folder = try ScratchFolder(file: file)
        do throws(SettingsError) {
            _ = try Settings.load(
                environment: secrets.merging(environment) { $1 }, dotEnv: folder.filePath, flags: flags)
            return nil
        } catch {
            return error.message
        }
    }

    @Test func `with nothing but the secrets the defaults are the documented ones`() throws {
        let settings = try Settings.load(environment: Self.secrets, dotEnv: nil)
        #expect(settings.host == "0.0.0.0")
        #expect(settings.port == 8000)
        #expect(settings.databasePath == "data.db")
        #expect(settings.durability == .full)
        #expect(settings.rateLimitPerMinute == 600)
        #expect(settings.adminRateLimitPerMinute == 120)
        #expect(settings.tokenTTLSeconds == 30 * 86_400)
        #expect(settings.auditTTLDays == 90)
        #expect(settings.tombstoneTTLDays == 30)
        #expect(settings.cleanupIntervalMilliseconds == 1000)
        #expect(settings.socketBufferBytes == 1 << 20)
        #expect(settings.logLevel == .info)
        #expect(settings.adminUsername == "admin")
        #expect(settings.adminPassword == nil)
        #expect(settings.adminAllowlist.isEmpty && settings.trustedProxies.isEmpty && settings.corsAllowOrigins.isEmpty)
        #expect(settings.loops >= 1)
        #expect(!settings.hasNewSecrets)
        #expect(settings.secretsOrigin == "the environment")
    }

    @Test func `every setting is read`() throws {
        let settings = try Settings.load(
            environment: Self.secrets.merging([
                "ADMIN_USERNAME": "root", "ADMIN_PASSWORD": "p: w", "ADMIN_IP_ALLOWLIST": "203.0.113.10, 10.0.0.0/8,",
                "TRUSTED_PROXIES": "::1", "CORS_ALLOW_ORIGINS": "https://app.example.com,http://localhost:5173",
                "RATE_LIMIT_PER_MIN": "0", "ADMIN_RATE_LIMIT_PER_MIN": "7", "TOKEN_TTL_SECONDS": "60",
                "AUDIT_LOG_TTL_DAYS": "1", "TOMBSTONE_TTL_DAYS": "2", "CLEANUP_INTERVAL_MS": "50", "HOST": "::1",
                "PORT": "0", "LOG_LEVEL": "DEBUG", "WS_BUFFER_BYTES": "65536", "DB_PATH": "sqlite:/x/y.db",
                "DB_DURABILITY": "normal", "EVENT_LOOPS": "3",
            ]) { $1 }, dotEnv: nil)
        #expect(settings.adminUsername == "root")
        #expect(settings.adminPassword == "p: w")
        #expect(settings.adminAllowlist == [AddressRange("203.0.113.10"), AddressRange("10.0.0.0/8")])
        #expect(settings.trustedProxies == [AddressRange("::1")])
        #expect(settings.corsAllowOrigins == ["https://app.example.com", "http://localhost:5173"])
        #expect(settings.rateLimitPerMinute == 0)
        #expect(settings.adminRateLimitPerMinute == 7)
        #expect(settings.tokenTTLSeconds == 60)
        #expect(settings.auditTTLDays == 1)
        #expect(settings.tombstoneTTLDays == 2)
        #expect(settings.cleanupIntervalMilliseconds == 50)
        #expect(settings.host == "::1")
        #expect(settings.port == 0)
        #expect(settings.logLevel == .debug)
        #expect(settings.socketBufferBytes == 65_536)
        #expect(settings.databasePath == "sqlite:/x/y.db")
        #expect(settings.durability == .normal)
        #expect(settings.loops == 3)
    }

    @Test func `the metrics are the administrator's unless they are said to be public`() throws {
        func arePublic(_ environment: [String: String]) throws -> Bool {
            try Settings.load(environment: Self.secrets.merging(environment) { $1 }, dotEnv: nil).areMetricsPublic
        }
        #expect(try !arePublic([:]) && !arePublic(["METRICS_PUBLIC": "false"]))
        #expect(try arePublic(["METRICS_PUBLIC": "TRUE"]) && arePublic(["METRICS_PUBLIC": "1"]))
        #expect(try Self.complaint(["METRICS_PUBLIC": "maybe"])?.contains("METRICS_PUBLIC is \"maybe\"") == true)
    }

    @Test func `a flag wins over the .env file, which wins over the environment`() throws {
        let folder = try ScratchFolder(file: "PORT=2\nHOST=127.0.0.2\n")
        let settings = try Settings.load(
            environment: Self.secrets.merging(["PORT": "1", "HOST": "127.0.0.1", "DB_PATH": "e.db"]) { $1 },
            dotEnv: folder.filePath, flags: ["PORT": "3"])
        #expect(settings.port == 3)
        #expect(settings.host == "127.0.0.2")
        #expect(settings.databasePath == "e.db")
    }

    @Test func `an empty value counts as not set, wherever it stands`() throws {
        let folder = try ScratchFolder(file: "PORT=\nHOST=\"\"\n")
        let settings = try Settings.load(
            environment: Self.secrets.merging(["PORT": "1", "HOST": "127.0.0.1", "DB_PATH": ""]) { $1 },
            dotEnv: folder.filePath, flags: ["PORT": ""])
        #expect(settings.port == 1)
        #expect(settings.host == "127.0.0.1")
        #expect(settings.databasePath == "data.db")
    }

    @Test(arguments: [
        ("PORT", "http"), ("PORT", "-1"), ("PORT", "65536"), ("PORT", "8000.0"), ("PORT", " 80"),
        ("RATE_LIMIT_PER_MIN", "-1"), ("ADMIN_RATE_LIMIT_PER_MIN", "many"), ("TOKEN_TTL_SECONDS", "0"),
        ("TOKEN_TTL_SECONDS", "99999999999999999999"), ("AUDIT_LOG_TTL_DAYS", "0"), ("TOMBSTONE_TTL_DAYS", "0"),
        ("CLEANUP_INTERVAL_MS", "0"), ("CLEANUP_INTERVAL_MS", "1s"), ("LOG_LEVEL", "loud"), ("WS_BUFFER_BYTES", "1"),
        ("DB_DURABILITY", "none"), ("DB_DURABILITY", "fsync"), ("EVENT_LOOPS", "0"), ("HOST", "http://x"),
        ("ADMIN_IP_ALLOWLIST", "10.0.0.0/33"), ("ADMIN_IP_ALLOWLIST", "10.0.0.1,host"), ("TRUSTED_PROXIES", "*"),
        ("CORS_ALLOW_ORIGINS", "https://app.example.com/"), ("CORS_ALLOW_ORIGINS", "app.example.com"),
        ("CORS_ALLOW_ORIGINS", "*"), ("DB_PATH", "a\nb"), ("ADMIN_USERNAME", "a:b"),
    ])
    func `a value that cannot be used is named with its source and what is expected`(key: String, value: String) throws
    {
        let message = try #require(try Self.complaint([key: value]))
        #expect(message.hasPrefix("\(key) is \""))
        #expect(message.contains("from the environment; expected: "))
        #expect(!message.contains("\n"))
        #expect(try #require(try Self.complaint([:], flags: [key: value])).contains("from --"))
    }

    @Test func `the message names the flag or the file a value came from`() throws {
        let flag = try Self.complaint([:], flags: ["CLEANUP_INTERVAL_MS": "x"])
        #expect(
            flag == #"CLEANUP_INTERVAL_MS is "x", from --cleanup-interval-ms; "#
                + "expected: a whole number from 10 to 86400000")
        #expect(try #require(try Self.complaint([:], file: "PORT=x")).contains("/.env; expected: "))
    }

    @Test func `a long value is cut in the message`() throws {
        let message = try #require(try Self.complaint(["PORT": String(repeating: "9", count: 100_000)]))
        #expect(message.utf8.count < 300)
    }

    @Test func `a short JWT_SECRET is refused, and neither it nor another secret is shown`() throws {
        let short = try #require(try Self.complaint(["JWT_SECRET": "only-twenty-bytes-20"]))
        #expect(short.contains("JWT_SECRET is a value of 20 bytes") && short.contains("at least 32 bytes"))
        #expect(!short.contains("only-twenty"))
        let long = try #require(try Self.complaint(["JWT_SECRET": String(repeating: "z", count: 31)]))
        #expect(!long.contains("zzz"))
        let key = try #require(try Self.complaint(["ADMIN_API_KEY": "with space"]))
        #expect(key.hasPrefix("ADMIN_API_KEY") && !key.contains("with space"))
        #expect(try Self.complaint(["JWT_SECRET": String(repeating: "z", count: 32)]) == nil)
    }

    @Test(arguments: ["0.0.0.0", "::", "192.168.1.5", "example.com", "localhost.example.com"])
    func `elsewhere than on the loopback missing secrets stop the start`(host: String) throws {
        let folder = try ScratchFolder()
        do throws(SettingsError) {
            _ = try Settings.load(environment: ["HOST": host], dotEnv: folder.filePath)
            Issue.record("started")
        } catch {
            #expect(error.message.contains("JWT_SECRET and ADMIN_API_KEY are not set"))
            #expect(error.message.contains(#"export JWT_SECRET="$(openssl rand -hex 32)" ADMIN_API_KEY="#))
            #expect(!error.message.contains("\n"))
        }
        #expect(folder.text == nil)
    }

    @Test func `only the secret that is missing is asked for`() throws {
        do throws(SettingsError) {
            _ = try Settings.load(environment: ["JWT_SECRET": String(repeating: "s", count: 32)], dotEnv: nil)
            Issue.record("started")
        } catch {
            #expect(error.message.hasPrefix("ADMIN_API_KEY is not set"))
        }
    }

    @Test func `the table of settings is complete and each default can be used`() throws {
        #expect(Set(Settings.table.map(\.key)).count == Settings.table.count)
        for row in Settings.table {
            #expect(!row.summary.isEmpty && row.summary.hasSuffix("."))
            guard let text = row.defaultText, !text.isEmpty else { continue }
            #expect(try Self.complaint([row.key: text]) == nil)
        }
    }
}
