import ApusCore

/// Looks through the audit log, from the newest entry on, within bounds: one search does not hold a reader for long.
///
/// The log is in the order of the commits, in which times almost rise: an entry of refusals tells of a minute that was
/// over before it was written, and clocks are corrected. Where times are used to leave out a part of the log, they are
/// given so much room.
struct AuditSearch {
    private let query: AuditQuery
    /// By how much an entry may seem older than one before it.
    private let disorder: Duration

    /// Entries that one call looks at.
    static let entriesLookedAtMax = 10_000
    private static let pageEntries = 500
    private static let clockCorrection = Duration.seconds(300)

    init(_ query: AuditQuery, cleanupInterval: Duration) {
        self.query = query
        disorder = Self.clockCorrection + cleanupInterval
    }

    func run(on reader: any StorageReader) throws(ApusError) -> AuditPage {
        let earliest = query.filter.since.map { $0.advanced(byMilliseconds: -milliseconds) }
        var before = query.before
        if before == nil { before = try start(on: reader) }
        var found: [AuditEntry] = []
        var lookedAt = 0
        while lookedAt < Self.entriesLookedAtMax {
            let page = try reader.auditEntries(before: before, limit: Self.pageEntries)
            for entry in page {
                if let earliest, entry.at < earliest { return AuditPage(entries: found, next: nil) }
                if query.filter.matches(entry) {
                    guard found.count < query.limit else {
                        return AuditPage(entries: found, next: found.last?.number)
                    }
                    found.append(entry)
                }
                before = entry.number
            }
            guard page.count == Self.pageEntries else { return AuditPage(entries: found, next: nil) }
            lookedAt += page.count
        }
        return AuditPage(entries: found, next: before)
    }

    private var milliseconds: Int64 { disorder.components.seconds * 1000 }

    /// A number from which on all entries are too new: found by halving, as the newest may be many.
    private func start(on reader: any StorageReader) throws(ApusError) -> Int64? {
        guard let latest = query.filter.until?.advanced(byMilliseconds: milliseconds),
            let newest = try reader.auditEntries(limit: 1).first,
            let oldest = try reader.auditEntries(after: 0, limit: 1).first
        else { return nil }
        var (low, high) = (oldest.number, newest.number + 1)
        while low < high {
            let middle = low + (high - low) / 2
            // The oldest may have been dropped meanwhile.
            let entry = try reader.auditEntries(after: middle - 1, limit: 1).first
            if let entry, entry.at <= latest { low = middle + 1 } else { high = middle }
        }
        return high
    }
}
