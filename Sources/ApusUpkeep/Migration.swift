public import ApusCore

/// Copies everything one storage keeps into another, of any kind, while neither is served.
///
/// Each commit of the target says how far it came, so that whatever interrupts the copying, it can go on from there.
/// The target is marked as unfinished, and no server serves it, until it has been read again and found to be the same.
public struct Migration: Sendable {
    private let source: NamedStorage
    private let target: NamedStorage
    private let resumes: Bool
    /// Rows of one commit.
    var partRowsMax = CopyBatch.rowsMax

    /// How a migration ended.
    public enum Outcome: Sendable {
        case done(RowTally, epoch: Epoch)
        /// The target held everything already.
        case nothingToDo(RowTally)
    }

    public init(from source: NamedStorage, to target: NamedStorage, resumes: Bool) {
        self.source = source
        self.target = target
        self.resumes = resumes
    }

    /// Copies, compares, and gives the target the source's epoch.
    ///
    /// - Throws: with a message for the operator, which names the path: what opening throws; `storage-unavailable` if
    ///   the target holds something else, or the source cannot be read; `storage-full`.
    public func run(onProgress: (MigrationProgress) -> Void) throws(ApusError) -> Outcome {
        for suffix in [""] + NamedStorage.companionSuffixes where Files.areSame(source.path + suffix, target.path) {
            throw ApusError(.badParameter, "\(source.url) cannot be migrated into itself")
        }
        let from = try source.open(.existing)
        try UnfinishedMigration.refuse(from, to: "migrated")
        onProgress(MigrationProgress(phase: .reading, rows: 0))
        try from.refuseFaults(of: source.path, "migrated")
        let to = try target.open(.serving)
        // The locks last as long as the backends.
        return try withExtendedLifetime((from, to)) { () throws(ApusError) in
            let writer = try to.openWriter()
            defer { writer.close() }
            return try run(from: from, to: to, writer: writer, onProgress: onProgress)
        }
    }

    private func run(
        from: any StorageBackend, to: any StorageBackend, writer: any StorageWriter,
        onProgress: (MigrationProgress) -> Void
    ) throws(ApusError) -> Outcome {
        let epoch = from.description.epoch
        let start = try start(in: writer, of: to, from: epoch)
        let reader = try from.openReader()
        // Of the source, which nobody writes to meanwhile.
        let ledger = try telling(of: source.path, "read") { () throws(ApusError) in
            try reader.note(AuditLedger.noteName)
        }
        let tally = try telling(of: source.path, "read") { () throws(ApusError) in
            try RowTally(of: reader) { onProgress(MigrationProgress(phase: .reading, rows: $0)) }
        }
        let total = tally.counts.total
        let begun: UnfinishedMigration
        switch start {
        case .complete:
            try compare(tally, to, advice: "one of the two was written to since; nothing was changed") {
                onProgress(MigrationProgress(phase: .comparing, rows: $0, total: total))
            }
            return .nothingToDo(tally)
        case .empty: begun = UnfinishedMigration(sourceEpoch: epoch, sourceDigest: tally.digestText)
        case .unfinished(let state):
            guard state.sourceDigest == tally.digestText else {
                throw refusal(
                    "\(source.path) was written to after the migration began; remove the target and migrate anew")
            }
            begun = state
        }
        try copy(reader, into: writer, from: begun) {
            onProgress(MigrationProgress(phase: .copying, rows: $0, total: total))
        }
        try compare(tally, to, advice: "it stays marked as unfinished; remove it and migrate anew") {
            onProgress(MigrationProgress(phase: .comparing, rows: $0, total: total))
        }
        var last = CommitBatch()
        last.notes = [UnfinishedMigration.noteName: nil, AuditLedger.noteName: ledger]
        last.epoch = epoch
        try commit(last, to: writer)
        return .done(tally, epoch: epoch)
    }

    /// What the target was found to hold.
    private enum Start {
        case empty
        case unfinished(UnfinishedMigration)
        case complete
    }

    private func start(
        in writer: any StorageWriter, of to: any StorageBackend, from epoch: Epoch
    ) throws(ApusError) -> Start {
        let note = try telling(of: target.path, "read") { () throws(ApusError) in
            try writer.note(UnfinishedMigration.noteName)
        }
        guard let note else {
            if to.description.epoch == epoch { return .complete }
            guard try isEmpty(writer) else {
                throw refusal("it holds something already; nothing was changed")
            }
            return .empty
        }
        guard resumes else {
            throw refusal("a migration into it was not finished; go on with --resume, or remove it")
        }
        guard let begun = UnfinishedMigration(note) else {
            throw refusal("what it says of an unfinished migration cannot be read; remove it and migrate anew")
        }
        guard begun.sourceEpoch == epoch else {
            throw refusal("the unfinished migration into it came from another database than \(source.path)")
        }
        return .unfinished(begun)
    }

    private func isEmpty(_ reader: any StorageReader) throws(ApusError) -> Bool {
        try telling(of: target.path, "read") { () throws(ApusError) in
            var isEmpty = try reader.owners(after: nil, limit: 1).isEmpty
            isEmpty = try reader.users(after: nil, limit: 1).isEmpty && isEmpty
            isEmpty = try reader.devices(after: nil, limit: 1).isEmpty && isEmpty
            isEmpty = try reader.tokens(afterNumber: .min, limit: 1).isEmpty && isEmpty
            isEmpty = try reader.revocations().isEmpty && isEmpty
            isEmpty = try reader.cutoffs().isEmpty && isEmpty
            return try reader.auditEntries(limit: 1).isEmpty && isEmpty
        }
    }

    private func copy(
        _ reader: any StorageReader, into writer: any StorageWriter, from begun: UnfinishedMigration,
        onRows: (_ rowsSoFar: Int) -> Void
    ) throws(ApusError) {
        var state = begun
        var walk = StorageWalk(over: reader, from: begun.place)
        var part = CopyBatch()
        func finishPart() throws(ApusError) {
            state.rows += part.rows
            state.place = walk.place
            var batch = part.batch
            batch.notes = [UnfinishedMigration.noteName: state.text]
            try commit(batch, to: writer)
            part = CopyBatch()
            onRows(state.rows)
        }
        while let rows = try telling(of: source.path, "read", { () throws(ApusError) in try walk.next() }) {
            for row in rows { part.add(row) }
            if part.isFull(rowsMax: partRowsMax) { try finishPart() }
        }
        try finishPart()
    }

    private func commit(_ batch: CommitBatch, to writer: any StorageWriter) throws(ApusError) {
        try telling(of: target.path, "written") { () throws(ApusError) in
            try writer.transaction { transaction throws(ApusError) in try transaction.apply(batch) }
            try writer.maintain()
        }
    }

    /// Reads all of the target again.
    private func compare(
        _ tally: RowTally, _ to: any StorageBackend, advice: String, onRows: (_ rowsSoFar: Int) -> Void
    ) throws(ApusError) {
        let copied = try telling(of: target.path, "read") { () throws(ApusError) in
            try RowTally(of: to.openReader(), onRows: onRows)
        }
        guard copied != tally else { return }
        throw ApusError(
            .storageUnavailable,
            "the database \(target.path) is not the same as \(source.path): \(advice) "
                + "(there: \(copied.counts.text), digest \(copied.digestText); "
                + "in the source: \(tally.counts.text), digest \(tally.digestText))")
    }

    private func refusal(_ reason: String) -> ApusError {
        ApusError(.storageUnavailable, "the database \(target.path) cannot be migrated into: \(reason)")
    }
}
