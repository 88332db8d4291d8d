import ApusCore
import NIOCore

extension StorageLaws {
    static let journal = [
        StorageLaw("an answer is found by its owner and the bytes of its key", answers),
        StorageLaw("an answer stored again replaces the first", answersReplace),
        StorageLaw("audit entries come newest first, as they were written", audit),
        StorageLaw("what has run out is dropped: everything strictly before its moment", retention),
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

    private static func audit(_ stage: StorageStage) throws {
        var entries: [AuditEntry] = []
        for index in Int64(0)..<6 {
            let origin = RequestOrigin(actor: "user:\(index)", ip: "::1", requestID: "\(index)\u{0}\n😀")
            let entry = AuditEntry(
                at: moment(index / 3), origin: origin, action: "data.write", target: "a/b", outcome: "", detail: "\"")
            entries.append(entry)
        }
        // The same entry twice is two entries.
        entries.append(entries[5])
        let (first, rest) = (entries.prefix(2), entries.dropFirst(2))
        try stage.commit { $0.audit = Array(first) }
        try stage.commit { $0.audit = Array(rest) }
        try expectEqual(stage.reader.auditEntries(limit: 100), entries.reversed(), "the entries")
        try expectEqual(stage.reader.auditEntries(limit: 3), entries.suffix(3).reversed(), "the newest")
        try expectEqual(stage.reader.auditEntries(limit: 0), [], "none")
    }

    private static func retention(_ stage: StorageStage) throws {
        let user = try OwnerID("u1")
        var batch = CommitBatch()
        batch.answers = try [answer("9", "", at: 9), answer("10", "", at: 10)]
        batch.audit = [19, 20].map { AuditEntry(at: moment($0), origin: .system, action: "\($0)", target: "") }
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
                answersStoredBefore: moment(10), auditBefore: moment(20), tokensEndedBefore: moment(30))
        }
        try expect(stage.reader.storedAnswer(owner: user, key: "9") == nil, "the old answer was there")
        try expect(stage.reader.storedAnswer(owner: user, key: "10") != nil, "the answer of the moment was gone")
        try expectEqual(stage.reader.auditEntries(limit: 9).map(\.action), ["20"], "the audit entries")
        try expect(stage.reader.token(id: "29") == nil, "the ended token was there")
        try expect(stage.reader.token(id: "30") != nil, "the token that ends at the moment was gone")
        try expectEqual(stage.reader.revocations().map(\.tokenID), ["30"], "the revocations")
        try expectEqual(stage.reader.cutoffs().count, 1, "the number of cutoffs")
        try expect(stage.reader.user(user) != nil, "the user was gone")
        try expectEqual(stage.keys(), ["k"], "the keys")
    }
}
