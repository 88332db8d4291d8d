/// What happened in histories, counted, so that one can see that something did.
struct Tally: Sendable {
    private var counts: [String: Int] = [:]

    mutating func add(_ history: History) {
        add("runs", 1)
        add("eras", history.eras.count)
        for request in history.requests {
            for attempt in request.attempts { add(attempt) }
        }
        add("reads", history.reads.count)
        add("sessions", history.sessions.count)
        for step in history.sessions.flatMap(\.steps) {
            switch step.what {
            case .event: add("events", 1)
            case .current: add("catch-ups", 1)
            case .reset(_, let reason): add("reset \(reason)", 1)
            case .subscribed: add("subscribe", 1)
            case .unsubscribed: add("unsubscribe", 1)
            case .hello, .acknowledged, .strange: break
            }
        }
    }

    private mutating func add(_ attempt: Attempt) {
        switch attempt.outcome {
        case .unknown: add("no answer", 1)
        case .refused(let code): add(code, 1)
        case .answered(let results, _, let isReplay):
            if isReplay == true { add("replayed", 1) }
            for result in results {
                switch result {
                case .applied: add("applied", 1)
                case .lost(let reason, _): add(reason, 1)
                case .refused(let code): add("in bulk: \(code)", 1)
                }
            }
        }
    }

    private mutating func add(_ name: String, _ count: Int) {
        counts[name, default: 0] += count
    }
}

extension Tally: CustomStringConvertible {
    var description: String {
        counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    }
}
