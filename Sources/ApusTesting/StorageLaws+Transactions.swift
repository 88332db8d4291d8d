import ApusCore
import NIOCore

extension StorageLaws {
    static let transactions = [
        StorageLaw("a transaction answers what its body does", transactionAnswer),
        StorageLaw("reads inside a transaction see what was applied before them", readsInside),
        StorageLaw("stored rows come in the order asked for, with nothing where nothing is", storedRows),
        StorageLaw("a transaction whose body throws leaves nothing", throwingBody),
        StorageLaw("after a transaction that threw, the next one works", afterThrowing),
        StorageLaw("a reader neither sees a transaction under way nor waits for it", readerBeside),
        StorageLaw("a commit is seen by every later read of every reader", commitIsSeen),
        StorageLaw("what a batch does not name stays as it is", unnamedParts),
        StorageLaw("many records of many owners fit one transaction", greatTransaction),
        StorageLaw("several batches of one transaction are one commit", severalBatches),
        StorageLaw("a locator is good until the transaction ends, also when its row was written again", locators),
        StorageLaw("a reader on another thread sees whole commits only", reopening: false, wholeCommits),
    ]

    private static func locators(_ stage: StorageStage) throws {
        let address = try stage.write(Draft("k", nil))[0].address
        let last = try stage.writer.transaction { transaction throws(ApusError) in
            let row = try transaction.stored([address], valueBytesMax: .max)[0]
            for value in ["1", "2"] {
                var batch = try transaction.plan([Draft("k", value, expiresAt: 9)], at: 1001)
                batch.records[0].replacing = row?.locator
                try transaction.apply(batch)
            }
            return try transaction.record(at: address)
        }
        try expectEqual(stage.changes().records, [last].compactMap(\.self), "the changes")
        try stage.writer.transaction { transaction throws(ApusError) in
            let draft = Draft(deleting: address)
            try transaction.apply(try transaction.plan([draft], at: 1002))
            let row = try transaction.tombstones(committedBefore: Timestamp(milliseconds: 2000), limit: 9)
            var batch = CommitBatch()
            try transaction.planPurge(of: row, into: &batch)
            try transaction.apply(batch)
        }
        try expectEqual(stage.changes().records, [], "the changes after the purge")
        try expectEqual(stage.backend.faults(limit: 9), [], "the faults")
    }

    private static func transactionAnswer(_ stage: StorageStage) throws {
        let answer = try stage.writer.transaction { _ throws(ApusError) in 42 }
        try expectEqual(answer, 42, "the answer")
    }

    private static func readsInside(_ stage: StorageStage) throws {
        let (draft, owner) = (try Draft("k", "[1]"), try OwnerID("u1"))
        let (keys, last, count, exists, row) = try stage.writer.transaction { transaction throws(ApusError) in
            var batch = try transaction.plan([draft], at: 1000)
            batch.users = [User(id: owner, displayName: nil, createdAt: Timestamp(milliseconds: 0))]
            try transaction.apply(batch)
            let page = try transaction.records(
                owner: owner, collection: draft.address.collection, after: nil, limit: 10, bytesMax: 1000,
                liveAt: Timestamp(milliseconds: 0))
            let changes = try transaction.changes(
                owner: owner, collection: nil, after: .zero, limit: 10, bytesMax: 1000,
                liveAt: Timestamp(milliseconds: 0))
            return (
                page.records.map(\.address.key.text), changes.reached.after,
                try transaction.usage(owner: owner, liveAt: Timestamp(milliseconds: 0)).records,
                try transaction.user(owner) != nil, try transaction.stored([draft.address], valueBytesMax: .max)
            )
        }
        try expectEqual(keys, ["k"], "the keys inside")
        try expectEqual(last, SequenceNumber(1), "the last number inside")
        try expectEqual(count, 1, "the usage inside")
        try expect(exists, "the user was not there inside")
        try expectEqual(row.map { $0?.record.value }, [draft.value], "the stored row inside")
    }

    private static func storedRows(_ stage: StorageStage) throws {
        try stage.write(Draft("a"), Draft("b"), Draft("a", owner: "u2"))
        let addresses =
            try ["b", "none", "a"].map { try Draft($0).address } + [
                Draft("a", collection: "none").address, Draft("a", owner: "none").address,
                Draft("a", owner: "u2").address,
            ]
        let rows = try stage.writer.transaction { transaction throws(ApusError) in
            try transaction.stored(addresses, valueBytesMax: .max)
        }
        try expectEqual(
            rows.map { $0?.record.address }, [addresses[0], nil, addresses[2], nil, nil, addresses[5]], "the rows")
        try expectEqual(Set(rows.compactMap { $0?.locator }).count, 3, "the number of locators")
    }

