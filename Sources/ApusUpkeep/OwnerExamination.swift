import ApusCore

/// What must hold for one owner and its records, judged as they come by change number.
struct OwnerExamination {
    private let entry: OwnerEntry
    private let limits = Limits()
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

    /// - Parameter found: what is at the record's address when asked for it.
    mutating func take(_ record: Record, found: Record?, findings: inout Findings) {
        let place =
            "record \(name)/\(Findings.quoted(record.address.collection.text))/"
            + Findings.quoted(record.address.key.text)
        for complaint in complaints(about: record) { findings.add("\(place): \(complaint)") }
        if found == nil {
            findings.add("\(place): it is among the changes but not found by its key")
        } else if found != record {
            findings.add("\(place): by its key another state is found than among the changes")
        }
        last = record
        guard !record.isTombstone else { return }
        records += 1
        valueBytes += record.value?.byteCount ?? 0
    }

    /// - Parameters:
    ///   - usage: of all records that are no tombstones.
    ///   - collections: those of the same records.
    func finish(usage: OwnerUsage, collections: [CollectionCount], findings: inout Findings) {
        let listed = collections.reduce(0) { $0 + $1.count }
        findings.expect(
            usage == OwnerUsage(records: records, valueBytes: valueBytes) && listed == records,
            "owner \(name): \(records) records with \(valueBytes) bytes are among the changes, but "
                + "\(usage.records) with \(usage.valueBytes) are counted and \(listed) are in collections")
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
            expect(Timestamp(moment.text) == moment, "one of its times is no time")
        }
        expect((record.value == nil) == record.isTombstone, "it has neither a value nor been deleted, or both")
        if let value = record.value { complaints += valueComplaints(about: value) }
        return complaints
    }

    private func namesComplaints(about address: RecordAddress) -> [String] {
        [
            CollectionName.complaint(about: address.collection.text),
            RecordKey.complaint(about: address.key.text),
        ].compactMap(\.self)
    }

    private func valueComplaints(about value: JSONText) -> [String] {
        var complaints: [String] = []
        if value.byteCount > limits.valueBytesMax { complaints.append("its value has \(value.byteCount) bytes") }
        do throws(ApusError) {
            let parsed = try JSONText(parsing: value.bytes, depthMax: limits.valueDepthMax)
            if parsed.byteCount != value.byteCount { complaints.append("its value has space around it") }
        } catch {
            complaints.append("its value is \(error.message)")
        }
        return complaints
    }
}
