import ApusCore
import NIOCore
import Synchronization

/// What names a socket or event stream to an administrator.
struct ConnectionID: Hashable, Sendable {
    /// Of one run of the server: a later one uses the same numbers.
    let process: String
    let lane: Int
    let number: UInt64

    init(process: String, lane: Int, number: UInt64) {
        self.process = process
        self.lane = lane
        self.number = number
    }

    init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, let lane = Int(parts[1]), let number = UInt64(parts[2]) else { return nil }
        self.init(process: String(parts[0]), lane: lane, number: number)
        guard self.text == text else { return nil }
    }

    var text: String { "\(process)-\(lane)-\(number)" }
}

/// A socket or event stream as it was at a moment.
struct ConnectionGlance: Sendable {
    /// How slow its client is: what it has not taken, in bytes, then in changes.
    struct Delay: Comparable, Sendable {
        var bytes = 0
        var changes: Int64 = 0

        static func < (left: Delay, right: Delay) -> Bool {
            (left.bytes, left.changes) < (right.bytes, right.changes)
        }
    }

    var id: ConnectionID
    var wire: Wire
    var user: OwnerID
    var device: DeviceID?
    var address: String
    var openedAt: Timestamp
    var position: SequenceNumber
    var delay: Delay
}

/// The slowest of many.
struct SlowestConnections: Sendable {
    let countMax: Int
    private var candidates: [ConnectionGlance] = []
    /// What it takes to be among them.
    private var threshold: ConnectionGlance.Delay?

    init(countMax: Int) {
        self.countMax = countMax
    }

    func admits(_ delay: ConnectionGlance.Delay) -> Bool { threshold.map { $0 < delay } ?? true }

    mutating func insert(_ glance: ConnectionGlance) {
        guard admits(glance.delay) else { return }
        candidates.append(glance)
        // Sorting now and then costs less than keeping order.
        if candidates.count >= 2 * countMax { cut() }
    }

    mutating func insert(_ others: SlowestConnections) {
        for glance in others.candidates { insert(glance) }
    }

    /// The slowest first, of two alike the one that has been open for longer.
    var sorted: [ConnectionGlance] {
        let sorted = candidates.sorted { left, right in
            left.delay != right.delay
                ? left.delay > right.delay
                : (left.openedAt, left.id.number) < (right.openedAt, right.id.number)
        }
        return Array(sorted.prefix(countMax))
    }

    private mutating func cut() {
        candidates = sorted
        threshold = candidates.last?.delay
    }
}

/// Looks at all sockets and streams, each on its event loop, a part at a time, so that no loop is kept from its work.
final class ConnectionSurvey: Sendable {
    private struct State {
        var lanesLeft: Int
        var slowest: SlowestConnections
        var total = 0
    }

    private let state: Mutex<State>
    private let then: @Sendable (_ slowest: [ConnectionGlance], _ total: Int) -> Void

    /// Looked at in one go: about a tenth of a millisecond.
    private static let partCount = 512
    static let countMax = 200

    /// - Parameter then: called once, on any thread.
    static func start(
        over lanes: [Lane], then: @escaping @Sendable (_ slowest: [ConnectionGlance], _ total: Int) -> Void
    ) {
        let survey = ConnectionSurvey(laneCount: lanes.count, then)
        for lane in lanes {
            lane.post {
                let listeners = lane.state.listeners
                survey.look(at: listeners[...], SlowestConnections(countMax: countMax), 0, on: lane)
            }
        }
    }

    private init(laneCount: Int, _ then: @escaping @Sendable ([ConnectionGlance], Int) -> Void) {
        state = Mutex(State(lanesLeft: laneCount, slowest: SlowestConnections(countMax: Self.countMax)))
        self.then = then
    }

    private func look(
        at listeners: ArraySlice<Subscriber>, _ found: SlowestConnections, _ before: Int, on lane: Lane
    ) {
        var (slowest, total) = (found, before)
        for subscriber in listeners.prefix(Self.partCount) {
            guard subscriber.isConnected, let opening = subscriber.opening else { continue }
            total += 1
            let delay = lane.state.delay(of: subscriber)
            guard slowest.admits(delay) else { continue }
            slowest.insert(
                ConnectionGlance(
                    id: lane.state.connectionID(opening.number), wire: subscriber.feedKey.wire, user: subscriber.user,
                    device: subscriber.device, address: subscriber.address, openedAt: opening.at,
                    position: subscriber.position, delay: delay))
        }
        let rest = listeners.dropFirst(Self.partCount)
        guard rest.isEmpty else {
            let bound = NIOLoopBound(rest, eventLoop: lane.loop)
            lane.loop.scheduleTask(in: .milliseconds(1)) { [slowest, total] in
                self.look(at: bound.value, slowest, total, on: lane)
            }
            return
        }
        finish(slowest, total)
    }

    private func finish(_ slowest: SlowestConnections, _ total: Int) {
        let whole = state.withLock { state -> State? in
            state.slowest.insert(slowest)
            state.total += total
            state.lanesLeft -= 1
            return state.lanesLeft == 0 ? state : nil
        }
        if let whole { then(whole.slowest.sorted, whole.total) }
    }
}

extension LaneState {
    /// How far the subscriber is behind. One that has taken all there is for it is not, whatever else was published.
    fileprivate func delay(of subscriber: Subscriber) -> ConnectionGlance.Delay {
        let bytes = subscriber.bytesUntaken
        guard bytes > 0 else { return ConnectionGlance.Delay() }
        let changes = published(to: subscriber).rawValue - subscriber.position.rawValue
        return ConnectionGlance.Delay(bytes: bytes, changes: max(0, changes))
    }

    /// The open socket or stream of that id.
    func listener(_ id: ConnectionID) -> Subscriber? {
        guard connectionID(id.number) == id else { return nil }
        return listeners.first { $0.opening?.number == id.number && $0.isConnected }
    }
}
