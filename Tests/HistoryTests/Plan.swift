import ApusTesting

/// What happens in one run, all of it decided by the seed; only who is faster is not.
struct Plan: Sendable {
    /// What the server under test can do.
    struct Features: Sendable {
        var scopes = false
        var socketWrites = false
        var eventStreams = false

        static let served = Features(scopes: true, socketWrites: true, eventStreams: true)
    }

    /// One start of the server, and how it ends.
    struct Life: Sendable {
        enum Interlude: Sendable { case nothing, migrate, restore, age }

        /// It ends when so many operations were done in it.
        var operations: Int
        var isKilled: Bool
        /// What is done with the files before the next start.
        var then: Interlude
        /// A backup is made while it serves, after so many operations; `nil`: afterwards, if one is needed.
        var backupAfter: Int?
    }

    struct Writer: Sendable {
        var user: Int
        var usesSocket: Bool
        /// Over a socket: how many requests are sent before the first answer is read.
        var framesAtOnce: Int
        var operations: [Operation]
    }

    enum Operation: Sendable {
        case write(Draft)
        case read(Address)
    }

    /// A request before it is known when it is sent.
    struct Draft: Sendable {
        enum Form: Sendable { case post, put, delete, bulk }
        enum Expiry: Sendable { case none, milliseconds(Int), seconds(Int) }
        enum Precondition: Sendable { case none, absent, lastKnown }

        struct Part: Sendable {
            var address: Address
            var isDelete: Bool
            var number: Int
            var policy: Item.Policy
            /// `updated_at`, from the time it is sent; `nil` for none.
            var millisecondsAhead: Int?
            var expiry: Expiry
            /// Bytes that make the value longer.
            var padding: Int
        }

        var form: Form
        var parts: [Part]
        var isAtomic: Bool
        var precondition: Precondition
        var hasIdempotencyKey: Bool
        /// Whether the connection is dropped before the answer.
        var hangsUp: Bool
        /// Whether it is sent again although it was answered.
        var isRepeated: Bool
    }

    struct Subscriber: Sendable {
        var user: Int
        /// Everything if empty.
        var scopes: [Scope]
        /// One connection after the other; the last is opened again and again until the end.
        var visits: [Visit]
    }

    struct Visit: Sendable {
        enum Resume: Sendable {
            case none, zero, last
            /// A position of before, in percent of the last one.
            case older(Int)
        }

        var resume: Resume
        /// Whether it stays away until the next server is up.
        var isLate: Bool
        var namesEpoch: Bool
        /// After how many frames it goes; `nil` to stay.
        var framesMax: Int?
        /// Whether it says goodbye.
        var isClean: Bool
        /// Whether scopes are asked for by frames and not by the URL.
        var subscribes: Bool
        /// Whether it gives up the first of its scopes at once; only with more than one, and not to stay.
        var unsubscribes: Bool
        var usesEventStream: Bool
    }

    var seed: UInt64
    var users: [String]
    /// Records that are there before anything else happens, so that catching up takes several pages.
    var bedding: Int
    var settings: [String: String]
    var lives: [Life]
    var writers: [Writer]
    var subscribers: [Subscriber]
}

extension Plan {
    init(seed: UInt64, features: Features = .served) {
        var dice = Dice(seed: seed)
        self.seed = seed
        users = (0..<dice.pick([1, 1, 2, 2, 3])).map { "user-\($0)" }
        bedding = dice.chance(15) ? dice.number(600...1100) : 0
        settings = [
            "CLEANUP_INTERVAL_MS": "\(dice.pick([10, 20, 50]))", "EVENT_LOOPS": "\(dice.pick([1, 2, 2]))",
            "WS_BUFFER_BYTES": "\(dice.pick([4096, 65_536, 1_048_576]))",
            "DB_DURABILITY": dice.chance(70) ? "full" : "normal", "TOMBSTONE_TTL_DAYS": "1",
        ]
        let users = users.count
        writers = (0..<dice.number(users...users + 2)).map { index in
            let usesSocket = features.socketWrites && dice.chance(40)
            let hasSeconds = dice.chance(15)
            let operations = (0..<dice.number(12...40)).map { _ in dice.operation(hasSeconds: hasSeconds) }
            return Writer(
                user: index % users, usesSocket: usesSocket, framesAtOnce: dice.pick([1, 2, 5]), operations: operations)
        }
        subscribers = (0..<dice.number(users + 1...users + 4)).map { index in
            dice.subscriber(of: index % users, isWitness: index < users, features)
        }
        let total = writers.reduce(0) { $0 + $1.operations.count }
        let count = dice.pick([1, 2, 2, 3, 3, 4])
        lives = (0..<count).map { _ in dice.life(operations: total / count) }
    }
}

