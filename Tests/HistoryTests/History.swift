/// What clients did to one database, and what each of them saw; the checker needs nothing else.
///
/// Clients note a tick, a number that only rises, before they send and after they receive: what bears a lower tick
/// happened before. Users, eras and clients are named by their index. Times are milliseconds since 1970.
struct History: Sendable {
    /// The names of the users.
    var users: [String] = []
    var eras: [Era] = []
    var requests: [Request] = []
    var sessions: [Session] = []
    var reads: [Read] = []
    /// What REST said when nothing was going on any more, by user; empty if it did not come to that.
    var finals: [Final] = []
    /// The clock at the end.
    var endedAt = 0
}

/// The time of one epoch: from one restored backup to the next.
struct Era: Sendable {
    var epoch: String
    /// The last change number that each user had at its begin.
    var base: [Int]
    /// Before this tick every acknowledged write was in the backup that the era began with.
    var backedUp = 0
    /// The newest change of each user whose tombstone may have been purged.
    var agedThrough: [Int] = []
}

struct Address: Hashable, Sendable {
    var collection: String
    var key: String
}

/// A record as one change left it.
struct State: Hashable, Sendable {
    var sequence: Int
    var address: Address
    /// The value's own text; `nil` for a tombstone.
    var value: String?
    /// `updated_at`, and of a tombstone `deleted_at`.
    var changedAt: Int
    var expiresAt: Int?
}

/// Something a client wanted written once, however often it had to be sent.
struct Request: Sendable {
    var user: Int
    var items: [Item]
    var isBulk = false
    var isAtomic = true
    var idempotencyKey: String?
    var attempts: [Attempt] = []
}

struct Item: Sendable {
    enum Policy: Sendable { case lastWriteWins, serverTime, maxNumeric }
    enum Precondition: Sendable, Equatable { case none, absent, sequence(Int) }

    var address: Address
    /// The value's text, which no other item of the run has; `nil` to delete.
    var value: String?
    var policy = Policy.lastWriteWins
    /// What `max_numeric` compares.
    var number: Int?
    var updatedAt: Int?
    var hasExpiry = false
    var precondition = Precondition.none
}

/// One time that a request was sent.
struct Attempt: Sendable {
    enum Outcome: Sendable {
        /// One result for each item, and the body they came in; `isReplay` is `nil` where that is not told.
        case answered([ItemResult], body: String, isReplay: Bool?)
        /// Nothing was written, for this reason.
        case refused(code: String)
        /// No answer came.
        case unknown
    }

    var era: Int
    var sent: Int
    var answered: Int
    var outcome: Outcome
}

enum ItemResult: Sendable {
    case applied(State)
    case lost(reason: String, to: State)
    case refused(code: String)
}

/// Which records a subscription is about.
struct Scope: Hashable, Sendable {
    var collection: String?
    var key: String?
    var prefix: String?

    static let everything = Scope()

    func contains(_ address: Address) -> Bool {
        guard let collection else { return true }
        guard collection == address.collection else { return false }
        if let key { return key == address.key }
        // As bytes, because that is how names are compared.
        return prefix.map { address.key.utf8.starts(with: $0.utf8) } ?? true
    }
}

/// A position that a client came back with.
struct Resume: Hashable, Sendable {
    var since: Int
    var epoch: String?
}

/// One connection of a subscriber, by WebSocket or Server-Sent Events.
struct Session: Sendable {
    struct Step: Sendable {
        var tick: Int
        var clock = 0
        var what: Happening
    }

    enum Happening: Sendable {
        case hello(epoch: String, sequence: Int)
        case event(Event)
        case current(id: Int?, sequence: Int)
        case reset(id: Int?, reason: String)
        case acknowledged(id: Int, sequence: Int?)
        /// The client sent this; what it does is done at its acknowledgement.
        case subscribed(id: Int, Scope, Resume?)
        case unsubscribed(id: Int, Scope?)
        /// A frame that is not what the reference says, or one that refuses what must be granted.
        case strange(String)
    }

    struct Event: Sendable {
        /// `user_id`.
        var user: String
        var state: State
        /// Whether it said that the record's time ran out.
        var isExpiry = false
    }

    /// Sessions of one client follow each other; it keeps what it learnt for as long as they continue each other.
    var client: Int
    var user: Int
    var era: Int
    /// What the URL asked for; empty for everything.
    var scopes: [Scope] = []
    var resume: Resume?
    /// The tick before it was opened.
    var opened: Int
    var steps: [Step] = []
    /// How far it must have come, since it was given all the time it could need.
    var mustReach: Int?
}

/// One record read over REST.
struct Read: Sendable {
    var user: Int
    var era: Int
    var sent: Int
    var answered: Int
    var address: Address
    /// `nil` for 404.
    var found: State?
    /// The clock when it was sent and answered.
    var clock: ClosedRange<Int>
}

/// What is there at the end, as REST tells it.
struct Final: Sendable {
    var user: Int
    /// `hello.seq`.
    var last: Int
    /// The whole delta, tombstones included, in the order it came in.
    var changes: [State]
    /// The lists of all collections.
    var live: [State]
    /// `GET /v1/collections/{user}`.
    var counts: [String: Int]
}

/// A promise that was not kept.
struct Violation: Hashable, Sendable, CustomStringConvertible {
    enum Rule: String, Sendable {
        /// A subscription lacks a change it should have.
        case gap
        /// A subscription got a change twice.
        case duplicate
        /// A subscription got an older change after a newer one.
        case disorder
        /// A record of another user, or of no scope of the subscription.
        case foreign
        /// A change that nobody asked for, or that was refused or lost.
        case uncommitted
        /// A change number that means two things.
        case disagreement
        /// An acknowledged write that is not there.
        case lostAcknowledgement = "lost acknowledgement"
        /// One write that was applied twice.
        case doubleApply = "double apply"
        /// A write that got a lower number than one acknowledged before it was sent.
        case order
        /// A change number that no write can account for.
        case hole
        /// A bulk with something else in between, or with only a part of it there.
        case tornBulk = "torn bulk"
        /// A decision that the conflict policy or the precondition does not allow.
        case decision
        /// A repeated request that was not answered like the first.
        case replay
        /// A position that was refused without need.
        case reset
        /// An answer that says less than was acknowledged before it was asked for.
        case stale
        /// A client that has all it was sent, and yet not what is there; or lists that differ from each other.
        case unequal
        /// A frame that the reference does not know.
        case strange
    }

    var rule: Rule
    var detail: String

    var description: String { "\(rule.rawValue): \(detail)" }
}
