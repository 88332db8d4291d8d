import ApusCore
import ApusProtocol
import Metrics
import NIOCore
import Synchronization

/// Everything of one event loop: the way to it from other threads, and what lives on it.
final class Lane: Sendable {
    let loop: any EventLoop
    /// Which bit stands for this lane in the hub's record of interest.
    let index: Int
    private let inbox: Mutex<[@Sendable () -> Void]> = Mutex([])
    private let box: NIOLoopBoundBox<LaneState>

    /// - Parameter metrics: where it is counted what happens here; nowhere unless told.
    init(
        loop: any EventLoop, index: Int, limits: Limits, hub: FeedHub,
        metrics: any MetricsFactory = NOOPMetricsHandler.instance
    ) {
        self.loop = loop
        self.index = index
        box = .makeBoxSendingValue(
            LaneState(limits: limits, hub: hub, laneIndex: index, meters: LaneMeters(metrics)), eventLoop: loop)
    }

    /// On the event loop only.
    var state: LaneState { box.value }

    /// Runs `work` on the event loop, in order; one wake-up serves everything posted until the loop gets to it.
    func post(_ work: @escaping @Sendable () -> Void) {
        let isFirst = inbox.withLock { inbox in
            inbox.append(work)
            return inbox.count == 1
        }
        guard isFirst else { return }
        loop.execute { [self] in
            let posted = inbox.withLock { inbox in
                let posted = inbox
                inbox = []
                return posted
            }
            for work in posted { work() }
        }
    }

    /// Looks after time-outs and heartbeats, until the returned task is cancelled.
    func startTicking(every delay: TimeAmount, _ now: @escaping @Sendable () -> Timestamp) -> RepeatedTask {
        loop.scheduleRepeatedTask(initialDelay: delay, delay: delay) { [self] _ in
            state.tick(at: .now(), wallTime: now())
        }
    }
}

/// A connection that its lane looks after.
protocol LaneMember: AnyObject {
    /// Called once a second.
    func tick(at moment: NIODeadline, wallTime: Timestamp)

    /// Finishes what was accepted, then closes.
    func drain()

    /// Closes at once.
    func abort()
}

/// What lives on one event loop; touched only there.
final class LaneState {
    private struct Member {
        let connection: any LaneMember
        /// Whose connections it is counted with.
        let network: String?
    }

    let limits: Limits
    let meters: LaneMeters
    private let hub: FeedHub
    private let laneIndex: Int
    private var members: [ObjectIdentifier: Member] = [:]
    private var subscribers: [ObjectIdentifier: Subscriber] = [:]
    private var feeds: [FeedKey: OwnerFeeds] = [:]
    private var requestCount: UInt64 = 0
    private var openingCount: UInt64 = 0
    private var heartbeatCount: Int64 = 0
    private let requestPrefix = String(UInt32.random(in: .min ... .max), radix: 36)
    private var date = (second: Int64.min, text: "")
    private(set) var isDraining = false

    init(limits: Limits, hub: FeedHub, laneIndex: Int, meters: LaneMeters) {
        self.meters = meters
        self.limits = limits
        self.hub = hub
        self.laneIndex = laneIndex
    }

    /// An id no other request of this process has.
    func nextRequestID() -> String {
        requestCount += 1
        return "\(requestPrefix)-\(laneIndex)-\(String(requestCount, radix: 36))"
    }

    /// A number no other socket or stream of this event loop has.
    func nextOpeningNumber() -> UInt64 {
        openingCount += 1
        return openingCount
    }

    /// The id of the socket or stream with that number, which none of another process has.
    func connectionID(_ number: UInt64) -> ConnectionID {
        ConnectionID(process: requestPrefix, lane: laneIndex, number: number)
    }

    /// Those who are told of changes here.
    var listeners: [Subscriber] { Array(subscribers.values) }

    /// When a connection that opens now may count its last heartbeat to have been: those of many that open at once, as
    /// after a restart, are spread over the time between two.
    func heartbeatStart(at now: NIODeadline) -> NIODeadline {
        heartbeatCount += 1
        return now - .seconds(heartbeatCount % max(1, limits.heartbeatSeconds))
    }

    /// The `Date` header's text, made once a second.
    func httpDate(at now: Timestamp) -> String {
        if date.second != now.seconds { date = (now.seconds, HTTPDate.text(now)) }
        return date.text
    }

    func tick(at moment: NIODeadline, wallTime: Timestamp) {
        for member in Array(members.values) { member.connection.tick(at: moment, wallTime: wallTime) }
        for feeds in feeds.values { feeds.trim() }
        if feeds.values.reduce(0, { $0 + $1.bytesHeld }) > limits.feedBytesMax {
            for feeds in Array(feeds.values) { feeds.closeLaggards() }
        }
    }

    func drain() {
        isDraining = true
        for member in Array(members.values) { member.connection.drain() }
    }

