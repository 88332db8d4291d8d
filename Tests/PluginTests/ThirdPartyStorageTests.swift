import ApusCore
import ApusMemory
import ApusServer
import ApusTesting
import Foundation
import FoundationNetworking
import Logging
import Testing

/// A storage as somebody else would write it: here the one in memory under another name.
private struct DrawerBackend: StorageBackend {
    private let memory = MemoryBackend(makeEpoch: { "drawer" })
    private let path: String

    init(path: String) throws(ApusError) {
        guard !path.isEmpty else { throw ApusError(.badParameter, "a drawer needs a name") }
        self.path = path
    }

    var description: StorageDescription {
        var description = memory.description
        description.name = "drawer"
        description.path = path
        return description
    }

    func openWriter() throws(ApusError) -> any StorageWriter { memory.openWriter() }
    func openReader() throws(ApusError) -> any StorageReader { memory.openReader() }
    func bytesStored() -> Int { memory.bytesStored() }
    func copy(to path: String) throws(ApusError) { try memory.copy(to: path) }
    func faults(limit: Int) -> [String] { memory.faults(limit: limit) }
}

@Suite struct ThirdPartyStorageTests {
    @Test(arguments: StorageLaws.all) func `a storage of one's own is held to the same laws`(_ law: StorageLaw)
        async throws
    {
        try await law.check(StoragePlace(isKept: false) { try DrawerBackend(path: "top") })
    }

    @Test func `a registered storage is served under its name`() async throws {
        var registry = PluginRegistry.standard
        registry.register(storage: "drawer") { opening throws(ApusError) in try DrawerBackend(path: opening.path) }
        let settings = try Settings.load(
            environment: [
                "JWT_SECRET": String(repeating: "s", count: 32), "ADMIN_API_KEY": "key", "HOST": "127.0.0.1",
                "PORT": "0",
                "DB_PATH": "drawer:top",
            ], dotEnv: nil)
        let server = try Server(settings: settings, registry: registry, logger: Logger(label: "test"))
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let running = Task { try await server.run { port.yield($1) } }
        var listening = ports.makeAsyncIterator()
        let number = try #require(await listening.next())
        let url = try #require(URL(string: "http://127.0.0.1:\(number)/health"))
        let (body, _) = try await URLSession.shared.data(from: url)
        #expect(String(decoding: body, as: UTF8.self).contains(#""storage":{"backend":"drawer""#))
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
            (error as? ApusError)?.message.contains(#""floppy"; there are: lmdb, memory, sqlite"#) ?? false
        }
    }
}
