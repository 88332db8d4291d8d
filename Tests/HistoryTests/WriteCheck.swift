/// Holds every change of one user in one era to what was asked for, and every acknowledgement to the changes.
struct WriteCheck {
    struct Origin {
        var request: Request
        var item: Item
        var sent: Int
    }

    let history: History
    let user: Int
    let era: Int
    let chronicle: Chronicle
    /// The user's requests that were sent in this era or before.
    let requests: [Request]
    private(set) var origins: [String: Origin] = [:]
    /// Change numbers of what was acknowledged in this era or before, as its item.
    private(set) var acknowledged: [Int: (request: Int, item: Int)] = [:]
    private(set) var violations: [Violation] = []

    init(_ history: History, user: Int, era: Int, _ chronicle: Chronicle) {
        self.history = history
        self.user = user
        self.era = era
        self.chronicle = chronicle
        requests = history.requests.compactMap { request in
            var request = request
            request.attempts = request.attempts.filter { $0.era <= era }
            return request.user == user && !request.attempts.isEmpty ? request : nil
        }
        for request in requests {
            let sent = request.attempts.map(\.sent).min() ?? 0
            for item in request.items {
                if let value = item.value { origins[value] = Origin(request: request, item: item, sent: sent) }
            }
        }
    }

    mutating func run() {
        readAnswers()
        let located = checkOrigins()
        checkOrder()
        checkHoles(located)
        checkBulks(located)
        checkDecisions()
        checkFinal()
    }

    mutating func report(_ rule: Violation.Rule, _ detail: String) {
        violations.append(Violation(rule: rule, detail: "\(history.users[user]), era \(era): \(detail)"))
    }

    /// A number belongs to an acknowledged item if the chronicle still has it so: a restored backup may not.
    private mutating func readAnswers() {
        for (number, request) in requests.enumerated() {
            for attempt in request.attempts {
                guard case .answered(let results, _, _) = attempt.outcome else { continue }
                for (index, result) in results.enumerated() {
                    guard case .applied(let state) = result, chronicle.facts[state.sequence]?.state == state
                    else { continue }
                    acknowledged[state.sequence] = (number, index)
                }
            }
        }
    }

    // MARK: Who asked for it

    /// Where each value was found.
    private mutating func checkOrigins() -> [String: [Int]] {
        var located: [String: [Int]] = [:]
        var deletes: [Address: Int] = [:]
        for sequence in chronicle.sequences {
            guard let fact = chronicle.facts[sequence] else { continue }
            guard let value = fact.state.value else {
                checkTombstone(fact, &deletes)
                continue
            }
            guard let origin = origins[value], origin.item.address == fact.state.address else {
                report(.uncommitted, "nobody wrote \(fact.state)")
                continue
            }
            if fact.seen < origin.sent { report(.uncommitted, "seen before it was sent: \(fact.state)") }
            located[value, default: []].append(sequence)
            if let others = located[value], others.count > 1 {
                report(.doubleApply, "\(others) are the same write: \(fact.state)")
            } else if acknowledged[sequence] == nil, !origin.request.mayBeDone {
                report(.uncommitted, "this was not applied, its answer said: \(fact.state)")
            }
        }
        return located
    }

    private mutating func checkTombstone(_ fact: Chronicle.Fact, _ deletes: inout [Address: Int]) {
        let state = fact.state
        let previous = chronicle.state(at: state.address, after: state.sequence - 1)
        let isOver = previous?.expiresAt.map { $0 <= state.changedAt } ?? false
        let unseen = requests.filter { request in
            request.mayBeDone && request.items.contains { $0.address == state.address }
        }
        if fact.isExpiry, !isOver, !unseen.contains(where: { $0.items.contains(where: \.hasExpiry) }) {
            report(.uncommitted, "it had time left: \(state), before it \(previous.map(\.description) ?? "nothing")")
        }
        if let (number, index) = acknowledged[state.sequence] {
            if requests[number].items[index].value != nil { report(.uncommitted, "a set became \(state)") }
            return
        }
        if isOver { return }
        let mayDelete = unseen.filter { $0.items.contains { $0.address == state.address && $0.value == nil } }
        let mayExpire = unseen.filter { $0.items.contains { $0.address == state.address && $0.hasExpiry } }
        deletes[state.address, default: 0] += 1
        let most = mayDelete.reduce(mayExpire.count) { count, request in
            count + request.items.filter { $0.address == state.address && $0.value == nil }.count
        }
        if deletes[state.address] ?? 0 > most { report(.uncommitted, "nobody deleted it: \(state)") }
    }

    // MARK: Numbers

    /// What was committed before another write was sent has a lower number.
    private mutating func checkOrder() {
        var earliest = (seen: Int.max, sequence: 0)
        for sequence in chronicle.sequences.reversed() {
            guard let fact = chronicle.facts[sequence] else { continue }
            let sent =
                fact.state.value.flatMap { origins[$0]?.sent }
                ?? acknowledged[sequence].map { requests[$0.request].attempts.map(\.sent).min() ?? 0 }
            if let sent, earliest.seen < sent {
                report(.order, "\(fact.state) was sent after \(earliest.sequence) was there")
            }
            if fact.seen < earliest.seen { earliest = (fact.seen, sequence) }
        }
    }

    /// Each number up to the last has something to account for it.
    private mutating func checkHoles(_ located: [String: [Int]]) {
        var last = max(chronicle.sequences.last ?? 0, history.eras[era].base[user])
        for session in history.sessions where session.era == era && session.user == user {
            for case .hello(_, let sequence) in session.steps.map(\.what) { last = max(last, sequence) }
        }
        if era == history.eras.count - 1 {
            for final in history.finals where final.user == user { last = max(last, final.last) }
        }
        let holes = last - chronicle.sequences.count
        guard holes > 0 else { return }
        var most = 0
        for request in requests where request.mayBeDone {
            for item in request.items where item.value.map({ located[$0] == nil }) ?? true {
                most += item.hasExpiry ? 2 : 1
            }
        }
        for sequence in chronicle.sequences {
            guard let state = chronicle.facts[sequence]?.state, let end = state.expiresAt, end <= history.endedAt
            else { continue }
            let next = chronicle.change(of: state.address, after: sequence)
            if next == nil || next?.value != nil { most += 1 }
        }
        if holes > most { report(.hole, "\(holes) of \(last) numbers mean nothing, and \(most) may be unseen") }
    }

    /// Nothing comes between the items of a bulk.
    private mutating func checkBulks(_ located: [String: [Int]]) {
        var numbers: [Int: [(item: Int, sequence: Int)]] = [:]
        for (sequence, place) in acknowledged { numbers[place.request, default: []].append((place.item, sequence)) }
        for (number, request) in requests.enumerated() where request.isBulk {
            var found = numbers[number] ?? []
            if found.isEmpty {
                for (index, item) in request.items.enumerated() {
                    if let sequence = item.value.flatMap({ located[$0]?.first }) { found.append((index, sequence)) }
                }
            }
            found.sort { $0.item < $1.item }
            let sequences = found.map(\.sequence)
            if sequences != sequences.sorted() { report(.tornBulk, "items are not in their order: \(sequences)") }
            guard let first = sequences.first, let last = sequences.last, first < last else { continue }
            for sequence in first...last where !sequences.contains(sequence) {
                guard let state = chronicle.facts[sequence]?.state else { continue }
                let isItsOwn =
                    numbers[number] == nil && state.value == nil
                    && request.items.contains { $0.value == nil && $0.address == state.address }
                if !isItsOwn { report(.tornBulk, "between \(first) and \(last) there is \(state)") }
            }
        }
    }
}
