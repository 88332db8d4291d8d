extension History {
    /// Everything that happened, a line each, in order.
    var story: String {
        var lines: [(tick: Int, text: String)] = []
        for (number, era) in eras.enumerated() { lines.append((0, "era \(number): \(era)")) }
        for request in requests {
            for attempt in request.attempts {
                let name = "user \(request.user), era \(attempt.era)"
                let items = request.items.map { "\($0)" }.joined(separator: "; ")
                lines.append((attempt.sent, "\(name): \(request.idempotencyKey ?? "no key"): \(items)"))
                lines.append((attempt.answered, "\(name): answer to that of \(attempt.sent): \(attempt.outcome)"))
            }
        }
        for read in reads {
            lines.append((read.answered, "\(read)"))
        }
        for session in sessions {
            let name = "client \(session.client) of user \(session.user), era \(session.era)"
            let resume = session.resume.map { "\($0)" } ?? "no position"
            lines.append((session.opened, "\(name): opens \(session.scopes) with \(resume)"))
            for step in session.steps { lines.append((step.tick, "\(name): \(step.what)")) }
        }
        for final in finals { lines.append((.max, "\(final)")) }
        return lines.sorted { $0.tick < $1.tick }.map { "\($0.tick) \($0.text)\n" }.joined()
    }
}
