import ApusCore
import Testing

@testable import ApusHTTP

@Suite struct ReadinessTests {
    private func report(fault: ApusError? = nil, isOverloaded: Bool = false) -> HealthReport {
        HealthReport(
            storage: StorageDescription(
                name: "memory", path: "", durability: .full, schemaVersion: 1, epoch: Epoch("e")),
            storageBytes: 0, startedAt: Timestamp(milliseconds: 0), fault: fault, isOverloaded: isOverloaded)
    }

    @Test func `a server is ready while its storage takes writes and there is room for them`() {
        #expect(ReadinessRoutes.obstacle(in: report()) == nil)
        #expect(ReadinessRoutes.obstacle(in: report(isOverloaded: true))?.code == .overloaded)
        let failed = ReadinessRoutes.obstacle(in: report(fault: .storageUnavailable(cause: "EIO"), isOverloaded: true))
        #expect(failed?.code == .storageUnavailable)
        #expect(failed?.retryAfterSeconds == 5 && failed?.cause == nil)
    }
}
