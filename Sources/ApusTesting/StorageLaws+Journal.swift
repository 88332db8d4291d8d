import ApusCore
import NIOCore

extension StorageLaws {
    static let journal = [
        StorageLaw("an answer is found by its owner and the bytes of its key", answers),
        StorageLaw("an answer stored again replaces the first", answersReplace),
        StorageLaw("audit entries are in the order of their numbers, as they were written", audit),
        StorageLaw("audit entries come in pages from either end", auditPages),
        StorageLaw("what has run out is dropped: everything strictly before its moment", retention),
        StorageLaw("audit entries are dropped by number, whatever their times are", auditRetention),
    ]

    private static func moment(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

    private static func answer(_ key: String, _ body: String, owner: String = "u1", at: Int64 = 1) throws
        -> StoredAnswer
    {
        StoredAnswer(
            owner: try OwnerID(owner), key: key, fingerprint: [0, 255, 7], body: ByteBuffer(string: body),
            storedAt: moment(at))
    }

    private static func answers(_ stage: StorageStage) throws {
        let long = String(repeating: "k", count: Limits().idempotencyKeyBytesMax)
        let stored = try [
            answer("\u{E9}", "{}"), answer("e\u{301}", "[]"), answer(long, String(repeating: "x", count: 100_000)),
            answer("k", ""), answer("k", "1", owner: "u2"),
        ]
        try expect(stage.reader.storedAnswer(owner: OwnerID("u1"), key: "k") == nil, "an answer was there before")
        try stage.commit { $0.answers = stored }
        for one in stored {
            try expectEqual(stage.reader.storedAnswer(owner: one.owner, key: one.key), one, "the answer of \(one.key)")
        }
        try expect(stage.reader.storedAnswer(owner: OwnerID("u3"), key: "k") == nil, "another owner had the answer")
        try expectEqual(stage.changes().reached.after, .zero, "the owner's last number")
    }

    private static func answersReplace(_ stage: StorageStage) throws {
        try stage.commit { $0.answers = [try? answer("k", "first")].compactMap(\.self) }
        var second = try answer("k", "second", at: 2)
        second.fingerprint = []
        try stage.commit { $0.answers = [second] }
        try expectEqual(stage.reader.storedAnswer(owner: second.owner, key: "k"), second, "the answer")
    }

    private static func entry(_ number: Int64, at time: Int64 = 5) -> AuditEntry {
        let origin = RequestOrigin(actor: "user:\(number)", ip: "::1", requestID: "\(number)\u{0}\n😀")
        var entry = AuditEntry(
            at: moment(time), origin: origin, action: "data.write", target: "a/b", outcome: "", detail: "\"")
        entry.number = number
        if number % 3 != 0 {
            entry.previous = AuditHash(digest: (0..<32).map { UInt8($0) &* UInt8(truncatingIfNeeded: number) })
        }
        return entry
    }

    private static func audit(_ stage: StorageStage) throws {
        // Times may turn back, and what is written before the chain began has no hash.
        let entries = zip(Int64(1)..., [5, -1, 7, 7, 5, 9]).map { entry($0, at: $1) }
        let (first, rest) = (entries.prefix(2), entries.dropFirst(2))
        try stage.commit { $0.audit = Array(first) }
        try stage.commit { $0.audit = Array(rest) }
        for reader in [stage.reader, stage.writer] as [any StorageReader] {
            try expectEqual(reader.auditEntries(after: 0, limit: 100), entries, "the entries")
            try expectEqual(
                reader.auditEntries(before: nil, limit: 100), entries.reversed(), "the entries from the end")
        }
    }

    private static func auditPages(_ stage: StorageStage) throws {
        try expectEqual(stage.reader.auditEntries(before: nil, limit: 9), [], "what was never written")
        let entries = (1...300).map { entry($0, at: 300 - $0) }
        for part in stride(from: 0, to: 300, by: 50) {
            try stage.commit { $0.audit = Array(entries[part..<part + 50]) }
        }
        var (found, back): ([AuditEntry], [AuditEntry]) = ([], [])
        for _ in 0..<5 {
            found += try stage.reader.auditEntries(after: found.last?.number ?? 0, limit: 70)
            back += try stage.reader.auditEntries(before: back.last?.number, limit: 70)
        }
        try expectEqual(found, entries, "all pages together")
        try expectEqual(back, entries.reversed(), "all pages from the end together")
        try expectEqual(stage.reader.auditEntries(before: 1, limit: 9), [], "what is before the first")
        try expectEqual(stage.reader.auditEntries(after: 300, limit: 9), [], "what is after the last")
        try expectEqual(stage.reader.auditEntries(before: nil, limit: 0), [], "none")
        try expectEqual(stage.reader.auditEntries(after: 0, limit: 0), [], "none")
    }

    private static func auditRetention(_ stage: StorageStage) throws {
        func forget(through number: Int64) throws {
            try stage.commit {
                $0.forgetting = Retention(
                    answersStoredBefore: moment(0), auditThrough: number, tokensEndedBefore: moment(0))
            }
        }
        let entries = zip(Int64(1)..., [5, 1, 9, 2, 5]).map { entry($0, at: $1) }
        try stage.commit { $0.audit = entries }
        try forget(through: 0)
        try expectEqual(stage.reader.auditEntries(after: 0, limit: 9), entries, "the entries")
        try forget(through: 3)
        try expectEqual(stage.reader.auditEntries(after: 0, limit: 9), Array(entries[3...]), "what is left")
        try forget(through: 3)
        try forget(through: 9)
        try expectEqual(stage.reader.auditEntries(after: 0, limit: 9), [], "what is left in the end")
        let next = entry(6)
        try stage.commit { $0.audit = [next] }
        try expectEqual(stage.reader.auditEntries(before: nil, limit: 9), [next], "the next entry")
    }

    private static func retention(_ stage: StorageStage) throws {
        let user = try OwnerID("u1")
        var batch = CommitBatch()
        batch.answers = try [answer("9", "", at: 9), answer("10", "", at: 10)]
        batch.tokens = [29, 30].map {
            TokenGrant(
                user: user, id: "\($0)", issuedAt: moment(0), expiresAt: moment($0), generation: 0, claims: nil)
        }
        batch.revocations = [29, 30].map { TokenRevocation(tokenID: "\($0)", keepUntil: moment($0)) }
        batch.cutoffs = [TokenCutoff(user: user, generation: 1, issuedThrough: moment(0))]
        batch.users = [User(id: user, displayName: nil, createdAt: moment(0))]
        let filled = batch
        try stage.commit { $0 = filled }
        try stage.write(Draft("k"), at: 1)
        try stage.commit {
            $0.forgetting = Retention(
                answersStoredBefore: moment(10), auditThrough: 0, tokensEndedBefore: moment(30))
        }
        try expect(stage.reader.storedAnswer(owner: user, key: "9") == nil, "the old answer was there")
        try expect(stage.reader.storedAnswer(owner: user, key: "10") != nil, "the answer of the moment was gone")
        try expect(stage.reader.token(id: "29") == nil, "the ended token was there")
        try expect(stage.reader.token(id: "30") != nil, "the token that ends at the moment was gone")
        try expectEqual(stage.reader.revocations().map(\.tokenID), ["30"], "the revocations")
        try expectEqual(stage.reader.cutoffs().count, 1, "the number of cutoffs")
        try expect(stage.reader.user(user) != nil, "the user was gone")
        try expectEqual(stage.keys(), ["k"], "the keys")
    }
}