/// The random decisions of a plan.
private struct Dice {
    private var random: SplitMix64

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[number(0...elements.count - 1)] }

    mutating func life(operations: Int) -> Plan.Life {
        let count = max(1, operations * number(60...120) / 100)
        return Plan.Life(
            operations: count, isKilled: chance(70),
            then: pick([.nothing, .nothing, .nothing, .migrate, .restore, .age]),
            backupAfter: chance(60) ? number(0...count) : nil)
    }

    /// Few names, so that writers meet; some begin like others.
    mutating func address() -> Address {
        let collection = pick(["a", "a", "a", "notes/1", "counts"])
        return Address(collection: collection, key: pick(["k", "k1", "k1/x", "k2", "m", "é", "ê/long name"]))
    }

    // MARK: Writers

    mutating func operation(hasSeconds: Bool) -> Plan.Operation {
        guard chance(88) else { return .read(address()) }
        let form = pick([Plan.Draft.Form.post, .post, .post, .put, .delete, .bulk])
        let count = form == .bulk ? number(1...9) : 1
        let parts = (0..<count).map { _ in
            part(isDelete: form == .delete || form == .bulk && chance(20), hasSeconds: hasSeconds)
        }
        let hasKey = chance(35)
        return .write(
            Plan.Draft(
                form: form, parts: parts, isAtomic: chance(70),
                precondition: form == .bulk || chance(85) ? .none : pick([.absent, .lastKnown, .lastKnown]),
                hasIdempotencyKey: hasKey, hangsUp: chance(8), isRepeated: hasKey && chance(30)))
    }

    private mutating func part(isDelete: Bool, hasSeconds: Bool) -> Plan.Draft.Part {
        var expiry = Plan.Draft.Expiry.none
        if !isDelete, chance(15) {
            expiry = chance(20) ? .seconds(3600) : hasSeconds ? .seconds(1) : .milliseconds(number(60...400))
        }
        return Plan.Draft.Part(
            address: address(), isDelete: isDelete, number: number(0...60),
            policy: pick([.lastWriteWins, .lastWriteWins, .lastWriteWins, .serverTime, .maxNumeric]),
            millisecondsAhead: chance(40) ? number(-800...400) : nil, expiry: expiry,
            padding: chance(6) ? number(500...9000) : 0)
    }

    // MARK: Subscribers

    mutating func subscriber(of user: Int, isWitness: Bool, _ features: Plan.Features) -> Plan.Subscriber {
        let isScoped = features.scopes && !isWitness && chance(65)
        let scopes = isScoped ? Array(Set((0..<number(1...3)).map { _ in scope() })) : []
        var visits: [Plan.Visit] = (0..<number(0...5)).map { _ in
            visit(pick([.none, .zero, .last, .last, .older(number(1...99))]), framesMax: number(1...30), features)
        }
        visits.append(visit(isWitness || chance(80) ? .last : .none, framesMax: nil, features))
        // Somebody sees as much as can be seen.
        if isWitness { visits = visits.suffix(1) }
        // An event stream has one scope, and a client that goes on has to have all of its own.
        if scopes.count > 1 { for index in visits.indices { visits[index].usesEventStream = false } }
        return Plan.Subscriber(user: user, scopes: scopes.sorted { "\($0)" < "\($1)" }, visits: visits)
    }

    private mutating func visit(
        _ resume: Plan.Visit.Resume, framesMax: Int?, _ features: Plan.Features
    ) -> Plan.Visit {
        Plan.Visit(
            resume: resume, isLate: framesMax != nil && chance(15), namesEpoch: chance(70), framesMax: framesMax,
            isClean: chance(50),
            subscribes: features.scopes && chance(50), unsubscribes: framesMax != nil && chance(25),
            usesEventStream: features.eventStreams && chance(25))
    }

    private mutating func scope() -> Scope {
        let collection = pick(["a", "a", "notes/1", "counts", "elsewhere"])
        switch number(0...2) {
        case 0: return Scope(collection: collection)
        case 1: return Scope(collection: collection, key: address().key)
        default: return Scope(collection: collection, prefix: pick(["k", "k1", "k1/", "é", "x"]))
        }
    }
}
