public import ApusCore
import NIOCore

/// Two backends under the same random operations: after each commit every read must have the same answer from both.
///
/// One of the two is best a simple model. The run is the same for the same seed.
public struct StorageComparison: Sendable {
    public let seed: UInt64
    /// How many transactions.
    public let steps: Int

    public init(seed: UInt64, steps: Int = 150) {
        self.seed = seed
        self.steps = steps
    }

    /// Runs on two empty backends and closes them.
    ///
    /// - Throws: ``LawViolation`` that names the seed and the step; whatever a backend throws.
    public func run(_ first: any StorageBackend, _ second: any StorageBackend) throws {
        var choices = RandomChoices(seed: seed)
        let stages = (try StorageStage(first), try StorageStage(second))
        for step in 0..<steps {
            let operation = try RandomOperation(choices: &choices)
            do {
                let seen = (try operation.perform(on: stages.0), try operation.perform(on: stages.1))
                try expect(seen.0 == seen.1, "inside the transaction: \(String(describing: seen))")
                try compare(stages, after: operation, choices: &choices)
            } catch let violation as LawViolation {
                throw LawViolation("seed \(seed), step \(step): the backends differ: \(violation.description)")
            }
            try stages.0.writer.maintain()
            try stages.1.writer.maintain()
        }
    }

    private func compare(
        _ stages: (StorageStage, StorageStage), after operation: RandomOperation, choices: inout RandomChoices
    ) throws {
        for owner in try RandomChoices.owners.map({ try OwnerID($0) }) {
            let moment = operation.moment.advanced(byMilliseconds: Int64(choices.number(in: 0...7)))
            let question = RandomQuestion(owner: owner, moment: moment, choices: &choices)
            for (first, second) in [
                (stages.0.reader, stages.1.reader), (stages.0.writer, stages.1.writer),
            ] as [(any StorageReader, any StorageReader)] {
                try question.compareRecords(first, second)
                try question.compareAccounts(first, second)
            }
        }
    }
}

/// Where the randomness comes from, and the few names that are written again and again.
struct RandomChoices {
    static let owners = ["u1", "u", "\u{E9}", "e\u{301}"]
    static let collections = ["c", "c/d", "\u{E9}", "e\u{301}"]
    static let keys = ["a", "B", "b", "aa", "\u{E9}", "e\u{301}", "a/b", "😀", "\u{FFFD}", "10", "9", "zz"]

    private var generator: SplitMix64
    private(set) var moment: Int64 = 1000
    /// The last audit entry's; some are of transactions that failed.
    private(set) var auditNumber: Int64 = 0

    init(seed: UInt64) {
        generator = SplitMix64(seed: seed)
    }

    mutating func number(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }

    mutating func isOne(outOf count: Int) -> Bool { number(in: 1...count) == 1 }

    mutating func one(of names: [String]) -> String { names[number(in: 0...names.count - 1)] }

    mutating func nextMoment() -> Timestamp {
        moment += Int64(number(in: 0...5))
        return Timestamp(milliseconds: moment)
    }

    mutating func auditEntry(_ action: String, at moment: Timestamp) -> AuditEntry {
        var entry = AuditEntry(at: moment, origin: .system, action: action, target: "\(number(in: 0...999))")
        auditNumber += 1
        entry.number = auditNumber
        if !isOne(outOf: 3) {
            entry.previous = AuditHash(digest: (0..<AuditHash.byteCount).map { _ in UInt8(number(in: 0...255)) })
        }
        return entry
    }

    mutating func draft() throws -> Draft {
        let text = "\"\(String(repeating: "v", count: number(in: 0...20)))\""
        let isTombstone = isOne(outOf: 3)
        var draft = try Draft(
            one(of: Self.keys), isTombstone ? nil : text, owner: one(of: Self.owners),
            collection: one(of: Self.collections),
            expiresAt: isOne(outOf: 3) ? moment + Int64(number(in: -2...30)) : nil)
        guard isTombstone else { return draft }
        switch number(in: 0...3) {
        case 0: break
        case 1: draft.kept = .given(JSONText(validated: ByteBuffer(string: text)))
        default: draft.kept = .ofReplaced
        }
        return draft
    }
}

/// One transaction that was decided by chance.
struct RandomOperation {
    var moment: Timestamp
    private var drafts: [Draft] = []
    private var rest = CommitBatch()
    private var sweeps: Bool
    private var purges: Bool
    private var fails: Bool

    /// What the reads of a transaction found.
    struct Seen: Equatable {
        var stored: [Record?]
        var expired: Set<RecordAddress>
        var tombstones: Set<Record>
    }

