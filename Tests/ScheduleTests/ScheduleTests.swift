import Foundation
import Testing

/// Random orders of everything that happens between the storage and the clients, with the real engine and the real
/// sessions; `docs/architecture.md` says how to run many.
@Suite(.serialized) struct ScheduleTests {
    @Test func `in whatever order things happen, every subscription is told each of its changes once and in order`()
        throws
    {
        var told: [String: Int] = [:]
        for seed in Setting.seeds {
            let schedule = try Schedule(seed: seed)
            try schedule.run()
            for line in schedule.story { told[kind(of: line), default: 0] += 1 }
            guard !schedule.violations.isEmpty else { continue }
            let story = Setting.isVerbose ? "\n" + schedule.story.joined(separator: "\n") : ""
            let complaints = schedule.violations.prefix(5).joined(separator: "\n")
            Issue.record("seed \(seed), \(schedule.violations.count):\n\(complaints)\(story)")
            return
        }
        print("told:", told.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
    }

    private func kind(of line: String) -> String {
        let word = line.split(separator: " ").dropFirst().first ?? ""
        return word.allSatisfy(\.isNumber) ? "events" : word.hasPrefix("{") ? "messages" : String(word)
    }

    @Test func `a seed always gives the same schedule`() throws {
        for seed in Setting.seeds.prefix(20) {
            let schedules = [try Schedule(seed: seed), try Schedule(seed: seed)]
            for schedule in schedules { try schedule.run() }
            #expect(schedules[0].story == schedules[1].story, "seed \(seed)")
        }
    }
}

/// What the environment asks for.
private enum Setting {
    /// `APUS_SCHEDULE_SEED`, or `APUS_SCHEDULE_SEEDS` fresh ones, printed.
    static let seeds: [UInt64] = {
        if let seed = value("APUS_SCHEDULE_SEED") { return [seed] }
        let first = UInt64.random(in: 0...UInt64.max / 2)
        let count = value("APUS_SCHEDULE_SEEDS") ?? 2000
        print("schedules of \(count) seeds from \(first) on")
        return (0..<count).map { first + $0 }
    }()

    /// One seed is told whole.
    static let isVerbose = value("APUS_SCHEDULE_SEED") != nil

    private static func value(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }
}
