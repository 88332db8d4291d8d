import ApusCore
import NIOCore
import Testing

@testable import ApusEngine

/// Seeds of random tests: some that stay, and one that is new each time and is told, so that a failure can be repeated.
enum Seeds {
    static let all: [UInt64] = {
        let fresh = UInt64.random(in: 0...UInt64.max)
        print("this run's fresh seed is \(fresh)")
        return [1, 2, 3, fresh]
    }()
}

/// 2026-01-01T00:00:00Z, when these tests begin.
let start = Timestamp(milliseconds: 1_767_225_600_000)

extension JSONText {
    init(_ text: String) {
        self.init(validated: ByteBuffer(string: text))
    }

    var text: String { String(buffer: bytes) }
}

extension RecordAddress {
    init(_ key: String, owner: String = "u1", collection: String = "c") {
        self.init(
            owner: OwnerID(stored: owner), collection: CollectionName(stored: collection), key: RecordKey(stored: key))
    }
}

extension WriteItem {
    static func set(
        _ key: String = "k", _ value: String = "1", at updatedAt: Timestamp? = nil,
        _ policy: ConflictPolicy = .lastWriteWins, expiry: Expiry = .never, if precondition: Precondition = .none
    ) -> WriteItem {
        WriteItem(
            collection: CollectionName(stored: "c"), key: RecordKey(stored: key),
            operation: .set(JSONText(value), expiry), updatedAt: updatedAt, policy: policy, precondition: precondition)
    }

    static func delete(
        _ key: String = "k", at updatedAt: Timestamp? = nil, _ policy: ConflictPolicy = .lastWriteWins,
        if precondition: Precondition = .none
    ) -> WriteItem {
        WriteItem(
            collection: CollectionName(stored: "c"), key: RecordKey(stored: key), operation: .delete,
            updatedAt: updatedAt, policy: policy, precondition: precondition)
    }
}

extension WriteRequest {
    static let origin = RequestOrigin(actor: "user:u1", ip: "192.0.2.1", requestID: "r1")

    static func single(_ item: WriteItem, owner: String = "u1", idempotency: IdempotencyClaim? = nil) -> WriteRequest {
        WriteRequest(
            owner: OwnerID(stored: owner), items: [.success(item)], idempotency: idempotency, origin: origin)
    }

    static func bulk(
        _ items: [Result<WriteItem, ApusError>], owner: String = "u1", isAtomic: Bool = true,
        idempotency: IdempotencyClaim? = nil
    ) -> WriteRequest {
        WriteRequest(
            owner: OwnerID(stored: owner), items: items, isAtomic: isAtomic, isBulk: true, idempotency: idempotency,
            origin: origin)
    }

    static func bulk(_ items: [WriteItem], owner: String = "u1", isAtomic: Bool = true) -> WriteRequest {
        bulk(items.map { .success($0) }, owner: owner, isAtomic: isAtomic)
    }
}

extension IdempotencyClaim {
    /// Its answers are replayed as the list of what became of the items.
    init(_ key: String, fingerprint: UInt8 = 1) {
        self.init(key: key, fingerprint: [fingerprint]) { answer in
            guard case .decided(let results) = answer else { return ByteBuffer() }
            return ByteBuffer(string: results.map(\.story).joined(separator: ", "))
        }
    }
}

extension WriteResult {
    /// What became of an item, in words short enough for a test.
    var story: String {
        switch self {
        case .applied(let record): "applied \(record.story)"
        case .lost(let reason, let stored): "lost \(reason.rawValue) to \(stored.story)"
        case .failed(let error): "failed \(error.code.rawValue)"
        }
    }

    var record: Record? {
        if case .applied(let record) = self { record } else { nil }
    }
}

extension Record {
    /// `key=value #seq`, or `key deleted #seq`.
    var story: String {
        "\(address.key)\(value.map { "=" + $0.text } ?? " deleted") #\(sequence.rawValue)"
    }
}

extension Result<WriteAnswer, ApusError> {
    /// What became of each item, the replay, or the refusal with its pointers.
    var stories: [String] {
        switch self {
        case .success(.decided(let results)): results.map(\.story)
        case .success(.replayed(let body)): ["replayed: \(String(buffer: body))"]
        case .failure(let error):
            ["refused \(error.code.rawValue)"] + error.fields.map { $0.pointer }
        }
    }

    var error: ApusError? {
        if case .failure(let error) = self { error } else { nil }
    }

    var records: [Record] {
        if case .success(.decided(let results)) = self { results.compactMap(\.record) } else { [] }
    }
}

/// What a planner works on, kept from batch to batch as a storage would.
struct Shelf {
    var rows: [RecordAddress: StoredRecord] = [:]
    /// What tombstones keep.
    var kept: [RecordAddress: JSONText] = [:]
    var owners: [OwnerID: OwnerState] = [:]
    var answers: [StoredAnswer] = []
    private var latestLocator: Int64 = 100

    func planner(at now: Timestamp = start, limits: Limits = Limits()) -> CommitPlanner {
        CommitPlanner(now: now, limits: limits, rows: Array(rows.values), owners: owners, answers: answers)
    }

    /// Keeps what `planner` decided; every write must name the row it replaces, and only one may name each address.
    mutating func keep(_ planner: CommitPlanner) {
        #expect(Set(planner.batch.records.map(\.record.address)).count == planner.batch.records.count)
        for write in planner.batch.records {
            let former = rows[write.record.address]
            #expect(write.replacing == former?.locator)
            #expect(write.kept == nil || write.record.isTombstone)
            switch write.kept {
            case nil: kept[write.record.address] = nil
            case .given(let value): kept[write.record.address] = value
            case .ofReplaced: kept[write.record.address] = former?.record.value ?? kept[write.record.address]
            }
            latestLocator += 1
            rows[write.record.address] = StoredRecord(
                record: write.record, locator: write.replacing ?? latestLocator)
        }
        for address in planner.batch.forgottenValues { kept[address] = nil }
        owners.merge(planner.batch.owners) { $1 }
        for answer in planner.batch.answers {
            answers.removeAll { $0.owner == answer.owner && $0.key == answer.key }
            answers.append(answer)
        }
    }

    /// Decides one request in a batch of its own.
    @discardableResult
    mutating func write(_ request: WriteRequest, at now: Timestamp = start) -> Result<WriteAnswer, ApusError> {
        var planner = planner(at: now)
        let answer = planner.decide(request)
        keep(planner)
        return answer
    }

    @discardableResult
    mutating func write(_ item: WriteItem, at now: Timestamp = start) -> Result<WriteAnswer, ApusError> {
        write(.single(item), at: now)
    }

    subscript(key: String) -> Record? { rows[RecordAddress(key)]?.record }
}

/// Everything a planner has decided so far, to be compared.
struct Decisions: Equatable, CustomStringConvertible {
    var records: [Record]
    var replacing: [Int64?]
    var kept: [CommitBatch.KeptValue?]
    var owners: [OwnerID: OwnerState]
    var answers: [StoredAnswer]
    var audit: [AuditEntry]
    var changes: [Record]

    init(_ planner: CommitPlanner) {
        records = planner.batch.records.map(\.record)
        replacing = planner.batch.records.map(\.replacing)
        kept = planner.batch.records.map(\.kept)
        owners = planner.batch.owners
        answers = planner.batch.answers
        audit = planner.batch.audit
        changes = planner.changes.map(\.record)
    }

    var description: String { "\(records.map(\.story)) \(changes.map(\.story)) \(owners) \(audit)" }
}
