/// What each change number of one user means in one era, put together from all that anybody saw.
struct Chronicle: Sendable {
    struct Fact: Sendable {
        var state: State
        /// When it was seen first.
        var seen: Int
        var isExpiry = false
    }

    private(set) var facts: [Int: Fact] = [:]
    /// Change numbers, rising; and those of each address.
    private(set) var sequences: [Int] = []
    private(set) var byAddress: [Address: [Int]] = [:]

    /// Changes up to `base` as the era before knew them.
    init(continuing before: Chronicle? = nil, through base: Int = 0) {
        facts = before?.facts.filter { $0.key <= base } ?? [:]
    }

    /// What was seen, unless it contradicts what was seen before.
    mutating func add(_ state: State, at tick: Int, isExpiry: Bool = false) -> Violation? {
        guard var fact = facts[state.sequence] else {
            facts[state.sequence] = Fact(state: state, seen: tick, isExpiry: isExpiry)
            return nil
        }
        guard fact.state == state else {
            return Violation(
                rule: .disagreement, detail: "\(state.sequence) is \(fact.state), and at tick \(tick) \(state)")
        }
        fact.seen = min(fact.seen, tick)
        fact.isExpiry = fact.isExpiry || isExpiry
        facts[state.sequence] = fact
        return nil
    }

    /// Puts in order what was added.
    mutating func sort() {
        sequences = facts.keys.sorted()
        byAddress = Dictionary(grouping: sequences) { facts[$0]?.state.address ?? Address(collection: "", key: "") }
    }

    /// The state at `address` after the change `sequence`; `nil` if there was none yet.
    func state(at address: Address, after sequence: Int) -> State? {
        byAddress[address]?.last { $0 <= sequence }.flatMap { facts[$0]?.state }
    }

    /// The first change of `address` after `sequence`.
    func change(of address: Address, after sequence: Int) -> State? {
        byAddress[address]?.first { $0 > sequence }.flatMap { facts[$0]?.state }
    }

    /// The first known change in `after+1...through` that one of `scopes` contains.
    func firstChange(after: Int, through: Int, of scopes: some Sequence<Scope>) -> State? {
        var low = 0
        var high = sequences.count
        while low < high {
            let middle = (low + high) / 2
            if sequences[middle] <= after { low = middle + 1 } else { high = middle }
        }
        for sequence in sequences[low...] {
            guard sequence <= through, let state = facts[sequence]?.state else { break }
            if scopes.contains(where: { $0.contains(state.address) }) { return state }
        }
        return nil
    }
}

extension State: CustomStringConvertible {
    var description: String {
        let what = value.map { String($0.prefix(60)) } ?? "deleted"
        let end = expiresAt.map { " until \($0)" } ?? ""
        return "#\(sequence) \(address.collection)/\(address.key) \(what) at \(changedAt)\(end)"
    }
}
