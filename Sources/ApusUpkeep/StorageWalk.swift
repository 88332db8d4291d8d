import ApusCore

/// Walks over everything a storage keeps, a page at a time, and can begin where an earlier walk came to.
///
/// First the owners in byte order, each with its state, its records by change number and its answers; then users,
/// devices, tokens, revocations, cutoffs and the audit log. It holds a page, never more, but for revocations and
/// cutoffs, of which a server holds all anyway.
struct StorageWalk {
    static let pageRowsMax = 1000
    static let pageBytesMax = 2 << 20
    /// Answers are asked for by their bytes alone, and may be short.
    static let answersBytesMax = 256 << 10

    /// Where the next page begins.
    private(set) var place: CopyPlace
    private let reader: any StorageReader
    private var ownersAhead: ArraySlice<OwnerEntry> = []

    init(over reader: any StorageReader, from place: CopyPlace = .start) {
        self.reader = reader
        self.place = place
    }

    /// The next rows, which may be none; `nil` at the end.
    ///
    /// - Throws: what the reader throws; `storage-unavailable` if the rows' order turns back, which only damage does.
    mutating func next() throws(ApusError) -> [StoredRow]? {
        switch place {
        case .owners(let after): try nextOwner(after: after)
        case .records(let owner, let after): try nextRecords(of: owner, after: after)
        case .answers(let owner, let after): try nextAnswers(of: owner, after: after)
        case .users(let after): try nextUsers(after: after)
        case .devices(let after): try nextDevices(after: after)
        case .tokens(let after): try nextTokens(after: after)
        case .revocations: try allRevocations()
        case .cutoffs: try allCutoffs()
        case .audit(let after): try nextAudit(after: after)
        case .end: nil
        }
    }

    private mutating func nextOwner(after: OwnerID?) throws(ApusError) -> [StoredRow] {
        if ownersAhead.isEmpty { ownersAhead = try reader.owners(after: after, limit: Self.pageRowsMax)[...] }
        guard let entry = ownersAhead.popFirst() else {
            place = .users(after: nil)
            return []
        }
        if let after { try expectRise(after < entry.owner, in: "the owners") }
        place = .records(entry.owner, after: .zero)
        return [.owner(entry)]
    }

    private mutating func nextRecords(of owner: OwnerID, after: SequenceNumber) throws(ApusError) -> [StoredRow] {
        let (rows, reached) = try reader.snapshot { () throws(ApusError) in
            try records(of: owner, after: after)
        }
        if let reached { try expectRise(after < reached, in: "the records of \(owner)") }
        place = reached.map { .records(owner, after: $0) } ?? .answers(owner, after: nil)
        return rows
    }

    /// A page, which ends early when what its tombstones keep would make it too long, and where the next one begins.
    private func records(
        of owner: OwnerID, after: SequenceNumber
    ) throws(ApusError) -> (rows: [StoredRow], reached: SequenceNumber?) {
        let page = try reader.changes(
            owner: owner, collection: nil, after: after, limit: Self.pageRowsMax, bytesMax: Self.pageBytesMax,
            liveAt: .distantPast)
        var rows: [StoredRow] = []
        rows.reserveCapacity(page.records.count)
        var keptBytes = 0
        for record in page.records {
            let kept = record.isTombstone ? try reader.deletedValue(at: record.address) : nil
            rows.append(.record(record, kept: kept))
            keptBytes += kept?.byteCount ?? 0
            if keptBytes >= Self.pageBytesMax { return (rows, record.sequence) }
        }
        return (rows, page.hasMore ? page.reached.after : nil)
    }

    private mutating func nextAnswers(of owner: OwnerID, after: String?) throws(ApusError) -> [StoredRow] {
        let answers = try reader.storedAnswers(owner: owner, after: after, bytesMax: Self.answersBytesMax)
        guard let last = answers.last else {
            place = .owners(after: owner)
            return []
        }
        if let after {
            try expectRise(ExactText(stored: after) < ExactText(stored: last.key), in: "the answers of \(owner)")
        }
        place = .answers(owner, after: last.key)
        return answers.map { .answer($0) }
    }

    private mutating func nextUsers(after: OwnerID?) throws(ApusError) -> [StoredRow] {
        let users = try reader.users(after: after, limit: Self.pageRowsMax)
        guard let last = users.last else {
            place = .devices(after: nil)
            return []
        }
        if let after { try expectRise(after < last.id, in: "the users") }
        place = .users(after: last.id)
        return users.map { .user($0) }
    }

    private mutating func nextDevices(after: DeviceAddress?) throws(ApusError) -> [StoredRow] {
        let devices = try reader.devices(after: after, limit: Self.pageRowsMax)
        guard let last = devices.last else {
            place = .tokens(after: .min)
            return []
        }
        if let after { try expectRise(after < last.address, in: "the devices") }
        place = .devices(after: last.address)
        return devices.map { .device($0) }
    }

    private mutating func nextTokens(after: Int64) throws(ApusError) -> [StoredRow] {
        let tokens = try reader.tokens(afterNumber: after, limit: Self.pageRowsMax)
        guard let last = tokens.last else {
            place = .revocations
            return []
        }
        try expectRise(after < last.number, in: "the tokens")
        place = .tokens(after: last.number)
        return tokens.map { .token($0.token) }
    }

    private mutating func allRevocations() throws(ApusError) -> [StoredRow] {
        place = .cutoffs
        return try reader.revocations().map { .revocation($0) }
    }

    private mutating func allCutoffs() throws(ApusError) -> [StoredRow] {
        place = .audit(after: 0)
        return try reader.cutoffs().map { .cutoff($0) }
    }

    private mutating func nextAudit(after: Int64) throws(ApusError) -> [StoredRow] {
        let entries = try reader.auditEntries(after: after, limit: Self.pageRowsMax)
        guard let last = entries.last else {
            place = .end
            return []
        }
        try expectRise(after < last.number, in: "the audit log")
        place = .audit(after: last.number)
        return entries.map { .audit($0) }
    }

    /// Without it, a walk over a damaged index might never end.
    private func expectRise(_ rises: Bool, in what: String) throws(ApusError) {
        guard !rises else { return }
        throw .storageUnavailable(cause: "the order of \(what) turns back")
    }
}

extension Timestamp {
    /// Before every end: what is live at this moment is all but the tombstones.
    static let distantPast = Timestamp(milliseconds: .min)
}
