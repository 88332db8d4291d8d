import ApusCore
import ApusProtocol
import NIOCore
import Synchronization

/// Takes the engine's changes, encodes each once in every form that is wanted, and hands them once to every event loop
/// that has subscribers for them.
final class FeedHub: FeedObserver {
    private struct State {
        var lanes: [Lane] = []
        /// One bit for each lane that has subscribers of the owner, by how they are told.
        var interest: [FeedKey: UInt64] = [:]
    }

    private struct Counts {
        var connections: [String: Int] = [:]
        var sockets: [OwnerID: Int] = [:]
    }

    /// The room for the bodies of requests.
    let bodies = BodyRoom()
    /// The administrators who watch.
    let tails = ChangeTails()

    private let state: Mutex<State> = Mutex(State())
    private let connections = Atomic<Int>(0)
    private let sockets = Atomic<Int>(0)
    private let streams = Atomic<Int>(0)
    private let counts: Mutex<Counts> = Mutex(Counts())

    /// How many event loops interest can be kept for.
    static let lanesMax = UInt64.bitWidth

    func open(_ lanes: [Lane]) {
        precondition(lanes.count <= Self.lanesMax)
        state.withLock { $0.lanes = lanes }
    }

    var lanes: [Lane] { state.withLock { $0.lanes } }

    func setInterest(of lane: Int, in key: FeedKey, _ isInterested: Bool) {
        state.withLock { state in
            let bit: UInt64 = 1 << UInt64(lane)
            let others = (state.interest[key] ?? 0) & ~bit
            let mask = isInterested ? others | bit : others
            state.interest[key] = mask == 0 ? nil : mask
        }
    }

    func publish(_ changes: [Change]) {
        tails.publish(changes)
        let (lanes, interest) = interest(in: changes)
        guard !interest.isEmpty else { return }
        var writers: [FeedKey: FeedRunWriter] = [:]
        for change in changes {
            for wire in Wire.all {
                let key = FeedKey(owner: change.record.address.owner, wire: wire)
                guard interest[key] != nil else { continue }
                writers[key, default: FeedRunWriter(wire: wire)].append(change)
            }
        }
        for (key, writer) in writers {
            let runs = writer.finish()
            for lane in lanes where (interest[key] ?? 0) & 1 << UInt64(lane.index) != 0 {
                lane.post { lane.state.deliver(runs, to: key) }
            }
        }
    }

    /// The lanes, and which of them want to hear of the owners of `changes`.
    private func interest(in changes: [Change]) -> (lanes: [Lane], interest: [FeedKey: UInt64]) {
        state.withLock { state in
            guard !state.interest.isEmpty else { return ([], [:]) }
            var interest: [FeedKey: UInt64] = [:]
            var known: OwnerID?
            for change in changes where change.record.address.owner != known {
                known = change.record.address.owner
                for wire in Wire.all {
                    let key = FeedKey(owner: change.record.address.owner, wire: wire)
                    interest[key] = state.interest[key]
                }
            }
            return (state.lanes, interest)
        }
    }

    func revoked(_ revocation: Revocation) {
        for lane in state.withLock({ $0.lanes }) {
            lane.post { lane.state.apply(revocation) }
        }
    }

    func presenceChanged(_ change: PresenceChange) {
        for wire in Wire.all {
            let key = FeedKey(owner: change.owner, wire: wire)
            let (lanes, mask) = state.withLock { ($0.lanes, $0.interest[key] ?? 0) }
            guard mask != 0 else { continue }
            var bytes = ByteBuffer()
            wire.write(.presence(change), to: &bytes)
            for lane in lanes where mask & 1 << UInt64(lane.index) != 0 {
                lane.post { [bytes] in lane.state.broadcast(bytes, to: key) }
            }
        }
    }
}

/// Whose events, and in which form.
struct FeedKey: Hashable {
    var owner: OwnerID
    var wire: Wire
}

// MARK: - Counts

extension FeedHub {
    var connectionCount: Int { connections.load(ordering: .relaxed) }
    /// Sockets and event streams.
    var socketCount: Int { sockets.load(ordering: .relaxed) }

    var connectionCounts: ConnectionCounts {
        let streams = streams.load(ordering: .relaxed)
        return ConnectionCounts(sockets: socketCount - streams, streams: streams, connections: connectionCount)
    }

    /// One of the sockets that were taken is an event stream, or is one no more.
    func countStream(_ isOpen: Bool) {
        if isOpen { streams.add(1, ordering: .relaxed) } else { streams.subtract(1, ordering: .relaxed) }
    }

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
