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

    private struct Counts {
        var connections: [String: Int] = [:]
        var sockets: [OwnerID: Int] = [:]
    }

    /// The room for the bodies of requests.
    let bodies = BodyRoom()

    private let state: Mutex<State> = Mutex(State())
    private let connections = Atomic<Int>(0)
    private let sockets = Atomic<Int>(0)
    private let counts: Mutex<Counts> = Mutex(Counts())

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

    func presenceChanged(_ change: PresenceChange) {}
}

// MARK: - Counts

extension FeedHub {
    var connectionCount: Int { connections.load(ordering: .relaxed) }
    var socketCount: Int { sockets.load(ordering: .relaxed) }

    /// How a new connection is received.
    enum Entry {
        case welcome
        /// There are enough of its address: it is only told so.
        case crowded
        /// There are too many: it is closed unheard.
        case full
    }

    func takeConnection(from network: String?, limits: Limits) -> Entry {
        guard connections.add(1, ordering: .relaxed).newValue <= limits.connectionsMax else {
            connections.subtract(1, ordering: .relaxed)
            return .full
        }
        guard let network else { return .welcome }
        let max = limits.connectionsPerAddressMax
        let entry = counts.withLock { counts -> Entry in
            let count = counts.connections[network, default: 0] + 1
            guard count <= max + max / 8 + 1 else { return .full }
            counts.connections[network] = count
            return count <= max ? .welcome : .crowded
        }
        if entry == .full { connections.subtract(1, ordering: .relaxed) }
        return entry
    }

    func releaseConnection(from network: String?) {
        connections.subtract(1, ordering: .relaxed)
        guard let network else { return }
        counts.withLock { Self.countDown(network, in: &$0.connections) }
    }

    func takeSocket(of user: OwnerID, max: Int) -> Bool {
        let isTaken = counts.withLock { counts in
            let count = counts.sockets[user, default: 0] + 1
            guard count <= max else { return false }
            counts.sockets[user] = count
            return true
        }
        if isTaken { sockets.add(1, ordering: .relaxed) }
        return isTaken
    }

    func releaseSocket(of user: OwnerID) {
        sockets.subtract(1, ordering: .relaxed)
        counts.withLock { Self.countDown(user, in: &$0.sockets) }
    }

    private static func countDown<Key>(_ key: Key, in counts: inout [Key: Int]) {
        let count = (counts[key] ?? 0) - 1
        counts[key] = count > 0 ? count : nil
    }
}
