import Foundation
import Synchronization
import Testing

@testable import ServerTests

/// Random clients against the real server, and proof from what each of them saw; `docs/architecture.md` says how to run
/// many.
@Suite(.serialized) struct HistoryTests {
    @Test(arguments: Setting.storages)
    func `through crashes, moves and restores every client sees each change once, in order, and no other`(
        _ kind: String
    ) async throws {
        let seeds = Setting.seeds
        let next = Atomic(0)
        let failures = Mutex<[String]>([])
        let tally = Mutex(Tally())
        let lanes = (0..<Setting.lanes).map { _ in
            Background {
                while case let index = next.add(1, ordering: .relaxed).oldValue, index < seeds.count {
                    let seed = seeds[index]
                    do {
                        let history = try Recording.history(of: Plan(seed: seed), on: kind)
                        tally.withLock { $0.add(history) }
                        let violations = HistoryChecker.violations(in: history)
                        guard !violations.isEmpty else { continue }
                        let text = violations.prefix(10).map { "  \($0)" }.joined(separator: "\n")
                        let file = P_tmpdir + "/apus-history-\(kind)-\(seed).txt"
                        writeFile(file, history.story)
                        failures.withLock { failures in
                            failures.append("seed \(seed) on \(kind), \(violations.count), all in \(file):\n\(text)")
                        }
                    } catch {
                        failures.withLock { $0.append("seed \(seed) on \(kind) broke off: \(error)") }
                    }
                }
            }
        }
        for lane in lanes { try await lane.value() }
        print("\(kind): \(tally.withLock { $0 })")
        for failure in failures.withLock({ $0 }) { Issue.record("\(failure)") }
    }
}

/// What the environment asks for.
private enum Setting {
    /// How many runs are under way at once.
    static let lanes = number("APUS_HISTORY_LANES") ?? 4

    static let storages = value("APUS_HISTORY_STORAGE").map { [$0] } ?? keptKinds

    /// `APUS_HISTORY_SEED`, or `APUS_HISTORY_SEEDS` fresh ones, printed.
    static let seeds: [UInt64] = {
        if let seed = value("APUS_HISTORY_SEED").flatMap({ UInt64($0) }) { return [seed] }
        let count = number("APUS_HISTORY_SEEDS") ?? 6
        let first = UInt64.random(in: 0...UInt64.max / 2)
        print("histories of \(count) seeds from \(first) on")
        return (0..<UInt64(count)).map { first + $0 }
    }()

    private static func value(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }
    private static func number(_ name: String) -> Int? { value(name).flatMap { Int($0) } }
}
