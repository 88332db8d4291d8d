import ApusCore
import NIOCore

extension StorageLaws {
    static let accounts = [
        StorageLaw("a user is what was last written of it, until it is deleted", usersReplace),
        StorageLaw("users come in byte order of their ids, in pages", userPages),
        StorageLaw("a user's tokens are those that end after the moment, newest first", tokensOfUser),
        StorageLaw("a token is found by the bytes of its id", tokenByID),
        StorageLaw("every revocation is kept, once", revocations),
        StorageLaw("a cutoff replaces the user's former one", cutoffs),
    ]

    private static func moment(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

    private static func usersReplace(_ stage: StorageStage) throws {
        let id = try OwnerID("u1")
        try expect(stage.reader.user(id) == nil, "the user was there before")
        for name in ["Name", nil, "", "a\u{0}b\n😀"] {
            let user = User(id: id, displayName: name, createdAt: moment(-5))
            try stage.commit { $0.users = [user] }
            try expectEqual(stage.reader.user(id), user, "the user")
        }
        try stage.write(Draft("k"))
        let token = TokenGrant(
            user: id, id: "jti", issuedAt: moment(1), expiresAt: moment(9), generation: 1, claims: nil)
        try stage.commit { $0.tokens = [token] }
        try stage.commit { $0.deletedUsers = [id] }
        try expect(stage.reader.user(id) == nil, "the deleted user was there")
        try expect(stage.reader.users(after: nil, limit: 9).isEmpty, "the deleted user was listed")
        try expectEqual(stage.reader.token(id: "jti"), token, "the deleted user's token")
        try expectEqual(stage.keys(), ["k"], "the deleted user's records")
    }

    private static func userPages(_ stage: StorageStage) throws {
        let names = ["b", "a", "A", "é", "e\u{301}", "a/b", "a\u{FFFD}", "a😀"]
        let users = try names.map { User(id: try OwnerID($0), displayName: nil, createdAt: moment(0)) }
        try stage.commit { $0.users = users }
        let inOrder = users.sorted { $0.id < $1.id }.map(\.id)
        var found: [OwnerID] = []
        for _ in 0...names.count {
            let page = try stage.reader.users(after: found.last, limit: 3)
            try expect(page.count <= 3, "a page held \(page.count) users")
            found += page.map(\.id)
        }
        try expectEqual(found, inOrder, "all pages together")
        try expectEqual(stage.reader.users(after: OwnerID("ab"), limit: 1).map(\.id.text), ["a\u{FFFD}"], "after `ab`")
    }

    private static func tokensOfUser(_ stage: StorageStage) throws {
        let (user, other) = (try OwnerID("u1"), try OwnerID("u2"))
        func grant(_ id: String, _ user: OwnerID, issued: Int64, expires: Int64, claims: String? = nil) -> TokenGrant {
            TokenGrant(
                user: user, id: id, issuedAt: moment(issued), expiresAt: moment(expires), generation: issued,
                claims: claims.map { JSONText(validated: ByteBuffer(string: $0)) })
        }
        let grants = [
            grant("b", user, issued: 20, expires: 120, claims: "{ \"a\" : 1.0 }"),
            grant("a", user, issued: 30, expires: 100), grant("c", user, issued: 10, expires: 200),
            grant("d", other, issued: 40, expires: 300),
        ]
        try stage.commit { $0.tokens = grants }
        func found(after: Int64, limit: Int = 9) throws -> [TokenGrant] {
            try stage.reader.tokens(user: user, expiringAfter: moment(after), limit: limit)
        }
        try expectEqual(found(after: 99), [grants[1], grants[0], grants[2]], "before all ends")
        try expectEqual(found(after: 100).map(\.id), ["b", "c"], "at the first end")
        try expectEqual(found(after: 99, limit: 2).map(\.id), ["a", "b"], "with a limit")
        try expectEqual(found(after: 200), [], "at the last end")
    }

    private static func tokenByID(_ stage: StorageStage) throws {
        let user = try OwnerID("u1")
        func grant(_ id: String, generation: Int64) -> TokenGrant {
            TokenGrant(
                user: user, id: id, issuedAt: moment(1), expiresAt: moment(2), generation: generation, claims: nil)
        }
        try stage.commit { $0.tokens = [grant("\u{E9}", generation: 1), grant("e\u{301}", generation: 2)] }
        try expectEqual(stage.reader.token(id: "\u{E9}")?.generation, 1, "the composed one's generation")
        try expectEqual(stage.reader.token(id: "e\u{301}")?.generation, 2, "the decomposed one's generation")
        try expect(stage.reader.token(id: "e") == nil, "an unknown token was there")
    }

    private static func revocations(_ stage: StorageStage) throws {
        let revoked = ["\u{E9}", "e\u{301}", ""].map { TokenRevocation(tokenID: $0, keepUntil: moment(5)) }
        try stage.commit { $0.revocations = revoked }
        try expectEqual(stage.reader.revocations().count, 3, "the number of revocations")
        let longer = TokenRevocation(tokenID: "\u{E9}", keepUntil: moment(9))
        try stage.commit { $0.revocations = [longer] }
        let kept = try stage.reader.revocations()
        try expectEqual(kept.map(\.keepUntil.milliseconds).sorted(), [5, 5, 9], "the ends")
        let bytes = kept.first { $0.keepUntil == longer.keepUntil }.map { Array($0.tokenID.utf8) }
        try expectEqual(bytes, Array(longer.tokenID.utf8), "the one that is kept longer")
    }

    private static func cutoffs(_ stage: StorageStage) throws {
        let (user, other) = (try OwnerID("u1"), try OwnerID("u2"))
        let first = TokenCutoff(user: user, generation: 1, issuedThrough: moment(1))
        let second = TokenCutoff(user: user, generation: 2, issuedThrough: moment(-7))
        let others = TokenCutoff(user: other, generation: 5, issuedThrough: moment(5))
        try stage.commit { $0.cutoffs = [first, others] }
        try stage.commit { $0.cutoffs = [second] }
        try expectEqual(Set(stage.reader.cutoffs()), [second, others], "the cutoffs")
    }
}
