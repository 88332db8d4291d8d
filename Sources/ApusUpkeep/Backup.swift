public import ApusCore

/// A copy of a whole storage as of one moment: a folder of `data`, a database, and `manifest.json`.
public struct Backup: Sendable {
    private let path: String

    /// Finds the storage of a kind at a path.
    public typealias Finding = @Sendable (_ kind: String, _ path: String) throws(ApusError) -> NamedStorage

    public init(at path: String) {
        self.path = Files.withoutSlashes(path)
    }

    /// Copies the storage, which may be served meanwhile; on return the backup is on the disk.
    ///
    /// Until then there is nothing but `PATH.partial`, which is removed if something fails, and which the next run
    /// replaces if this one is interrupted.
    ///
    /// - Throws: with a message for the operator, which names the path; never touches what is there already.
    public func make(of storage: NamedStorage, apusVersion: String, createdAt: Timestamp) throws(ApusError) -> Manifest
    {
        guard try Files.kind(path) == nil else { throw Files.taken(path) }
        let source = try storage.open(.reading)
        try UnfinishedMigration.refuse(source, to: "backed up")
        let folder = try UnfinishedFolder(at: path + ".partial")
        let manifest: Manifest
        do throws(ApusError) {
            let data = folder.file(Manifest.dataName)
            try telling(of: storage.path, "copied to \(path)") { () throws(ApusError) in try source.copy(to: data) }
            // The counts are read from the copy, so that they are of the same moment.
            let (description, counts) = try Self.contents(of: storage.at(data), to: "backed up") {
                backend throws(ApusError) in try backend.refuseFaults(of: storage.path, "backed up")
            }
            try folder.removeAll(except: [Manifest.dataName])
            manifest = Manifest(
                of: description, counts: counts, checksum: try Files.checksum(of: data), apusVersion: apusVersion,
                createdAt: createdAt)
            try Files.write(manifest.json, to: folder.file(Manifest.fileName))
            try folder.move(to: path)
        } catch {
            folder.remove()
            throw error
        }
        return manifest
    }

    /// Reads the whole backup and compares it with its manifest.
    ///
    /// - Throws: with a message for the operator, saying what differs.
    public func verify(finding: Finding) throws(ApusError) -> Manifest {
        let manifest = try Manifest.read(from: path)
        let data = "\(path)/\(Manifest.dataName)"
        try check(try Files.checksum(of: data), against: manifest)
        let before = Set(try Files.names(in: path))
        let contents = Result { () throws(ApusError) in
            try Self.contents(of: try finding(manifest.backend, data), to: "trusted")
        }
        // What the storage put beside its file to read it.
        for name in try Files.names(in: path) where !before.contains(name) { try Files.remove("\(path)/\(name)") }
        let (description, counts) = try contents.get()
        try check(description, counts, against: manifest)
        return manifest
    }

    /// Makes a database of it under a new epoch, so that clients notice that it is not the one they knew.
    ///
    /// - Parameter target: where nothing may be yet.
    /// - Throws: with a message for the operator, which names the path; never touches what is there already.
    public func restore(to target: NamedStorage, makeEpoch: () -> String) throws(ApusError) -> Manifest {
        let manifest = try Manifest.read(from: path)
        guard target.kind == manifest.backend else {
            throw ApusError(
                .badParameter,
                "the backup \(path) is one of \(manifest.backend) and cannot be restored to \(target.url): restore it "
                    + "to \(manifest.backend):PATH, then run apus migrate --from \(manifest.backend):PATH "
                    + "--to \(target.url)")
        }
        try refuseLeftovers(at: target.path)
        let folder = try UnfinishedFolder(at: target.path + ".restoring")
        do throws(ApusError) {
            let data = folder.file(Manifest.dataName)
            let copied = try Files.checksum(of: "\(path)/\(Manifest.dataName)", copyingTo: data)
            try check(copied, against: manifest)
            try renew(target.at(data), against: manifest, makeEpoch: makeEpoch)
            try refuseUnwritten(in: folder)
            try Files.sync(data)
            try refuseLeftovers(at: target.path)
            try Files.moveFile(data, to: target.path)
            try Files.sync(Files.parent(of: target.path))
        } catch {
            folder.remove()
            throw error
        }
        folder.remove()
        return manifest
    }

    private func renew(
        _ storage: NamedStorage, against manifest: Manifest, makeEpoch: () -> String
    ) throws(ApusError) {
        let backend = try storage.open(.existing)
        try UnfinishedMigration.refuse(backend, to: "restored")
        let writer = try backend.openWriter()
        defer { writer.close() }
        let counts = try telling(of: storage.path, "read") { () throws(ApusError) in try RowCounts(of: writer) }
        try check(backend.description, counts, against: manifest)
        var batch = CommitBatch()
        batch.epoch = Epoch(makeEpoch())
        try telling(of: storage.path, "written") { () throws(ApusError) in
            try writer.transaction { transaction throws(ApusError) in try transaction.apply(batch) }
            try writer.maintain()
        }
    }

    /// What lies beside a database is a part of it: with it, another one in its place would be read wrongly.
    private func refuseLeftovers(at target: String) throws(ApusError) {
        guard try Files.kind(target) == nil else { throw Files.taken(target) }
        for suffix in NamedStorage.companionSuffixes where try Files.kind(target + suffix) != nil {
            guard Files.byteCount(target + suffix) == 0 else { throw Files.taken(target + suffix) }
        }
    }

    private func refuseUnwritten(in folder: UnfinishedFolder) throws(ApusError) {
        for suffix in NamedStorage.logSuffixes where Files.byteCount(folder.file(Manifest.dataName) + suffix) > 0 {
            throw ApusError(
                .storageUnavailable, "the backup \(path) cannot be restored: its database was not closed whole")
        }
    }

    private func check(_ found: Checksum, against manifest: Manifest) throws(ApusError) {
        guard found != manifest.checksum else { return }
        let told = manifest.checksum
        let difference =
            found.bytes == told.bytes
            ? "the SHA-256 of its data is \(found.sha256), not \(told.sha256)"
            : "its data has \(found.bytes) bytes, not \(told.bytes)"
        throw ApusError(.storageUnavailable, "the backup \(path) is damaged: \(difference)")
    }

    private func check(
        _ description: StorageDescription, _ counts: RowCounts, against manifest: Manifest
    ) throws(ApusError) {
        func expect(_ holds: Bool, _ found: String, _ told: String) throws(ApusError) {
            guard !holds else { return }
            throw ApusError(
                .storageUnavailable, "the backup \(path) is not what its manifest says: \(found), not \(told)")
        }
        let epoch = description.epoch.text
        try expect(epoch == manifest.epoch, "its epoch is \(epoch)", manifest.epoch)
        try expect(counts == manifest.counts, counts.text, manifest.counts.text)
    }

    private static func contents(
        of storage: NamedStorage, to what: String,
        checking check: (any StorageBackend) throws(ApusError) -> Void = { _ throws(ApusError) in }
    ) throws(ApusError) -> (StorageDescription, RowCounts) {
        let backend = try storage.open(.reading)
        try check(backend)
        try UnfinishedMigration.refuse(backend, to: what)
        let counts = try telling(of: storage.path, "read") { () throws(ApusError) in
            try RowCounts(of: backend.openReader())
        }
        return (backend.description, counts)
    }
}
