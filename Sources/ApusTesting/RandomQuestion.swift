import ApusCore
import NIOCore

/// What is asked of both backends after a commit, decided by chance.
struct RandomQuestion {
    private let owner: OwnerID
    private let moment: Timestamp
    private let limit: Int
    private let bytesMax: Int
    private let sequence: SequenceNumber
    private let name: String

    init(owner: OwnerID, moment: Timestamp, choices: inout RandomChoices) {
        self.owner = owner
        self.moment = moment
        limit = choices.number(in: 1...12)
        bytesMax = choices.number(in: 0...80)
        sequence = SequenceNumber(Int64(choices.number(in: 0...40)))
        name = choices.one(of: RandomChoices.keys)
    }

    /// Every read of records and changes.
    func compareRecords(_ first: any StorageReader, _ second: any StorageReader) throws {
        let key = try RecordKey(name)
        for collection in try RandomChoices.collections.map({ try CollectionName($0) }) {
            let address = RecordAddress(owner: owner, collection: collection, key: key)
            try same("record", first, second) { try $0.record(at: address) }
            try same("deletedValue", first, second) { try $0.deletedValue(at: address) }
            for (after, limit, bytesMax) in [(nil, 1000, 1 << 20), (key, limit, bytesMax)] {
                try same("records", first, second) {
                    let page = try $0.records(
                        owner: owner, collection: collection, after: after, limit: limit, bytesMax: bytesMax,
                        liveAt: moment)
                    return SeenPage(hasMore: page.hasMore, reached: nil, records: page.records)
                }
            }
            try same("recordsAndTombstones", first, second) {
                let page = try $0.recordsAndTombstones(
                    owner: owner, collection: collection, after: key, limit: limit, bytesMax: bytesMax, liveAt: moment)
                return SeenPage(hasMore: page.hasMore, reached: nil, records: page.records)
            }
            try compareChanges(first, second, collection: collection)
        }
        try compareChanges(first, second, collection: nil)
        try same("firstChange", first, second) {
            try $0.firstChange(owner: owner, committedAtOrAfter: moment.advanced(byMilliseconds: -Int64(limit) * 3))
        }
        try same("tombstonesWithValue", first, second) { try $0.tombstonesWithValue(owner: owner, limit: limit) }
        try same("ownerState", first, second) { try $0.ownerState(owner) }
        try same("collections", first, second) { try $0.collections(owner: owner, liveAt: moment) }
        try same("usage", first, second) { try $0.usage(owner: owner, liveAt: moment) }
        try same("totals", first, second) { try $0.totals(liveAt: moment) }
    }

    /// Every other read.
    func compareAccounts(_ first: any StorageReader, _ second: any StorageReader) throws {
        try same("user", first, second) { try $0.user(owner) }
        try same("users", first, second) { try $0.users(after: nil, limit: 1000) }
        try same("users after", first, second) { try $0.users(after: owner, limit: limit) }
        let device = try DeviceAddress(owner: owner, id: DeviceID(name))
        try same("device", first, second) { try $0.device(device) }
        try same("devices", first, second) { try $0.devices(of: owner, after: nil, limit: 1000) }
        try same("devices after", first, second) { try $0.devices(of: owner, after: device.id, limit: limit) }
        try same("all devices", first, second) { try $0.devices(after: nil, limit: 1000) }
        try same("all devices after", first, second) { try $0.devices(after: device, limit: limit) }
        try same("tokens", first, second) { try $0.tokens(user: owner, expiringAfter: moment, limit: limit) }
        try same("token", first, second) { try $0.token(id: "\(name)\(moment.milliseconds)") }
        try same("revocations", first, second) { Set(try $0.revocations().map { Array("\($0)".utf8) }) }
        try same("cutoffs", first, second) { Set(try $0.cutoffs()) }
        try same("storedAnswer", first, second) { try $0.storedAnswer(owner: owner, key: name) }
        try same("newest auditEntries", first, second) { try $0.auditEntries(before: nil, limit: limit) }
        try same("auditEntries before", first, second) {
            try $0.auditEntries(before: sequence.rawValue, limit: limit)
        }
        try same("owners", first, second) { try $0.owners(after: nil, limit: 1000) }
        try same("tokens in order", first, second) { try $0.tokens(afterNumber: .min, limit: 1000).map(\.token) }
        try same("answers", first, second) { try $0.storedAnswers(owner: owner, after: name, bytesMax: bytesMax) }
        try same("auditEntries after", first, second) { try $0.auditEntries(after: sequence.rawValue, limit: limit) }
        try same("all auditEntries", first, second) { try $0.auditEntries(after: 0, limit: 100_000) }
    }

    private func compareChanges(
        _ first: any StorageReader, _ second: any StorageReader, collection: CollectionName?
    ) throws {
        for (after, limit, bytesMax) in [(.zero, 1000, 1 << 20), (sequence, limit, bytesMax)] {
            try same("changes", first, second) {
                let page = try $0.changes(
                    owner: owner, collection: collection, after: after, limit: limit, bytesMax: bytesMax,
                    liveAt: moment)
                return SeenPage(hasMore: page.hasMore, reached: page.reached, records: page.records)
            }
        }
    }

    private func same<Answer: Equatable>(
        _ verb: String, _ first: any StorageReader, _ second: any StorageReader,
        _ ask: (any StorageReader) throws -> Answer
    ) throws {
        let answers = (try ask(first), try ask(second))
        try expect(answers.0 == answers.1, "\(verb) of \(owner) at \(moment): \(answers.0), \(answers.1)")
    }
}

/// A page of either kind, which tells itself so that two that differ can be read.
private struct SeenPage: Equatable, CustomStringConvertible {
    var hasMore: Bool
    var reached: ChangesPosition?
    var records: [Record]

    var description: String {
        let lines = records.map { record in
            let value = record.value.map { String(buffer: $0.bytes) } ?? "-"
            return "\(record.address) \(value) \(record.updatedAt) \(String(describing: record.deletedAt)) "
                + "\(String(describing: record.expiresAt)) \(record.sequence) \(record.committedAt)"
        }
        return "\(hasMore) \(String(describing: reached))\n" + lines.joined(separator: "\n")
    }
}
