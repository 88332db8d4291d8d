import ApusCore
import Synchronization
import Testing

@testable import ApusEngine

@Suite struct OverviewTests {
    private let totals = StorageTotals(users: 1, records: 2, tombstones: 3, devices: 4, revocations: 5)

    @Test func `those who ask while one is counting share what it finds`() {
        let counter = Counter()
        let answers = Log<Int>()
        for number in 0..<3 { counter.cache.get(counting: counter.count) { _ in answers.append(number) } }
        #expect(counter.underWay == 1 && answers.entries.isEmpty)
        counter.finish(.success(totals))
        #expect(answers.entries == [0, 1, 2])
    }

    @Test func `a count is good for 19 times as long as it took`() {
        let counter = Counter()
        let answers = Log<StorageTotals?>()
        func ask() { counter.cache.get(counting: counter.count) { answers.append(try? $0.get()) } }
        ask()
        counter.advance(by: .milliseconds(100))
        counter.finish(.success(totals))
        counter.advance(by: .milliseconds(1899))
        ask()
        #expect(answers.entries == [totals, totals] && counter.underWay == 0)
        counter.advance(by: .milliseconds(1))
        ask()
        #expect(answers.entries.count == 2 && counter.underWay == 1)
    }

    @Test func `a count that failed is told, and not kept`() {
        let counter = Counter()
        let answers = Log<StorageTotals?>()
        func ask() { counter.cache.get(counting: counter.count) { answers.append(try? $0.get()) } }
        ask()
        counter.advance(by: .seconds(9))
        counter.finish(.failure(.storageBusy(cause: "the test")))
        #expect(answers.entries == [nil])
        ask()
        #expect(counter.underWay == 1)
    }

    @Test func `an overview has what is stored, and the newest changes first, without their values`() async throws {
        let stage = try EngineStage { $0.limits.overviewRowsMax = 3 }
        _ = try await stage.issue("u1")
        _ = await stage.write(.bulk((0..<5).map { .set("\($0)", "\"secret\"") }))
        await stage.write(.delete("4"))
        let overview = try await stage.answer { stage.engine.overview(then: $0) }.get()
        #expect(
            overview.totals == StorageTotals(users: 1, records: 4, tombstones: 1, devices: 0, revocations: 0))
        #expect(overview.changes.map(\.sequence.rawValue) == [6, 5, 4])
        #expect(overview.changes.map(\.isDeletion) == [true, false, false])
        #expect(overview.audit.map(\.action) == ["data.write", "data.write", "token.issue"])
        #expect(!"\(overview)".contains("secret"))
    }
}

/// Counts when it is told to, on a clock of its own.
private final class Counter: Sendable {
    private let shift = Shift()
    private let waiting: Mutex<[Completion<StorageTotals>]> = Mutex([])
    let cache: TotalsCache

    init() {
        let begin = ContinuousClock.now
        cache = TotalsCache { [shift] in begin.advanced(by: shift.value) }
    }

    var underWay: Int { waiting.withLock { $0.count } }

    func count(_ then: @escaping Completion<StorageTotals>) { waiting.withLock { $0.append(then) } }

    func advance(by duration: Duration) { shift.add(duration) }

    func finish(_ result: Result<StorageTotals, ApusError>) {
        let all = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        for then in all { then(result) }
    }
}

private final class Shift: Sendable {
    private let kept: Mutex<Duration> = Mutex(.zero)

    var value: Duration { kept.withLock { $0 } }

    func add(_ duration: Duration) { kept.withLock { $0 += duration } }
}
