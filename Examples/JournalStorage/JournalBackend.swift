public import ApusCore
import ApusMemory
import Foundation

/// A storage of one's own, to show how: a text file with a line of JSON for each commit, and everything in memory.
///
/// It obeys all of `StorageLaws`. It is for little data: the file only grows, and is read whole at the start.
public final class JournalBackend: StorageBackend {
    public let description: StorageDescription
    private let memory: MemoryBackend
    private let file: FileHandle

    /// A line of the file: what one transaction applied.
    fileprivate typealias Line = [CommitBatch]

    /// - Throws: `storage-unavailable` with a message that names the path.
    public init(_ opening: StorageOpening) throws(ApusError) {
        let path = opening.path
        if opening.access == .serving, !FileManager.default.fileExists(atPath: path) {
            try? Data().write(to: URL(filePath: path), options: .withoutOverwriting)
        }
        guard !path.isEmpty, let file = FileHandle(forUpdatingAtPath: path) else {
            throw ApusError(.storageUnavailable, "the journal \(path) cannot be opened")
        }
        // The kernel lets go of the lock however the process ends.
        guard opening.access == .reading || flock(file.fileDescriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw ApusError(.storageUnavailable, "the journal \(path) is in use by another server")
        }
        let memory = MemoryBackend(makeEpoch: opening.makeEpoch)
        var (epoch, number): (Epoch?, Int64) = (nil, 0)
        do {
            for var batch in try Self.read(file, isRepaired: opening.access != .reading).joined() {
                epoch = batch.epoch ?? epoch
                // Audit entries that were written before they had numbers are counted.
                for index in batch.audit.indices {
                    if batch.audit[index].number == 0 { batch.audit[index].number = number + 1 }
                    number = batch.audit[index].number
                }
                let writer = memory.openWriter()
                defer { writer.close() }
                try writer.transaction { [batch] transaction throws(ApusError) in try transaction.apply(batch) }
            }
        } catch {
            throw ApusError(.storageUnavailable, "the journal \(path) cannot be read", cause: "\(error)")
        }
        self.memory = memory
        self.file = file
        description = StorageDescription(
            name: "journal", path: path, durability: opening.durability, schemaVersion: 1,
            epoch: epoch ?? memory.description.epoch)
        if epoch == nil, opening.access != .reading {
            var first = CommitBatch()
            first.epoch = description.epoch
            try append([first])
        }
    }

    public func openWriter() -> any StorageWriter {
        JournalWriter(memory.openWriter()) { line throws(ApusError) in try self.append(line) }
    }

    public func openReader() -> any StorageReader { memory.openReader() }

    public func bytesStored() -> Int {
        let attributes = try? FileManager.default.attributesOfItem(atPath: description.path)
        return attributes?[.size] as? Int ?? 0
    }

    public func copy(to path: String) throws(ApusError) {
        do {
            try Data(contentsOf: URL(filePath: description.path)).write(
                to: URL(filePath: path), options: .withoutOverwriting)
            try FileHandle(forReadingFrom: URL(filePath: path)).synchronize()
        } catch {
            throw .storageUnavailable(cause: "\(error)")
        }
    }

    public func faults(limit: Int) -> [String] { [] }

    /// The lines that are whole; what a crash left of one is cut off, unless a server may just be writing it.
    private static func read(_ file: FileHandle, isRepaired: Bool) throws -> [Line] {
        let data = try file.readToEnd() ?? Data()
        let end = data.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let lines = try data[..<end].split(separator: UInt8(ascii: "\n")).map {
            try JSONDecoder().decode(Line.self, from: $0)
        }
        guard !lines.isEmpty || data.isEmpty || data.starts(with: Data("[{".utf8)) else {
            throw ApusError(.storageUnavailable, "it is no journal")
        }
        if isRepaired { try file.truncate(atOffset: UInt64(end)) }
        return lines
    }

    /// Writes one line and waits for the disk, as far as the durability asks; a line that fails is taken back.
    private func append(_ line: Line) throws(ApusError) {
        do {
            let end = try file.seekToEnd()
            do {
                try file.write(contentsOf: JSONEncoder().encode(line) + Data("\n".utf8))
                if description.durability == .full { try file.synchronize() }
            } catch {
                try file.truncate(atOffset: end)
                throw error
            }
        } catch {
            let isFull = (error as? CocoaError)?.code == .fileWriteOutOfSpace
            throw isFull ? .storageFull(cause: "\(error)") : .storageUnavailable(cause: "\(error)")
        }
    }
}

/// Commits to the memory what was written to the file first.
private final class JournalWriter: ForwardingWriter {
    private let append: ([CommitBatch]) throws(ApusError) -> Void

    init(_ memory: any StorageWriter, append: @escaping ([CommitBatch]) throws(ApusError) -> Void) {
        self.append = append
        super.init(memory)
    }

    override func transaction<Answer>(
        _ body: (any StorageTransaction) throws(ApusError) -> Answer
    ) throws(ApusError) -> Answer {
        try super.transaction { transaction throws(ApusError) in
            let recorder = RecordingTransaction(transaction)
            let answer = try body(recorder)
            if !recorder.applied.isEmpty { try self.append(recorder.applied) }
            return answer
        }
    }
}

/// Remembers what was applied.
private final class RecordingTransaction: ForwardingTransaction {
    private(set) var applied: [CommitBatch] = []

    override func apply(_ batch: CommitBatch) throws(ApusError) {
        try super.apply(batch)
        applied.append(batch)
    }
}