    init(choices: inout RandomChoices) throws {
        moment = choices.nextMoment()
        sweeps = choices.isOne(outOf: 3)
        purges = choices.isOne(outOf: 6)
        fails = choices.isOne(outOf: 8)
        var addresses: Set<RecordAddress> = []
        for _ in 0..<choices.number(in: 0...12) {
            let draft = try choices.draft()
            if addresses.insert(draft.address).inserted { drafts.append(draft) }
        }
        try fillRest(choices: &choices)
    }

    private mutating func fillRest(choices: inout RandomChoices) throws {
        let user = try OwnerID(choices.one(of: RandomChoices.owners))
        let later = moment.advanced(byMilliseconds: Int64(choices.number(in: 0...40)))
        let name = choices.one(of: RandomChoices.keys)
        let device = DeviceAddress(owner: user, id: try DeviceID(name))
        switch choices.number(in: 0...9) {
        case 0: rest.users = [User(id: user, displayName: choices.isOne(outOf: 2) ? name : nil, createdAt: moment)]
        case 1: rest.deletedUsers = [user]
        case 2:
            rest.tokens = [
                TokenGrant(
                    user: user, id: "\(name)\(moment.milliseconds)", issuedAt: moment, expiresAt: later,
                    generation: moment.milliseconds, claims: nil)
            ]
        case 3:
            rest.revocations = [TokenRevocation(tokenID: name, keepUntil: later)]
            rest.cutoffs = [TokenCutoff(user: user, generation: later.milliseconds, issuedThrough: moment)]
        case 4:
            rest.answers = [
                StoredAnswer(
                    owner: user, key: name, fingerprint: Array(name.utf8), body: ByteBuffer(string: name),
                    storedAt: moment)
            ]
        case 5:
            rest.forgetting = Retention(
                answersStoredBefore: moment.advanced(byMilliseconds: -60),
                auditThrough: choices.auditNumber - Int64(choices.number(in: 0...40)), tokensEndedBefore: moment)
        case 6, 7:
            rest.devices = [
                Device(
                    owner: user, id: device.id, name: choices.isOne(outOf: 2) ? name : nil, platform: nil,
                    registeredAt: moment, lastSeenAt: choices.isOne(outOf: 2) ? later : nil)
            ]
        case 8: rest.forgottenDevices = [device]
        default: break
        }
        if choices.isOne(outOf: 6) {
            rest.forgottenValues = try (0..<4).map { _ in try choices.draft().address }
        }
        for _ in 0..<choices.number(in: 0...2) {
            rest.audit.append(choices.auditEntry(name, at: moment))
        }
    }

    /// Does it; `nil` when it was to fail.
    func perform(on stage: StorageStage) throws -> Seen? {
        do {
            return try stage.writer.transaction { transaction throws(ApusError) in
                let seen = Seen(
                    stored: try transaction.stored(drafts.map(\.address), valueBytesMax: 300).map { $0?.record },
                    expired: Set(try transaction.expired(at: moment, limit: 1000)),
                    tombstones: Set(
                        try transaction.tombstones(committedBefore: moment, limit: 1000).map(\.record)))
                try transaction.apply(batch(in: transaction, seen: seen))
                if fails { throw ApusError(.overloaded, "as was to be") }
                return seen
            }
        } catch {
            guard fails, error.code == .overloaded else { throw error }
            return nil
        }
    }

    private func batch(in transaction: any StorageTransaction, seen: Seen) throws(ApusError) -> CommitBatch {
        let written = Set(drafts.map(\.address))
        // In an order both backends share: several records may end at the same moment.
        let swept = seen.expired.subtracting(written).sorted {
            "\($0)".utf8.lexicographicallyPrecedes("\($1)".utf8)
        }
        let tombstones = sweeps ? swept.map { Draft(deleting: $0) } : []
        var batch = try transaction.plan(drafts + tombstones, at: moment.milliseconds)
        if purges {
            let old = try transaction.tombstones(committedBefore: moment, limit: 1000)
            try transaction.planPurge(of: old.filter { !written.contains($0.record.address) }, into: &batch)
        }
        batch.forgottenValues = rest.forgottenValues
        batch.users = rest.users
        batch.deletedUsers = rest.deletedUsers
        batch.devices = rest.devices
        batch.forgottenDevices = rest.forgottenDevices
        batch.tokens = rest.tokens
        batch.revocations = rest.revocations
        batch.cutoffs = rest.cutoffs
        batch.answers = rest.answers
        batch.audit = rest.audit
        batch.forgetting = rest.forgetting
        return batch
    }
}