    private static func throwingBody(_ stage: StorageStage) throws {
        try stage.write(Draft("kept", "1"))
        let drafts = try [Draft("kept", "2"), Draft("new"), Draft("k", owner: "new"), Draft("k", collection: "new")]
        let full = try CommitBatch.full(owner: "u1")
        do {
            try stage.writer.transaction { transaction throws(ApusError) in
                try transaction.apply(full)
                try transaction.apply(transaction.plan(drafts, at: 5000))
                throw ApusError(.overloaded, "enough")
            }
            throw LawViolation("the transaction did not throw")
        } catch let error as ApusError {
            try expectEqual(error.message, "enough", "the error")
        }
        for reader in [stage.reader, stage.writer] {
            let page = try reader.changes(
                owner: OwnerID("u1"), collection: nil, after: .zero, limit: 10, bytesMax: 1000,
                liveAt: Timestamp(milliseconds: 0))
            try expectEqual(page.records.map(\.value), [Draft("kept", "1").value], "the values")
            try expectEqual(page.reached.after, SequenceNumber(1), "the last number")
            try expect(reader.record(at: drafts[2].address) == nil, "a new owner's record was there")
            try expect(reader.user(OwnerID("u1")) == nil, "a user was there")
            try expect(
                reader.tokens(user: OwnerID("u1"), expiringAfter: .init(milliseconds: 0), limit: 1).isEmpty, "a token")
            try expect(reader.revocations().isEmpty && reader.cutoffs().isEmpty, "a revocation was there")
            try expect(reader.storedAnswer(owner: OwnerID("u1"), key: "key") == nil, "an answer was there")
            try expect(reader.auditEntries(limit: 1).isEmpty, "an audit entry was there")
        }
    }

    private static func afterThrowing(_ stage: StorageStage) throws {
        let drafts = try [Draft("k", owner: "new"), Draft("l", owner: "new", collection: "d")]
        for _ in 0..<3 {
            do {
                try stage.writer.transaction { transaction throws(ApusError) in
                    try transaction.apply(transaction.plan(drafts, at: 1000))
                    throw ApusError(.overloaded, "enough")
                }
            } catch {
                try expectEqual(error.message, "enough", "the error")
            }
        }
        // Another owner first: what stood for the new one may stand for it now.
        try stage.write(Draft("k", owner: "other"))
        try stage.write(drafts)
        try expectEqual(stage.keys("new"), ["k"], "the keys")
        try expectEqual(stage.keys("new", "d"), ["l"], "the other collection's keys")
        try expectEqual(stage.keys("other"), ["k"], "the other owner's keys")
        try expectEqual(stage.changes("new").reached.after, SequenceNumber(2), "the last number")
    }

    private static func readerBeside(_ stage: StorageStage) throws {
        try stage.write(Draft("a", "1"))
        let drafts = try [Draft("a", "2"), Draft("b"), Draft("c", owner: "new")]
        let reader = stage.reader
        let (before, during) = try stage.writer.transaction { transaction throws(ApusError) in
            let before = try reader.record(at: drafts[0].address)
            try transaction.apply(transaction.plan(drafts, at: 2000))
            var during: [Record?] = []
            for draft in drafts { during.append(try reader.record(at: draft.address)) }
            return (before, during)
        }
        try expectEqual(before?.value, Draft("a", "1").value, "before it was applied the value")
        try expectEqual(during.map { $0?.value }, [Draft("a", "1").value, nil, nil], "before the commit the values")
    }

    private static func commitIsSeen(_ stage: StorageStage) throws {
        let readers = try [stage.writer, stage.reader, stage.backend.openReader()]
        for round in Int64(1)...5 {
            let draft = try Draft("\(round)", owner: "u\(round)", collection: "c\(round)")
            try stage.write(draft)
            for reader in try readers + [stage.backend.openReader()] {
                try expect(reader.record(at: draft.address) != nil, "a reader did not see commit \(round)")
            }
            try stage.writer.maintain()
        }
    }

