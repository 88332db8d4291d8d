import ApusCore
import ApusServer
import ApusTesting
import Foundation
import FoundationNetworking
import JournalStorage
import Logging
import Testing

/// The example of a storage of one's own: held to the laws, registered and served.
@Suite final class ThirdPartyStorageTests: Sendable {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    private var path: String { folder.appending(path: "data.journal").path() }

    @Test(arguments: StorageLaws.all) func `a storage of one's own is held to the same laws`(_ law: StorageLaw)
        async throws
    {
        let path = path
        try await law.check(
            StoragePlace(isKept: true) {
                try JournalBackend(
                    StorageOpening(
                        path: path, durability: .normal, access: .serving, makeEpoch: { UUID().uuidString }))
            })
    }

    @Test func `a registered storage is served under its name`() async throws {
        var registry = PluginRegistry.standard
        registry.register(storage: "journal") { opening throws(ApusError) in try JournalBackend(opening) }
        let settings = try Settings.load(
            environment: [
                "JWT_SECRET": String(repeating: "s", count: 32), "ADMIN_API_KEY": "key", "HOST": "127.0.0.1",
                "PORT": "0", "DB_PATH": "journal:\(path)",
            ], dotEnv: nil)
        let server = try Server(settings: settings, registry: registry, logger: Logger(label: "test"))
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let running = Task { try await server.run { port.yield($1) } }
        var listening = ports.makeAsyncIterator()
        let number = try #require(await listening.next())
        let health = try #require(URL(string: "http://127.0.0.1:\(number)/health"))
        let (body, _) = try await URLSession.shared.data(from: health)
        #expect(String(decoding: body, as: UTF8.self).contains(#""storage":{"backend":"journal""#))
        var request = URLRequest(url: try #require(URL(string: "http://127.0.0.1:\(number)/v1/admin/users")))
        request.httpMethod = "POST"
        request.httpBody = Data(#"{"user_id":"u1"}"#.utf8)
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.setValue("key", forHTTPHeaderField: "X-Admin-Api-Key")
        let (_, answer) = try await URLSession.shared.data(for: request)
        #expect((answer as? HTTPURLResponse)?.statusCode == 201)
        #expect(try String(contentsOfFile: path, encoding: .utf8).contains("token.issue"))
        running.cancel()
        _ = await running.result
    }

    @Test func `an unknown storage is refused with the names there are`() throws {
        let settings = try Settings.load(
            environment: [
                "JWT_SECRET": String(repeating: "s", count: 32), "ADMIN_API_KEY": "key", "DB_PATH": "floppy:a",
            ], dotEnv: nil)
        #expect {
            _ = try Server(settings: settings, logger: Logger(label: "test"))
        } throws: { error in
            (error as? ApusError)?.message
                == #"DB_PATH "floppy:a" cannot be used: there is no storage "floppy"; there are: lmdb, memory, sqlite"#
        }
    }
}
