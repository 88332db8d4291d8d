/// What the works of one group could reach at most: the same without our code, measured in the same run.
///
/// Nothing is measured, and no storage filled, before it is asked for.
final class RawLimits {
    private let options: BenchOptions
    private let variant: Variant
    private let folder: Folder
    private let sender: BareSender
    private var storage: RawStorage?

    init(options: BenchOptions, variant: Variant, folder: Folder, sender: BareSender) {
        self.options = options
        self.variant = variant
        self.folder = folder
        self.sender = sender
    }

    /// A second's amount in the unit of the work's row; `nil` where there is nothing to compare with.
    func raw(for work: Work) throws -> Double? {
        guard options.raw else { return nil }
        switch work {
        case .upsert(let size): return try openStorage()?.upserts(size: size, ofOneUser: true)
        case .single(let clients): return try openStorage()?.upserts(size: clients, ofOneUser: false)
        case .read: return try openStorage()?.reads()
        case .list(_, let limit): return try openStorage()?.lists(limit: limit)
        case .resume(_, let changes): return try openStorage()?.catchUps(changes: changes)
        case .fanOut(let sockets, let underWay, nil):
            return try sender.deliveriesPerSecond(sockets: sockets, underWay: underWay)
        case .fanOut, .load, .mixed, .fanOutBurst, .idle, .slow, .scopes: return nil
        }
    }

    func close() {
        storage?.close()
        storage = nil
    }

    private func openStorage() throws -> RawStorage? {
        if let storage { return storage }
        storage = try RawStorage(options: options, variant: variant, folder: folder)
        return storage
    }
}
