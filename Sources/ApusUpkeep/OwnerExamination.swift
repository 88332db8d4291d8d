import ApusCore

/// What must hold for one owner and its records, judged as they come by change number.
struct OwnerExamination {
    private let entry: OwnerEntry
    private let limits = Limits()
    /// The years 0000 to 9999, all that can be written on the wire.
    private static let times = moment("0000-01-01T00:00:00.000Z")...moment("9999-12-31T23:59:59.999Z")
    private var last: Record?
    private var records = 0
    private var valueBytes = 0

    private var name: String { Findings.quoted(entry.owner.text) }

    init(of entry: OwnerEntry, findings: inout Findings) {
        self.entry = entry
        if let complaint = OwnerID.complaint(about: entry.owner.text) { findings.add("owner \(name): \(complaint)") }
        let state = entry.state
        findings.expect(
            state.lastSequence >= .zero && state.purgedThrough >= .zero,
            "owner \(name): a change number is below 0")
        findings.expect(
            state.purgedThrough <= state.lastSequence,
            "owner \(name): tombstones are purged through \(state.purgedThrough.rawValue), beyond its last change "
                + "\(state.lastSequence.rawValue)")
    }

    /// - Parameters:
    ///   - kept: what a tombstone keeps.
    ///   - found: what is at the record's address when asked for it.
    mutating func take(_ record: Record, kept: JSONText?, found: Record?, findings: inout Findings) {
        let keptComplaints = kept.map { complaints(about: $0, "the value it keeps") } ?? []
        for complaint in complaints(about: record) + keptComplaints + complaints(about: record, found: found) {
            let address = record.address
            findings.add(
                "record \(name)/\(Findings.quoted(address.collection.text))/\(Findings.quoted(address.key.text)): "
                    + complaint)
        }
        last = record
        guard !record.isTombstone else { return }
        records += 1
        valueBytes += record.value?.byteCount ?? 0
    }

    /// - Parameter usage: of all records that are no tombstones.
    func finish(usage: OwnerUsage, findings: inout Findings) {
        findings.expect(
            usage == OwnerUsage(records: records, valueBytes: valueBytes),
            "owner \(name): \(records) records with \(valueBytes) bytes are among the changes, but "
                + "\(usage.records) with \(usage.valueBytes) are counted")
    }

    private func complaints(about record: Record, found: Record?) -> [String] {
        guard found != record else { return [] }
        return [
            found == nil
                ? "it is among the changes but not found by its key"
                : "by its key another state is found than among the changes"
        ]
    }

    private func complaints(about record: Record) -> [String] {
        var complaints = namesComplaints(about: record.address)
        func expect(_ holds: Bool, _ complaint: String) {
            if !holds { complaints.append(complaint) }
        }
        let number = record.sequence.rawValue
        let state = entry.state
        expect(record.address.owner == entry.owner, "it belongs to another owner")
        expect(record.sequence > (last?.sequence ?? .zero), "its change number \(number) does not rise")
        expect(
            record.sequence <= state.lastSequence,
            "its change number \(number) is beyond the owner's last, \(state.lastSequence.rawValue)")
        expect(
            record.sequence != state.purgedThrough || number <= 0,
            "its change number \(number) is that of a purged tombstone")
        expect(
            last.map { $0.committedAt <= record.committedAt } ?? true, "it was committed before the change before it")
        expect(record.committedAt <= state.lastCommittedAt, "it was committed after the owner's last commit")
        expect(
            record.sequence != state.lastSequence || record.committedAt == state.lastCommittedAt,
            "it is the owner's last change, but was not committed with it")
        for moment in [record.updatedAt, record.deletedAt, record.expiresAt].compactMap(\.self) {
            expect(Self.times.contains(moment), "one of its times is no time")
        }
        expect((record.value == nil) == record.isTombstone, "it has neither a value nor been deleted, or both")
        if let value = record.value { complaints += self.complaints(about: value, "its value") }
        return complaints
    }

    private static func moment(_ text: String) -> Timestamp { Timestamp(text) ?? Timestamp(milliseconds: 0) }

    private func namesComplaints(about address: RecordAddress) -> [String] {
        [
            CollectionName.complaint(about: address.collection.text),
            RecordKey.complaint(about: address.key.text),
        ].compactMap(\.self)
    }

    private func complaints(about value: JSONText, _ name: String) -> [String] {
        var complaints: [String] = []
        if value.byteCount > limits.valueBytesMax { complaints.append("\(name) has \(value.byteCount) bytes") }
        do throws(ApusError) {
            let parsed = try JSONText(parsing: value.bytes, depthMax: limits.valueDepthMax)
            if parsed.byteCount != value.byteCount { complaints.append("\(name) has space around it") }
        } catch {
            complaints.append("\(name) is \(error.message)")
        }
        return complaints
    }
}
