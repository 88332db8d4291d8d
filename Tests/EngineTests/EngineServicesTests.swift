import ApusCore
import ApusTesting
import Logging
import ServiceLifecycle
import Testing

@testable import ApusEngine

@Suite struct EngineServicesTests {
    @Test func `beside its services the engine is swept by itself, and stopped in the end`() async throws {
        let stage = try EngineStage { $0.cleanupInterval = .milliseconds(1) }
        await stage.write(.set("k", expiry: .afterSeconds(1)))
        stage.engine.noteRefusal(
            ApusError(.forbidden, "no"), of: "GET /x", origin: RequestOrigin(actor: "user:u", ip: "a", requestID: ""))
        let group = ServiceGroup(
            configuration: .init(
                services: stage.engine.services.map { .init(service: $0) },
                logger: Logger(label: "engine-tests", factory: { _ in SwiftLogNoOpLogHandler() })))
        let running = Task { try await group.run() }
        stage.clock.advance(bySeconds: 60)
        while stage.witness.changes().count < 2 { await Task.yield() }
        #expect(stage.witness.stories() == ["k=1 #1", "k deleted #2"])
        while try stage.reader().auditEntries(limit: 9).count < 2 { await Task.yield() }
        let refusals = try stage.reader().auditEntries(limit: 9).filter { $0.action == "request.refused" }
        #expect(refusals.map(\.detail) == ["1 in this minute"])

        // Refusals of a minute that is not over are written at the end.
        stage.engine.noteRefusal(
            ApusError(.rateLimited, "no"), of: "GET /y", origin: RequestOrigin(actor: "user:u", ip: "a", requestID: ""))
        await group.triggerGracefulShutdown()
        try await running.value
        #expect(await stage.write(.set("late")).stories == ["refused overloaded"])
        #expect(try stage.reader().auditEntries(limit: 9).contains { $0.outcome == "rate-limited" })
    }

    @Test func `sweeping that fails is tried again`() async throws {
        let stage = try EngineStage()
        await stage.write(.set("k", expiry: .afterSeconds(1)))
        stage.clock.advance(bySeconds: 1)
        stage.backend.failNextCommit(with: .storageFull(cause: "ENOSPC"))
        await #expect(throws: ApusError.self) { try await stage.sweep() }
        #expect(stage.witness.changes().count == 1)
        try await stage.sweep()
        #expect(stage.witness.stories().last == "k deleted #2")
    }

    @Test func `token ids are 128 random bits in hex`() {
        let ids = (0..<1000).map { _ in Engine.randomTokenID() }
        #expect(Set(ids).count == 1000)
        #expect(ids.allSatisfy { $0.utf8.count == 32 && $0.allSatisfy(\.isHexDigit) })
    }

    @Test func `the engine tells what it runs on`() async throws {
        let stage = try EngineStage()
        stage.clock.advance(bySeconds: 9)
        let report = try await stage.answer { stage.engine.health(then: $0) }.get()
        #expect(report.startedAt == start)
        #expect(report.storage.name == "memory" && report.fault == nil)
        #expect(stage.engine.epoch == Epoch("epoch"))
        #expect(stage.engine.now() == start.advanced(bySeconds: 9))
    }
}