    func abortAll() {
        for member in Array(members.values) { member.connection.abort() }
    }
}

// MARK: - Connections

extension LaneState {
    /// Takes a new connection in.
    ///
    /// - Parameter network: whose connections it is counted with; `nil` for one that is not.
    func add(_ member: any LaneMember, from network: String?) -> FeedHub.Entry {
        guard !isDraining else { return .full }
        let entry = hub.takeConnection(from: network, limits: limits)
        guard entry != .full else { return entry }
        members[ObjectIdentifier(member)] = Member(connection: member, network: network)
        meters.connections.increment()
        return entry
    }

    /// Takes in a subscriber that shares a connection with others; it counts as one all the same.
    func add(_ member: any LaneMember, for subscriber: Subscriber, from network: String?) -> Bool {
        switch add(member, from: network) {
        case .welcome: return replace(member, with: member, for: subscriber)
        case .crowded: remove(member)
        case .full: break
        }
        return false
    }

    func remove(_ member: any LaneMember) {
        guard let member = members.removeValue(forKey: ObjectIdentifier(member)) else { return }
        hub.releaseConnection(from: member.network)
        meters.connections.decrement()
    }

    /// Counts one more socket of the user, for ``replace(_:with:for:)``; `false` if the user has all that one may have.
    func takeSocket(of user: OwnerID) -> Bool { hub.takeSocket(of: user, max: limits.socketsPerUserMax) }

    func releaseSocket(of user: OwnerID) { hub.releaseSocket(of: user) }

    /// The same connection, now a subscriber's; `false` if it is here no more.
    func replace(_ member: any LaneMember, with successor: any LaneMember, for subscriber: Subscriber) -> Bool {
        guard replace(member, with: successor) else { return false }
        subscribers[ObjectIdentifier(subscriber)] = subscriber
        if subscriber.feedKey.wire == .events { hub.countStream(true) }
        return true
    }

    /// The same connection, now a stream of another kind; `false` if it is here no more.
    func replace(_ member: any LaneMember, with successor: any LaneMember) -> Bool {
        guard let old = members.removeValue(forKey: ObjectIdentifier(member)) else { return false }
        members[ObjectIdentifier(successor)] = Member(connection: successor, network: old.network)
        return true
    }

    /// The connection, which was a subscriber's, has ended.
    func remove(_ member: any LaneMember, of subscriber: Subscriber) {
        leave(subscriber)
        guard subscribers.removeValue(forKey: ObjectIdentifier(subscriber)) != nil else { return }
        if subscriber.feedKey.wire == .events { hub.countStream(false) }
        hub.releaseSocket(of: subscriber.user)
        remove(member)
    }
}

// MARK: - Feeds

extension LaneState {
    /// Lets the subscriber see what is published for its user in `scopes` from now on, and nothing else.
    func join(_ subscriber: Subscriber, scopes: Set<StreamScope>) {
        let key = subscriber.feedKey
        let owner = feeds[key] ?? OwnerFeeds()
        if feeds.updateValue(owner, forKey: key) == nil { hub.setInterest(of: laneIndex, in: key, true) }
        owner.join(subscriber, scopes: scopes)
    }

    func leave(_ subscriber: Subscriber) {
        let key = subscriber.feedKey
        guard subscriber.feed != nil, let owner = feeds[key] else { return }
        owner.leave(subscriber)
        guard owner.isEmpty else { return }
        feeds[key] = nil
        hub.setInterest(of: laneIndex, in: key, false)
    }

    /// The last change of the subscriber's owner that was told here.
    func published(to subscriber: Subscriber) -> SequenceNumber { feeds[subscriber.feedKey]?.published ?? .zero }

    /// Hands runs of events to the owner's subscribers.
    func deliver(_ runs: [MarkedRun], to key: FeedKey) {
        feeds[key]?.deliver(runs)
    }

    /// Hands a message to all of the owner's subscribers, whatever their scopes.
    func broadcast(_ bytes: ByteBuffer, to key: FeedKey) {
        feeds[key]?.broadcast(bytes)
    }

    func apply(_ revocation: Revocation) {
        for subscriber in Array(subscribers.values) where revocation.revokes(subscriber.principal) {
            subscriber.close(.unauthenticated)
        }
    }
}

/// `Date` headers (RFC 9110, section 5.6.7).
enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    static func text(_ time: Timestamp) -> String {
        let iso = Array(time.text.utf8)
        func part(_ range: Range<Int>) -> String { String(decoding: iso[range], as: UTF8.self) }
        let day = days[Int((time.seconds / 86_400 % 7 + 7) % 7)]
        let month = months[(Int(part(5..<7)) ?? 1) - 1]
        return "\(day), \(part(8..<10)) \(month) \(part(0..<4)) \(part(11..<19)) GMT"
    }
}