    private static func unnamedParts(_ stage: StorageStage) throws {
        let full = try CommitBatch.full(owner: "u1")
        try stage.commit { $0 = full }
        let record = try stage.write(Draft("k")).first
        try stage.commit { _ in }
        try stage.write(Draft("k", owner: "u2"))
        try expectEqual(stage.reader.record(at: Draft("k").address), record, "the record")
        try expectEqual(stage.reader.user(OwnerID("u1")), full.users.first, "the user")
        try expectEqual(stage.reader.devices(after: nil, limit: 9), full.devices, "the devices")
        try expectEqual(stage.reader.cutoffs(), full.cutoffs, "the cutoffs")
        try expectEqual(stage.reader.revocations(), full.revocations, "the revocations")
        try expectEqual(stage.reader.storedAnswer(owner: OwnerID("u1"), key: "key"), full.answers.first, "the answer")
        try expectEqual(stage.reader.auditEntries(limit: 9), full.audit, "the audit entries")
    }

    private static func greatTransaction(_ stage: StorageStage) throws {
        let drafts = try (0..<3000).map { try Draft("\($0)", "\($0)", owner: "u\($0 % 50)", collection: "c\($0 % 7)") }
        for _ in 0..<2 { try stage.write(drafts) }
        for draft in drafts {
            try expectEqual(stage.reader.record(at: draft.address)?.value, draft.value, "\(draft.address)")
        }
        try expectEqual(stage.changes("u0").records.map(\.sequence.rawValue), Array(61...120), "the change numbers")
    }

    private static func severalBatches(_ stage: StorageStage) throws {
        let values = try (1...3).map { try Draft("k", "\($0)") }
        try stage.writer.transaction { transaction throws(ApusError) in
            for draft in values { try transaction.apply(transaction.plan([draft], at: 1000)) }
        }
        let page = try stage.changes()
        try expectEqual(page.records.map(\.value), [values[2].value], "the values")
        try expectEqual(page.records.map(\.sequence.rawValue), [3], "the change numbers")
    }

    private static func wholeCommits(_ place: StoragePlace) async throws {
        let backend = try place.open()
        let commits = 150
        let drafts = try (0..<8).map { try Draft("\($0)", collection: "c\($0 % 2)") }
        async let written: Void = {
            let stage = try StorageStage(backend)
            for round in 1...commits {
                let value = JSONText(validated: ByteBuffer(string: "\(round)"))
                try stage.write(
                    drafts.map { draft in
                        var draft = draft
                        draft.value = value
                        return draft
                    }, at: Int64(round))
                try stage.writer.maintain()
                // Lets the reader have its turn where there is one thread only.
                await Task.yield()
            }
        }()
        async let read: Void = {
            let reader = try backend.openReader()
            let owner = drafts[0].address.owner
            var latest: Int64 = 0
            for _ in 0..<1_000_000 where latest < Int64(commits) {
                let page = try reader.changes(
                    owner: owner, collection: nil, after: .zero, limit: 100, bytesMax: 1000,
                    liveAt: Timestamp(milliseconds: 0))
                try expect(Set(page.records.map(\.value)).count <= 1, "a commit was seen in part")
                try expect([0, drafts.count].contains(page.records.count), "\(page.records.count) records were seen")
                let reached = page.records.last?.sequence ?? .zero
                try expectEqual(page.reached.after, reached, "the owner's last number beside these records")
                let seen = page.records.last?.committedAt.milliseconds ?? 0
                try expect(seen >= latest, "commit \(seen) was seen after commit \(latest)")
                latest = seen
                await Task.yield()
            }
            try expectEqual(latest, Int64(commits), "the last commit seen")
        }()
        try await written
        try await read
    }
}

extension CommitBatch {
    /// One of everything but records.
    static func full(owner: String) throws(ApusError) -> CommitBatch {
        let (owner, moment) = (try OwnerID(owner), Timestamp(milliseconds: 5000))
        var batch = CommitBatch()
        batch.users = [User(id: owner, displayName: "Name", createdAt: moment)]
        batch.devices = [Device(owner: owner, id: try DeviceID("d"), name: "Name", registeredAt: moment)]
        batch.tokens = [
            TokenGrant(user: owner, id: "jti", issuedAt: moment, expiresAt: moment, generation: 1, claims: nil)
        ]
        batch.revocations = [TokenRevocation(tokenID: "revoked", keepUntil: moment)]
        batch.cutoffs = [TokenCutoff(user: owner, generation: 2, issuedThrough: moment)]
        batch.answers = [
            StoredAnswer(
                owner: owner, key: "key", fingerprint: [0, 1, 255], body: ByteBuffer(string: "{}"), storedAt: moment)
        ]
        batch.audit = [AuditEntry(at: moment, origin: .system, action: "data.write", target: "t")]
        batch.audit[0].number = 1
        batch.audit[0].previous = .zero
        return batch
    }
}
