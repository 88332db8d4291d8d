import ApusCore
import ApusMemory
import ApusTesting
import Testing

@testable import ApusEngine

@Suite struct AuditSearchTests {
    private func stage(_ entries: [AuditEntry]) throws -> EngineStage {
        let backend = FaultyBackend(MemoryBackend(makeEpoch: { "e" }))
        try backend.fill(with: entries)
        return try EngineStage(backend: backend)
    }

    private func page(
        _ stage: EngineStage, limit: Int = 1000, _ ask: (inout AuditQuery) -> Void = { _ in }
    ) async throws -> AuditPage {
        var query = AuditQuery(limit: limit)
        ask(&query)
        let asked = query
        return try await stage.answer { stage.engine.auditEntries(asked, then: $0) }.get()
    }

    private func numbers(_ stage: EngineStage, _ ask: (inout AuditQuery) -> Void) async throws -> [Int64] {
        let page = try await page(stage, ask)
        #expect(page.next == nil)
        return page.entries.map(\.number)
    }

    private func seconds(_ count: Int64) -> Timestamp { start.advanced(bySeconds: count) }

    @Test func `entries come newest first, and only those that are asked for`() async throws {
        let stage = try stage([
            .test(1, at: seconds(1), actor: "admin", action: "token.issue", target: "u1"),
            .test(2, at: seconds(2)), .test(3, at: seconds(2), actor: "user:u"),
            .test(4, at: seconds(3), action: "token.revoke", target: "u1/c"), .test(5, at: seconds(4), action: "token"),
        ])
        #expect(try await numbers(stage) { _ in } == [5, 4, 3, 2, 1])
        #expect(try await numbers(stage) { $0.filter.actor = "user:u" } == [3])
        #expect(try await numbers(stage) { $0.filter.actor = "user:" } == [])
        #expect(try await numbers(stage) { $0.filter.action = .named("token") } == [5])
        #expect(try await numbers(stage) { $0.filter.action = .beginning(with: "token.") } == [4, 1])
        #expect(try await numbers(stage) { $0.filter.action = .beginning(with: "") } == [5, 4, 3, 2, 1])
        #expect(try await numbers(stage) { $0.filter.target = "u1" } == [1])
        #expect(try await numbers(stage) { $0.filter.since = seconds(2) } == [5, 4, 3, 2])
        #expect(try await numbers(stage) { $0.filter.until = seconds(2) } == [1])
        #expect(
            try await numbers(stage) { ($0.filter.since, $0.filter.until) = (seconds(2), seconds(3)) } == [3, 2])
        #expect(
            try await numbers(stage) { ($0.filter.actor, $0.filter.action) = ("user:u1", .beginning(with: "token")) }
                == [5, 4])
    }

    @Test func `pages go on where the one before ended, while the log grows and shrinks`() async throws {
        let stage = try stage((1...10).map { .test($0, at: start) })
        var found: [Int64] = []
        var next: Int64?
        repeat {
            let page = try await page(stage, limit: 3) { $0.before = next }
            #expect(page.entries.count == 3 || page.next == nil)
            found += page.entries.map(\.number)
            next = page.next
            await stage.write(.set("k"))
        } while next != nil
        #expect(found == (1...10).reversed())
        #expect(try await page(stage, limit: 14).next == nil, "the last page says so although it is full")
        #expect(try await numbers(stage) { $0.before = 1 } == [])
    }

    @Test func `one call looks at a bounded part of the log, and says where to go on`() async throws {
        let looked = AuditSearch.entriesLookedAtMax
        let count = 2 * looked + 500
        let stage = try stage(
            (1...count).map { .test($0, at: seconds(Int64($0)), action: $0 == 5 ? "rare" : "data.write") })
        var pages: [AuditPage] = []
        var next: Int64?
        repeat {
            let page = try await page(stage) {
                $0.filter.action = .named("rare")
                $0.before = next
            }
            pages.append(page)
            next = page.next
        } while next != nil
        #expect(pages.map { $0.entries.map(\.number) } == [[], [], [5]])
        #expect(pages.map(\.next) == [Int64(count - looked + 1), Int64(count - 2 * looked + 1), nil])
    }

    @Test func `what is older than asked for, or newer, is not looked at`() async throws {
        let count: Int64 = 60_000
        let stage = try stage((1...Int(count)).map { .test($0, at: seconds(Int64($0))) })
        for last in [1, 7, 29_999, count] {
            let page = try await page(stage) {
                ($0.filter.since, $0.filter.until) = (seconds(last - 2), seconds(last + 1))
            }
            #expect(page.entries.map(\.number) == Array(max(1, last - 2)...last).reversed() && page.next == nil)
        }
        #expect(try await numbers(stage) { $0.filter.until = start } == [])
        #expect(try await numbers(stage) { $0.filter.since = seconds(count + 1) } == [])
    }

    @Test func `an entry that tells of an earlier minute than those before it is found by its time`() async throws {
        let minutes = (1...400).map { AuditEntry.test($0, at: seconds(Int64($0) * 30)) }
        let stage = try stage(
            minutes.map { entry in
                var entry = entry
                if entry.number % 10 == 0 { entry.at = entry.at.advanced(bySeconds: -90) }
                return entry
            })
        // The 200th tells of second 5910, between the 196th and the 198th.
        #expect(
            try await numbers(stage) { ($0.filter.since, $0.filter.until) = (seconds(5900), seconds(5911)) } == [
                200, 197,
            ])
    }
}
