import Glibc

/// A storage library used directly, by one thread: what ours is built on, with nothing of ours in between.
protocol RawTables: AnyObject {
    func begin() throws
    func commit() throws

    /// Writes a record, new or not, as change number `sequence` of its owner; within a transaction.
    func upsert(_ row: RawRow, value: Bytes) throws

    /// Reads one record and says how many bytes its value has.
    func read(scope: Int, key: Int) throws -> Int

    /// Reads the first records of a scope in key order and says how many there were.
    func list(scope: Int, limit: Int) throws -> Int

    /// Reads an owner's records in the order of their last change, from the first after `sequence` on.
    func changes(owner: Int, after sequence: Int, limit: Int) throws -> Int

    func close()
}

/// Where a record stands, by numbers: the names are the server's matter.
struct RawRow {
    let owner: Int
    let scope: Int
    let key: Int
    let sequence: Int
}

/// Where a value is copied to: what was read must outlive the read to be of use to anyone.
struct RawSink {
    private let bytes = Bytes(capacity: KeySpace.valueBytes * 2)

    func take(_ start: UnsafeRawPointer?, count: Int) {
        guard let start, count <= bytes.capacity else { return }
        memcpy(bytes.start, start, count)
    }
}

/// The records of a run in such a storage, and how fast it writes and reads them.
final class RawStorage {
    private let options: BenchOptions
    private let space: KeySpace
    private let folder: Folder
    private let tables: any RawTables
    private let value: Bytes
    private let template: RequestTemplate
    /// The last change number of each owner; the one after the users is that of `catchUps`.
    private var sequences: [Int]
    private var generator: SeededGenerator
    private var written = 0

    /// Fills a new storage in a folder of its own; `nil` for a backend that is built on no library.
    init?(options: BenchOptions, variant: Variant, folder parent: Folder) throws {
        guard let open = Self.opener(of: variant.backend) else { return nil }
        self.options = options
        space = options.space
        folder = try parent.makeRunFolder()
        tables = try open(folder.path + "/raw.db", variant.durability == "full")
        var template = RequestTemplate()
        template.addValue(length: KeySpace.valueBytes)
        self.template = template
        value = Bytes(capacity: template.bytes.count)
        sequences = Array(repeating: 0, count: space.users + 1)
        generator = SeededGenerator(seed: options.seed)
        if options.load { try load() }
    }

    private static func opener(of backend: String) -> ((String, Bool) throws -> any RawTables)? {
        switch backend {
        case "sqlite": { try RawSQLite(path: $0, isDurable: $1) }
        case "lmdb": { try RawLMDB(path: $0, isDurable: $1) }
        default: nil
        }
    }

    func close() {
        tables.close()
        folder.remove()
    }

    /// Rows a second with `size` of them a transaction: one user's, or as many clients' of any users.
    func upserts(size: Int, ofOneUser: Bool) throws -> Double {
        let perUser = space.collections * space.keys
        return try perSecond(unitsPerTurn: size) {
            var user = self.generator.next(below: self.space.users)
            var record = self.generator.next(below: perUser)
            let step = self.generator.shuffleStep(below: perUser)
            try self.tables.begin()
            for _ in 0..<size {
                try self.upsert(user: user, record: record)
                record = (record + step) % perUser
                guard !ofOneUser else { continue }
                user = self.generator.next(below: self.space.users)
                record = self.generator.next(below: perUser)
            }
            try self.tables.commit()
        }
    }

    func reads() throws -> Double {
        try perSecond(unitsPerTurn: 1) {
            let scope = self.generator.next(below: self.space.users * self.space.collections)
            let length = try self.tables.read(scope: scope, key: self.generator.next(below: self.space.keys))
            guard length > 0 else { throw BenchError("a record that was written is not there") }
        }
    }

    func lists(limit: Int) throws -> Double {
        let due = min(limit, space.keys)
        return try perSecond(unitsPerTurn: 1) {
            let scope = self.generator.next(below: self.space.users * self.space.collections)
            guard try self.tables.list(scope: scope, limit: limit) == due else {
                throw BenchError("a list is not complete")
            }
        }
    }

    /// Changes a second, read by one owner's last `changes` at a time.
    func catchUps(changes: Int) throws -> Double {
        let owner = space.users
        let space = KeySpace.ofOneUser(changes: changes).space
        let base = (self.space.users + owner) * self.space.collections
        try tables.begin()
        for record in 0..<changes {
            sequences[owner] += 1
            let row = RawRow(
                owner: owner, scope: base + record / space.keys, key: record % space.keys, sequence: sequences[owner])
            try tables.upsert(row, value: nextValue())
        }
        try tables.commit()
        let after = sequences[owner] - changes
        return try perSecond(unitsPerTurn: changes) {
            guard try self.tables.changes(owner: owner, after: after, limit: changes) == changes else {
                throw BenchError("a change that was written is not there")
            }
        }
    }

    private func load() throws {
        let perUser = space.collections * space.keys
        let size = space.loadSize
        for user in 0..<space.users {
            for first in stride(from: 0, to: perUser, by: size) {
                try tables.begin()
                for record in first..<min(first + size, perUser) { try upsert(user: user, record: record) }
                try tables.commit()
            }
        }
    }

    private func upsert(user: Int, record: Int) throws {
        sequences[user] += 1
        let scope = user * space.collections + record / space.keys
        let row = RawRow(owner: user, scope: scope, key: record % space.keys, sequence: sequences[user])
        try tables.upsert(row, value: nextValue())
    }

    private func nextValue() -> Bytes {
        written += 1
        value.clear()
        template.write(to: value, collection: 0, key: 0, number: written)
        return value
    }

    /// Takes turns for as long as the server's row was measured, after half of its warm-up.
    private func perSecond(unitsPerTurn: Int, _ turn: () throws -> Void) throws -> Double {
        let warm = Moment.now.after(seconds: options.warmUp / 2)
        while Moment.now < warm { try turn() }
        let start = Moment.now
        let deadline = start.after(seconds: options.seconds)
        var turns = 0
        while Moment.now < deadline {
            try turn()
            turns += 1
        }
        return Double(turns * unitsPerTurn) / (Double(Moment.now - start) / 1e9)
    }
}
