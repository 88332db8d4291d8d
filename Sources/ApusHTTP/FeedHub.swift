import ApusCore
import ApusProtocol
import NIOCore
import Synchronization

/// Takes the engine's changes, encodes each once, and hands them once to every event loop that has sockets for them.
final class FeedHub: FeedObserver {
    private struct State {
        var lanes: [Lane] = []
        /// One bit for each lane that has sockets of the owner.
        var interest: [OwnerID: UInt64] = [:]
    }

    private let state: Mutex<State> = Mutex(State())
    private let connections = Atomic<Int>(0)
    private let sockets = Atomic<Int>(0)
    private let bodyBytes = Atomic<Int>(0)

    /// How many event loops interest can be kept for.
    static let lanesMax = UInt64.bitWidth

    func open(_ lanes: [Lane]) {
        precondition(lanes.count <= Self.lanesMax)
        state.withLock { $0.lanes = lanes }
    }

    func setInterest(of lane: Int, in owner: OwnerID, _ isInterested: Bool) {
        state.withLock { state in
            let bit: UInt64 = 1 << UInt64(lane)
            let others = (state.interest[owner] ?? 0) & ~bit
            let mask = isInterested ? others | bit : others
            state.interest[owner] = mask == 0 ? nil : mask
        }
    }

    func publish(_ changes: [Change]) {
        let (lanes, interest) = state.withLock { state in
            guard !state.interest.isEmpty else { return ([Lane](), [OwnerID: UInt64]()) }
            var interest: [OwnerID: UInt64] = [:]
            for change in changes {
                let owner = change.record.address.owner
                if interest[owner] == nil { interest[owner] = state.interest[owner] ?? 0 }
            }
            return (state.lanes, interest)
        }
        var writers: [OwnerID: FeedRunWriter] = [:]
        for change in changes where interest[change.record.address.owner] ?? 0 != 0 {
            writers[change.record.address.owner, default: FeedRunWriter()].append(change)
        }
        for (owner, writer) in writers {
            let runs = writer.finish()
            for lane in lanes where (interest[owner] ?? 0) & 1 << UInt64(lane.index) != 0 {
                lane.post { lane.state.deliver(runs, to: owner) }
            }
        }
    }

    func revoked(_ revocation: Revocation) {
        for lane in state.withLock({ $0.lanes }) {
            lane.post { lane.state.apply(revocation) }
        }
    }
}

// MARK: - Counts

extension FeedHub {
    var connectionCount: Int { connections.load(ordering: .relaxed) }
    var socketCount: Int { sockets.load(ordering: .relaxed) }

    func takeConnection(max: Int) -> Bool {
        guard connections.add(1, ordering: .relaxed).newValue <= max else {
            connections.subtract(1, ordering: .relaxed)
            return false
        }
        return true
    }

    func releaseConnection() { connections.subtract(1, ordering: .relaxed) }
    func addSocket() { sockets.add(1, ordering: .relaxed) }
    func removeSocket() { sockets.subtract(1, ordering: .relaxed) }

    /// Takes `count` bytes of the room that all request bodies share; `false` when there is none.
    func takeBodyBytes(_ count: Int, max: Int) -> Bool {
        guard bodyBytes.add(count, ordering: .relaxed).newValue <= max else {
            bodyBytes.subtract(count, ordering: .relaxed)
            return false
        }
        return true
    }

    func releaseBodyBytes(_ count: Int) { bodyBytes.subtract(count, ordering: .relaxed) }
}
