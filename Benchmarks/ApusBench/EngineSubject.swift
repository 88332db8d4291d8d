import ApusCore
import ApusEngine
import ApusServer
import Logging

/// The engine inside this process, on a storage of its own; its threads on core 0.
///
/// Nothing is swept: what a run writes does not end.
final class EngineSubject: Subject {
    let folder: Folder
    let engine: Engine

    /// Opens the storage in a new folder and starts the engine.
    init(_ variant: Variant, isPinned: Bool, in parent: Folder) throws {
        let data: Folder = try parent.makeRunFolder()
        folder = data
        let calls = try LinuxCalls()
        do {
            let url = StorageURL(variant.backend == "memory" ? "memory:" : "\(variant.backend):\(data.path)/bench.db")
            // Threads inherit the core they were started on.
            if isPinned { try calls.pin(toCore: 0) }
            let storage = try PluginRegistry.standard.openStorage(
                url, durability: variant.durability == "normal" ? .normal : .full, access: .serving)
            var settings = EngineSettings()
            settings.rateLimitPerMinute = 0
            let logger = Logger(label: "apus-bench") { _ in SwiftLogNoOpLogHandler() }
            engine = try Engine(storage: storage, settings: settings, logger: logger)
            if isPinned { try calls.pin(toCore: 1) }
        } catch {
            data.remove()
            guard let fault = error as? ApusError else { throw error }
            throw BenchError(fault.message + (fault.cause.map { " (\($0))" } ?? ""))
        }
    }

    /// Everything but the thread that asks.
    var processorSeconds: Double { Moment.processorSeconds - Moment.threadProcessorSeconds }

    var clientProcessorSeconds: Double { Moment.threadProcessorSeconds }

    var residentBytes: Int { ResidentMemory.bytes(ofProcess: "self") }

    func stop() {
        engine.stop()
    }
}
