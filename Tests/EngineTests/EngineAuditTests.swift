import ApusCore
import ApusTesting
import Testing

@testable import ApusEngine

@Suite struct EngineAuditTests {
    private let entry = AuditEntry(at: start, origin: .admin, action: "admin.read", target: "u1", detail: "deleted")

    @Test func `what an administrator reads is in the audit log before the answer comes`() async throws {
        let stage = try EngineStage()
        try await stage.answer { stage.engine.noteAudit(entry, then: $0) }.get()
        let kept = try stage.reader().auditEntries(limit: 9)
        #expect(kept.map(\.origin) == [.admin] && kept.map(\.action) == ["admin.read"])
        #expect(kept.map(\.target) == ["u1"] && kept.map(\.detail) == ["deleted"])
    }

    @Test(arguments: [
        ApusError.storageFull(cause: "full"), .storageUnavailable(cause: "gone"), .storageBusy(cause: "busy"),
    ])
    func `an entry that could not be written is not said to be`(_ fault: ApusError) async throws {
        let stage = try EngineStage()
        stage.backend.failNextCommit(with: fault)
        let answer = await stage.answer { stage.engine.noteAudit(entry, then: $0) }
        guard case .failure(let error) = answer else {
            Issue.record("it was said to be written")
            return
        }
        #expect(error.code.rawValue == (fault.code == .overloaded ? "overloaded" : "storage-unavailable"))
        #expect(try stage.reader().auditEntries(limit: 9).isEmpty)
    }
}
