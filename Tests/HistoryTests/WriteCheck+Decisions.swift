/// Policies, preconditions, and what is there at the end.
extension WriteCheck {
    mutating func checkDecisions() {
        for sequence in chronicle.sequences {
            guard let state = chronicle.facts[sequence]?.state, let item = item(of: state) else { continue }
            let previous = chronicle.state(at: state.address, after: sequence - 1)
            // Between what is known there may be a change that nobody saw.
            let first = previous?.sequence ?? 0
            guard (first..<sequence).dropFirst().allSatisfy({ chronicle.facts[$0] != nil }) else { continue }
            check(state, item, replacing: previous)
        }
        for request in requests {
            for attempt in request.attempts where attempt.era == era {
                guard case .answered(let results, _, _) = attempt.outcome else { continue }
                for (item, result) in zip(request.items, results) {
                    if case .lost(let reason, let stored) = result { checkLoss(of: item, reason, to: stored) }
                }
            }
        }
    }

    private func item(of state: State) -> Item? {
        if let value = state.value { return origins[value]?.item }
        return acknowledged[state.sequence].map { requests[$0.request].items[$0.item] }
    }

    private mutating func check(_ state: State, _ item: Item, replacing previous: State?) {
        let isForgotten = previous.map { isPurgeable($0) } ?? false
        let mayBeOver = previous?.expiresAt.map { $0 <= history.endedAt } ?? false
        let isLive = previous?.value != nil
        switch item.precondition {
        case .none: break
        case .absent:
            if isLive, !mayBeOver { report(.decision, "If-None-Match: * let \(state) replace \(described(previous))") }
        case .sequence(let number):
            if !isLive || previous?.sequence != number {
                report(.decision, "If-Match \(number) let \(state) replace \(described(previous))")
            }
        }
        // A delete under max_numeric compares no numbers: it is judged by its time.
        if item.policy == .lastWriteWins || item.policy == .maxNumeric && item.value == nil,
            let given = item.updatedAt
        {
            if state.changedAt != given { report(.decision, "\(state) should be of \(given)") }
            if let previous, given < previous.changedAt, !isForgotten {
                report(.decision, "\(state) replaced the newer \(previous)")
            }
            return
        }
        if let previous, state.changedAt <= previous.changedAt, !isForgotten {
            report(.decision, "\(state) is not later than \(previous)")
        }
        guard item.policy == .maxNumeric, item.value != nil, isLive, !mayBeOver, let previous,
            let held = number(in: previous), let number = item.number, number <= held
        else { return }
        report(.decision, "\(number) in \(state) is not greater than \(held) in \(previous)")
    }

    private mutating func checkLoss(of item: Item, _ reason: String, to stored: State) {
        guard let fact = chronicle.facts[stored.sequence]?.state else { return }
        let isOver = stored.value == nil && fact.value != nil
        guard isOver ? fact.expiresAt == stored.changedAt : fact == stored else {
            return report(.disagreement, "an answer says \(stored), which is \(fact)")
        }
        let isRight =
            switch reason {
            case "older": isOver || stored.changedAt > item.updatedAt ?? .min
            case "unchanged": stored.value == item.value && stored.changedAt == item.updatedAt
            case "not-greater": number(in: stored) ?? .min >= item.number ?? .max
            default: false
            }
        if !isRight { report(.decision, "a write of \(item) lost as \(reason) to \(stored)") }
    }

    private func number(in state: State) -> Int? {
        state.value.flatMap { origins[$0]?.item.number }
    }

    private func described(_ state: State?) -> String {
        state.map(\.description) ?? "nothing"
    }

    private func isPurgeable(_ state: State) -> Bool {
        guard state.value == nil, history.eras[era].agedThrough.indices.contains(user) else { return false }
        return state.sequence <= history.eras[era].agedThrough[user]
    }

    // MARK: The end

    /// What REST tells is the last change of each record, and all its ways to tell it agree.
    mutating func checkFinal() {
        guard era == history.eras.count - 1, let final = history.finals.first(where: { $0.user == user }) else {
            return
        }
        let found = Dictionary(final.changes.map { ($0.address, $0) }, uniquingKeysWith: { $1 })
        for address in Set(chronicle.byAddress.keys).union(found.keys) {
            let last = chronicle.state(at: address, after: .max)
            guard found[address] != last, let last else { continue }
            if found[address] == nil, isPurgeable(last) { continue }
            let isAcknowledged = acknowledged[last.sequence] != nil
            report(
                isAcknowledged ? .lostAcknowledgement : .unequal,
                "the end has \(described(found[address])) where there must be \(last)")
        }
        let sequences = final.changes.map(\.sequence)
        if Set(sequences).count != sequences.count || sequences != sequences.sorted() {
            report(.unequal, "a delta is not in order: \(sequences)")
        }
        if let newest = chronicle.sequences.last, newest > final.last {
            report(.lostAcknowledgement, "the end is at \(final.last), and \(newest) was there")
        }
        let live = Set(final.changes.filter { $0.value != nil })
        if live != Set(final.live) {
            report(.unequal, "lists and delta differ in \(live.symmetricDifference(final.live))")
        }
        let counts = Dictionary(grouping: live, by: \.address.collection).mapValues(\.count)
        if counts != final.counts.filter({ $0.value > 0 }) {
            report(.unequal, "the counts are \(final.counts), there are \(counts)")
        }
    }
}
