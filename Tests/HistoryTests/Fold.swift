/// What a client knows from all of its sessions: the latest state of each record, as far as it was told of all.
struct Fold {
    private(set) var states: [Address: State] = [:]
    /// The scopes of which it knows everything through `position`.
    private(set) var complete: Set<Scope> = []
    /// The scopes it is being told of.
    private var pending: Set<Scope> = []
    private var catchUps = 0
    private var position = 0
    private var era = 0
    /// What the session before left: scopes, and how far it knew them.
    private var carried: (scopes: Set<Scope>, position: Int) = ([], 0)

    /// A session begins.
    mutating func open(in era: Int) {
        // What came of one catch-up came in order, so that its last change is a position; of several it did not.
        let known = complete.isEmpty && catchUps == 1 ? pending : complete
        carried = era == self.era ? (known, position) : ([], 0)
        self.era = era
        complete = []
        pending = []
        catchUps = 0
    }

    /// It is told of `scopes` from a position on.
    mutating func begin(_ scopes: Set<Scope>, _ resume: Resume) {
        if complete.isEmpty, pending.isEmpty { position = resume.since }
        if pending.isDisjoint(with: scopes) { catchUps += 1 }
        complete.subtract(scopes)
        pending.subtract(scopes)
        if resume.since == 0 {
            states = states.filter { state in !scopes.contains { $0.contains(state.key) } }
            pending.formUnion(scopes)
        } else if scopes.isSubset(of: carried.scopes), resume.since <= carried.position {
            pending.formUnion(scopes)
        }
    }

    mutating func take(_ state: State) {
        states[state.address] = state
        position = max(position, state.sequence)
    }

    /// It was told of everything in `scopes` up to `sequence`.
    mutating func finish(_ scopes: Set<Scope>, at sequence: Int) {
        complete.formUnion(pending.intersection(scopes))
        pending.subtract(scopes)
        position = max(position, sequence)
    }

    /// `scope`, or everything, is not followed any more.
    mutating func forget(_ scope: Scope?) {
        guard let scope else {
            (complete, pending) = ([], [])
            return
        }
        complete.remove(scope)
        pending.remove(scope)
    }
}
