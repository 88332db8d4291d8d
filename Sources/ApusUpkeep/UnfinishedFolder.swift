import ApusCore

/// A folder in which something is made before it gets its name, so that what bears the name is always whole.
///
/// What a run left that was interrupted is replaced, but only if it can be told that it was such a run: the folder then
/// is empty, or holds the mark or a manifest of a backup, and nothing else than files that are made in it.
struct UnfinishedFolder {
    private static let mark = "unfinished"

    let path: String
    /// Keeps a second run out of the folder.
    private let lock: OpenFile

    /// Makes the folder, or empties what is left of it.
    ///
    /// - Throws: `storage-unavailable` if there is something else at `path`, or another run is at work in it.
    init(at path: String) throws(ApusError) {
        self.path = path
        switch try Files.kind(path) {
        case nil:
            try Files.makeFolder(path)
            lock = try OpenFile(locking: path)
        case .folder?:
            lock = try OpenFile(locking: path)
            guard try Self.isLeftOver(path) else { throw Self.foreign(path) }
            try Self.empty(path)
        case .file?, .other?: throw Self.foreign(path)
        }
        do throws(ApusError) {
            try Files.write("", to: path + "/" + Self.mark)
        } catch {
            remove()
            throw error
        }
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Removes what a storage put beside its file when it was opened.
    func removeAll(except names: Set<String>) throws(ApusError) {
        for name in try Files.names(in: path) where !names.contains(name) && name != Self.mark {
            try Files.remove(file(name))
        }
    }

    /// Gives the folder its name; it is on the disk on return.
    func move(to target: String) throws(ApusError) {
        try Files.sync(path)
        try Files.remove(file(Self.mark))
        try Files.sync(path)
        try Files.moveFolder(path, to: target)
        try Files.sync(Files.parent(of: target))
    }

    /// Removes it with everything in it; what cannot be removed is left, for the next run to replace.
    func remove() {
        do throws(ApusError) {
            try Self.empty(path)
            try Files.removeEmptyFolder(path)
        } catch {}
    }

    private static func isLeftOver(_ path: String) throws(ApusError) -> Bool {
        let names = try Files.names(in: path)
        for name in names {
            let isOurs =
                name == mark || name == Manifest.fileName || name == Manifest.dataName
                || name.hasPrefix(Manifest.dataName + "-")
            guard isOurs, try Files.kind("\(path)/\(name)") == .file else { return false }
        }
        guard !names.isEmpty, !names.contains(mark) else { return true }
        do throws(ApusError) {
            _ = try Manifest.read(from: path)
            return true
        } catch {
            return false
        }
    }

    private static func empty(_ path: String) throws(ApusError) {
        // The mark goes last: what is left by an interruption here is still known for what it is.
        let names = try Files.names(in: path)
        for name in names where name != mark { try Files.remove("\(path)/\(name)") }
        try Files.remove("\(path)/\(mark)")
    }

    private static func foreign(_ path: String) -> ApusError {
        ApusError(
            .storageUnavailable, "\(path) is in the way, and nothing an interrupted apus left; nothing was changed")
    }
}
