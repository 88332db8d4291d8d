import ApusServer
import Foundation
import Testing

/// A new folder, with or without a `.env` file in it, that goes away with its last user.
final class ScratchFolder {
    let path: String

    init(file text: String = "", mode: Int = 0o600) throws {
        path = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID())").path()
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard !text.isEmpty else { return }
        try Data(text.utf8).write(to: URL(filePath: filePath))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: filePath)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var filePath: String { path + "/.env" }
    var text: String? { try? String(contentsOf: URL(filePath: filePath), encoding: .utf8) }
    var mode: Int? {
        (try? FileManager.default.attributesOfItem(atPath: filePath))?[.posixPermissions] as? Int
    }
}

@Suite struct SecretsTests {
    @Test(arguments: ["127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1"])
    func `on the loopback missing secrets are made up and kept for the owner alone`(host: String) throws {
        let folder = try ScratchFolder()
        let first = try Settings.load(environment: ["HOST": host], dotEnv: folder.filePath)
        #expect(first.hasNewSecrets)
        #expect(first.secretsOrigin == folder.filePath)
        #expect(folder.mode == 0o600)
        for secret in [first.jwtSecret, first.adminAPIKey, first.adminPassword ?? ""] {
            #expect(secret.utf8.count == 43)
            #expect(folder.text?.contains("=\(secret)\n") == true)
        }
        #expect(Set([first.jwtSecret, first.adminAPIKey, first.adminPassword]).count == 3)

        let second = try Settings.load(environment: ["HOST": host], dotEnv: folder.filePath)
        #expect(!second.hasNewSecrets)
        #expect(second.jwtSecret == first.jwtSecret)
        #expect(second.adminAPIKey == first.adminAPIKey)
        #expect(second.adminPassword == first.adminPassword)
        #expect(second.adminUsername == "admin")
    }

    @Test func `what a .env file holds stays, and the file is closed to others`() throws {
        let before = "# mine\nADMIN_API_KEY=my-own-key\nJWT_SECRET=\nOTHER=1"
        let folder = try ScratchFolder(file: before, mode: 0o644)
        let settings = try Settings.load(environment: ["HOST": "127.0.0.1"], dotEnv: folder.filePath)
        #expect(settings.adminAPIKey == "my-own-key")
        #expect(settings.jwtSecret.utf8.count == 43)
        #expect(folder.text?.hasPrefix(before + "\n#") == true)
        #expect(folder.text?.components(separatedBy: "ADMIN_API_KEY").count == 2)
        #expect(folder.mode == 0o600)
    }

    @Test func `secrets from the environment are not written down, and no password is made up beside them`() throws {
        let folder = try ScratchFolder()
        let environment = SettingsTests.secrets.merging(["HOST": "127.0.0.1"]) { $1 }
        let settings = try Settings.load(environment: environment, dotEnv: folder.filePath)
        #expect(settings.adminPassword == nil)
        #expect(folder.text == nil)
        let half = try Settings.load(
            environment: environment.merging(["ADMIN_API_KEY": ""]) { $1 }, dotEnv: folder.filePath)
        #expect(half.jwtSecret == SettingsTests.secrets["JWT_SECRET"])
        #expect(folder.text?.contains("JWT_SECRET") == false)
    }

    @Test func `nothing is made up while another setting is wrong`() throws {
        let folder = try ScratchFolder()
        #expect(throws: SettingsError.self) {
            try Settings.load(environment: ["HOST": "127.0.0.1", "PORT": "x"], dotEnv: folder.filePath)
        }
        #expect(folder.text == nil)
    }

    @Test func `servers that start at once agree on the secrets`() async throws {
        let folder = try ScratchFolder()
        let path = folder.filePath
        let secrets = try await withThrowingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    let settings = try Settings.load(environment: ["HOST": "127.0.0.1"], dotEnv: path)
                    return settings.jwtSecret + settings.adminAPIKey
                }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(secrets.count == 1)
    }

    @Test func `a file that cannot be written or read is named`() throws {
        let folder = try ScratchFolder()
        for path in [folder.path, folder.path + "/none/.env"] {
            do throws(SettingsError) {
                _ = try Settings.load(environment: ["HOST": "127.0.0.1"], dotEnv: path)
                Issue.record("started")
            } catch {
                #expect(error.message.contains(path))
            }
        }
    }
}

@Suite struct EnvironmentFileTests {
    private func port(_ file: String) throws -> Int {
        let folder = try ScratchFolder(file: file)
        return try Settings.load(environment: SettingsTests.secrets, dotEnv: folder.filePath).port
    }

    @Test(arguments: [
        "PORT=81", "PORT=81\r\n", "\u{FEFF}PORT=81\n", "  PORT = 81  \n", "export PORT=81\n", "PORT=\"81\"\n",
        "PORT='81' # x",
        "PORT=81 # the port\n", "# PORT=80\n\nPORT=81\n", "PORT=80\nPORT=81\n", "lower_case=1\nPORT=81",
        "A=b=c\nPORT=81",
    ])
    func `a line sets a value, however it is written`(file: String) throws {
        #expect(try port(file) == 81)
    }

    @Test(arguments: ["PORT", "=81", "POR T=81", "1PORT=81", "PORT=\"81", "PORT='81'0", "é=1"])
    func `a line that cannot be read is named by its number and not shown`(line: String) throws {
        let message = try #require(try SettingsTests.complaint([:], file: "# first\n\(line)\nHOST=::1\n"))
        #expect(message.hasPrefix("line 2 of ") && message.hasSuffix("/.env cannot be read; expected: NAME=value"))
    }

    @Test func `quotes keep what would otherwise end a value`() throws {
        let folder = try ScratchFolder(
            file: "ADMIN_PASSWORD=\" a#b # c=d \"\nJWT_SECRET=\(String(repeating: "é", count: 16))#x")
        let settings = try Settings.load(environment: SettingsTests.secrets, dotEnv: folder.filePath)
        #expect(settings.adminPassword == " a#b # c=d ")
        #expect(settings.jwtSecret == String(repeating: "é", count: 16) + "#x")
    }

    @Test func `a file that is not text, or is far too large, is refused`() throws {
        let folder = try ScratchFolder()
        for bytes in [Data([0x41, 0x3D, 0xFF]), Data(repeating: 0x0A, count: 1 << 20 | 1)] {
            try bytes.write(to: URL(filePath: folder.filePath))
            #expect(throws: SettingsError.self) {
                try Settings.load(environment: SettingsTests.secrets, dotEnv: folder.filePath)
            }
        }
    }
}

@Suite struct OfflineTokenTests {
    @Test func `a token needs JWT_SECRET only, and none is made up for it`() async throws {
        let folder = try ScratchFolder()
        #expect(throws: SettingsError.self) {
            try Settings.Signing.load(environment: ["HOST": "127.0.0.1"], dotEnv: folder.filePath)
        }
        #expect(folder.text == nil)
        let signing = try Settings.Signing.load(
            environment: ["JWT_SECRET": String(repeating: "s", count: 32)], dotEnv: folder.filePath)
        let token = try await signing.token(for: "u1", ttlSeconds: 60, claims: #"{"role":"x"}"#)
        #expect(token.split(separator: ".").count == 3)
        for (user, ttl, claims) in [
            ("", 60, "{}"), ("a\nb", 60, "{}"), ("u1", 0, "{}"), ("u1", 60, "[]"), ("u1", 60, "{"),
        ] {
            await #expect(throws: SettingsError.self) {
                try await signing.token(for: user, ttlSeconds: Int64(ttl), claims: claims)
            }
        }
    }
}
