internal import ApusCore
internal import ApusStorageKit

/// Looks for damage, without changing anything: every row of every table is read, and each index held against its rows.
struct Examination {
    private let reader: LMDBReader
    private let limit: Int

    init(of reader: LMDBReader, limit: Int) {
        self.reader = reader
        self.limit = limit
    }

    func faults() throws(ApusError) -> [String] {
        var faults: [String] = []
        do throws(ApusError) {
            try reader.view { view throws(ApusError) in
                var search = Search(reader: reader, view: view, limit: limit)
                defer { faults = search.faults }
                try search.records()
                try search.indexes()
                try search.accounts()
            }
        } catch  where error.code == .storageUnavailable {
            faults.append("the file cannot be read to its end: \(error.cause ?? error.message)")
        }
        return Array(faults.prefix(limit))
    }
}

private struct Search {
    let reader: LMDBReader
    let view: View
    let limit: Int
    private(set) var faults: [String] = []
    private var ends = 0
    private var tombstones = 0

    init(reader: LMDBReader, view: View, limit: Int) {
        self.reader = reader
        self.view = view
        self.limit = limit
    }

    private var isDone: Bool { faults.count >= limit }

    private mutating func note(_ fault: String) {
        if !isDone { faults.append(fault) }
    }

    /// Each record stands in the indexes where it should.
    mutating func records() throws(ApusError) {
        try view.scan(.records, from: nil) { place, bytes throws(ApusError) in
            let row = try RecordRow(bytes)
            let address = try reader.address(place, in: view)
            let name = "the record \(address.owner)/\(address.collection)/\(address.key)"
            guard let owner = try reader.number(of: address.owner, in: view) else {
                note("\(name) belongs to no owner")
                return !isDone
            }
            if try !isIndexed(place, .changes, at: reader.keys.begin().add(owner).add(row.sequence)) {
                note("\(name) is not among its owner's changes")
            }
            if let index = row.index {
                if index == .ends { ends += 1 } else { tombstones += 1 }
                if try !isIndexed(place, index, at: reader.keys.begin().add(row, in: index, owner: owner)) {
                    note("\(name) is not in the index \(index.name)")
                }
            }
            return !isDone
        }
    }

    private func isIndexed(
        _ place: UnsafeRawBufferPointer, _ index: Table, at key: KeyBuffer
    ) throws(ApusError) -> Bool {
        try view.value(in: index, at: key).map { $0.elementsEqual(place) } ?? false
    }

    /// No index has more entries than there are rows for it.
    mutating func indexes() throws(ApusError) {
        guard !isDone else { return }
        try compare(.changes, with: try view.count(.records))
        try compare(.ends, with: ends)
        try compare(.tombstones, with: tombstones)
        try compare(.names, with: try view.count(.scopes))
        for index in [Table.tokenIDs, .tokensOfUsers, .tokenEnds] {
            try compare(index, with: try view.count(.tokens))
        }
        try compare(.revocationEnds, with: try view.count(.revocations))
        try compare(.answerAges, with: try view.count(.answers))
    }

    private mutating func compare(_ index: Table, with rows: Int) throws(ApusError) {
        let entries = try view.count(index)
        if entries != rows { note("the index \(index.name) has \(entries) entries for \(rows) rows") }
    }

    /// Everything else can be read.
    mutating func accounts() throws(ApusError) {
        guard !isDone else { return }
        let pageBytes = 1 << 20
        var owner: OwnerID?
        while let entry = try reader.owners(after: owner, limit: 1).first {
            var key: String?
            while let last = try reader.storedAnswers(owner: entry.owner, after: key, bytesMax: pageBytes).last {
                key = last.key
            }
            owner = entry.owner
        }
        var user: OwnerID?
        while let last = try reader.users(after: user, limit: 100).last { user = last.id }
        var device: DeviceAddress?
        while let last = try reader.devices(after: device, limit: 100).last { device = last.address }
        var number = Int64.min
        while let last = try reader.tokens(afterNumber: number, limit: 100).last { number = last.number }
        var entry: Int64 = 0
        while let last = try reader.auditEntries(after: entry, limit: 1000).last { entry = last.number }
        _ = try reader.revocations()
        _ = try reader.cutoffs()
    }
}
