public import ApusCore

/// What the target of a migration knows about it until it is finished: kept as a note, written with each part.
public struct UnfinishedMigration: Hashable, Sendable {
    static let noteName = "migration"

    let sourceEpoch: Epoch
    /// The digest of everything in the source when the copying began: it must not change until the end.
    let sourceDigest: String
    /// Rows that were copied.
    var rows: Int
    /// Where the copying goes on.
    var place: CopyPlace

    init(sourceEpoch: Epoch, sourceDigest: String, rows: Int = 0, place: CopyPlace = .start) {
        self.sourceEpoch = sourceEpoch
        self.sourceDigest = sourceDigest
        self.rows = rows
        self.place = place
    }

    /// Four lines; only the last may hold anything.
    var text: String { "\(sourceEpoch.text)\n\(sourceDigest)\n\(rows)\n\(place.text)" }

    /// `nil` for what ``text`` never is.
    init?(_ text: String) {
        let lines = text.split(separator: "\n", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
        guard lines.count == 4, let rows = Int(lines[2]), let place = CopyPlace(lines[3]) else { return nil }
        self.init(sourceEpoch: Epoch(lines[0]), sourceDigest: lines[1], rows: rows, place: place)
    }

    /// Refuses a storage that holds a part of another one only.
    ///
    /// - Throws: `storage-unavailable` with a message for the operator.
    public static func refuse(_ storage: any StorageBackend, to what: String) throws(ApusError) {
        guard try storage.openReader().note(noteName) != nil else { return }
        throw ApusError(
            .storageUnavailable,
            "the database \(storage.description.path) cannot be \(what): a migration into it was not finished; "
                + "finish it with apus migrate --resume")
    }
}
