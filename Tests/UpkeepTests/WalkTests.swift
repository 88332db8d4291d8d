import ApusCore
import ApusMemory
import NIOCore
import Testing

@testable import ApusUpkeep

@Suite struct WalkTests {
    private func rows(of reader: any StorageReader, from place: CopyPlace = .start) throws -> [StoredRow] {
        var walk = StorageWalk(over: reader, from: place)
        var rows: [StoredRow] = []
        while let page = try walk.next() { rows += page }
        return rows
    }

    @Test(arguments: keptKinds)
    func `a walk meets everything once, the same in every storage`(_ kind: String) throws {
        let folder = try TemporaryFolder()
        let (kept, memory) = (try folder.open(kind, "data"), MemoryBackend(makeEpoch: { "e" }))
        for backend in [kept, memory] as [any StorageBackend] {
            let writer = try backend.openWriter()
            try writer.fill(owners: 6)
            writer.close()
        }
        let met = try rows(of: kept.openReader())
        #expect(met == (try rows(of: memory.openReader())))
        #expect(met.filter { $0.kind == .records }.count == 6 * 9)
        #expect(met.filter { $0.kind == .answers }.count == 6 * 3)
        #expect(try RowTally(of: kept.openReader()) == RowTally(of: memory.openReader()))
        let counted = try RowCounts(of: kept.openReader()).text
        #expect(
            counted
                == "owners 6, records 54, answers 18, users 2, devices 4, tokens 3, revocations 1, cutoffs 1, audit 7")
    }

    @Test(arguments: keptKinds)
    func `a walk that begins where another came to meets the rest`(_ kind: String) throws {
        let folder = try TemporaryFolder()
        try folder.fill(kind, "data", owners: 3)
        let reader = try folder.open(kind, "data", .reading).openReader()
        let all = try rows(of: reader)
        var walk = StorageWalk(over: reader)
        var met = 0
        while let page = try walk.next() {
            met += page.count
            let place = try #require(CopyPlace(walk.place.text))
            #expect(place == walk.place)
            #expect(try rows(of: reader, from: place) == Array(all[met...]), "\(place)")
        }
        #expect(met == all.count)
    }

    @Test(arguments: keptKinds)
    func `a walk meets what tombstones keep, a few at a time when it is long`(_ kind: String) throws {
        let folder = try TemporaryFolder()
        let backend = try folder.open(kind, "data")
        let writer = try backend.openWriter()
        defer { writer.close() }
        let owner = try OwnerID("u")
        let kept = (0..<7).map { number in
            JSONText(validated: ByteBuffer(string: "\"\(String(repeating: "\(number)", count: 1_000_000))\""))
        }
        try writer.commit { batch in
            for number in 0..<8 {
                let address = RecordAddress(
                    owner: owner, collection: try CollectionName("c"), key: try RecordKey("k\(number)"))
                let record = Record(
                    address: address, value: nil, updatedAt: moment(1), deletedAt: moment(1),
                    sequence: SequenceNumber(Int64(number + 1)), committedAt: moment(1))
                let value = number < 7 ? CommitBatch.KeptValue.given(kept[number]) : nil
                batch.records.append(CommitBatch.RecordWrite(record: record, replacing: nil, kept: value))
            }
            var state = OwnerState()
            state.lastSequence = SequenceNumber(8)
            batch.owners = [owner: state]
        }
        var walk = StorageWalk(over: try backend.openReader())
        var found: [JSONText?] = []
        while let rows = try walk.next() {
            let bytes = rows.reduce(0) { $0 + $1.bulkBytes }
            #expect(bytes < StorageWalk.pageBytesMax + 1_000_010)
            for case .record(_, let kept) in rows { found.append(kept) }
        }
        #expect(found == kept.map { $0 as JSONText? } + [nil])
    }

    @Test func `a place is what its text says, whatever the names are`() throws {
        let owner = try OwnerID("a b é e\u{301} 😀")
        let places: [CopyPlace] = [
            .owners(after: nil), .owners(after: owner), .records(owner, after: SequenceNumber(.max)),
            .answers(owner, after: nil), .answers(owner, after: "k\tk\nk"), .answers(owner, after: ""),
            .users(after: nil), .users(after: owner), .devices(after: nil),
            .devices(after: DeviceAddress(owner: owner, id: DeviceID(stored: "a b"))), .tokens(after: .min),
            .revocations, .cutoffs, .audit(after: 0), .audit(after: .max), .end,
        ]
        for place in places {
            #expect(CopyPlace(place.text) == place)
            let state = UnfinishedMigration(sourceEpoch: Epoch("e 1"), sourceDigest: "0f", rows: 7, place: place)
            #expect(UnfinishedMigration(state.text) == state)
        }
        for text in [
            "", "owner", "records\tu", "records\tu\tx", "tokens", "devices\tu", "audit", "audit\tx", "audit\t1\t1",
            "end\t", "e\n1\nend",
            "e\nd\nx\nend",
        ] {
            #expect(CopyPlace(text) == nil, "\(text)")
            #expect(UnfinishedMigration(text) == nil, "\(text)")
        }
    }

    @Test func `the digest of rows is the sum of the hashes of their documented encoding`() throws {
        let owner = try OwnerID("u")
        let record = Record(
            address: RecordAddress(owner: owner, collection: try CollectionName("c"), key: try RecordKey("k")),
            value: JSONText(validated: ByteBuffer(string: "1")), updatedAt: moment(2), expiresAt: moment(3),
            sequence: SequenceNumber(4), committedAt: moment(5))
        let user = User(id: owner, displayName: nil, createdAt: moment(-1))
        var (digest, other, buffer) = (RowDigest(), RowDigest(), ByteBuffer())
        digest.add(.record(record), encodedIn: &buffer)
        digest.add(.user(user), encodedIn: &buffer)
        other.add(.user(user), encodedIn: &buffer)
        other.add(.record(record), encodedIn: &buffer)
        #expect(digest == other)
        #expect(digest.text == "b4f9725259ad5c6de984ac5c0040f0f2304df82ff867bd888d55872f43892249")
    }

    @Test func `a device is hashed in its documented encoding`() throws {
        let device = Device(
            owner: try OwnerID("u"), id: try DeviceID("d"), name: "n", registeredAt: moment(1), lastSeenAt: moment(-2))
        var (digest, buffer) = (RowDigest(), ByteBuffer())
        digest.add(.device(device), encodedIn: &buffer)
        // 09, 1 "u", 1 "d", 01 and 1 "n", 00, 1, 01 and -2
        let bytes: [UInt8] =
            [9, 0, 0, 0, 1, 0x75, 0, 0, 0, 1, 0x64, 1, 0, 0, 0, 1, 0x6E, 0] + [0, 0, 0, 0, 0, 0, 0, 1, 1]
            + Array(repeating: 0xFF, count: 7) + [0xFE]
        #expect(Array(buffer.readableBytesView) == bytes)
        var others: Set = [digest.text]
        let changes: [(inout Device) throws -> Void] = [
            { $0.name = nil }, { $0.platform = "n" }, { $0.lastSeenAt = nil }, { $0.registeredAt = moment(2) },
            { $0.id = try DeviceID("e") }, { $0.owner = try OwnerID("v") },
        ]
        for change in changes {
            var (other, digest) = (device, RowDigest())
            try change(&other)
            digest.add(.device(other), encodedIn: &buffer)
            #expect(others.insert(digest.text).inserted)
        }
    }

    @Test func `any difference in a row makes another digest`() throws {
        func digest(_ row: StoredRow) -> String {
            var (digest, buffer) = (RowDigest(), ByteBuffer())
            digest.add(row, encodedIn: &buffer)
            return digest.text
        }
        let owner = try OwnerID("u")
        let record = Record(
            address: RecordAddress(owner: owner, collection: try CollectionName("c"), key: try RecordKey("\u{E9}")),
            value: nil, updatedAt: moment(2), deletedAt: moment(2), sequence: SequenceNumber(4), committedAt: moment(5))
        let changes: [(inout Record) throws -> Void] = [
            { $0.address.key = try RecordKey("e\u{301}") }, { $0.value = JSONText(validated: ByteBuffer()) },
            { $0.updatedAt = moment(3) }, { $0.deletedAt = nil }, { $0.expiresAt = moment(2) },
            { $0.sequence = SequenceNumber(5) }, { $0.committedAt = moment(4) },
            { $0.address.owner = try OwnerID("uc") },
        ]
        var digests: Set = [digest(.record(record))]
        for change in changes {
            var other = record
            try change(&other)
            #expect(digests.insert(digest(.record(other))).inserted)
        }
        for kept in ["", "1", "2"] {
            let value = JSONText(validated: ByteBuffer(string: kept))
            #expect(digests.insert(digest(.record(record, kept: value))).inserted)
        }
        #expect(digests.count == changes.count + 4)
    }
}
