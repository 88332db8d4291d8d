import ApusCore

extension StorageLaws {
    static let files = [
        StorageLaw("bytes are stored exactly where something is kept", reopening: false, bytesStored),
        StorageLaw("the epoch is minted once and stays, however often the place is opened", reopening: true, epoch),
        StorageLaw("everything committed is there when the place is opened again", reopening: true, everythingKept),
        StorageLaw("an empty place can be opened again", reopening: true, emptyPlace),
    ]

    private static func bytesStored(_ place: StoragePlace) throws {
        let stage = try StorageStage(try place.open())
        try stage.write(Draft("k", "\"" + String(repeating: "v", count: 100_000) + "\""))
        let bytes = stage.backend.bytesStored()
        try expect(place.isKept ? bytes > 100_000 : bytes == 0, "\(bytes) bytes were stored")
    }

    private static func epoch(_ place: StoragePlace) throws {
        var descriptions: [StorageDescription] = []
        for round in 0..<3 {
            let stage = try StorageStage(try place.open())
            descriptions.append(stage.backend.description)
            try stage.write(Draft("\(round)"))
        }
        try expect(!descriptions[0].epoch.text.isEmpty, "the epoch was empty")
        try expectEqual(Set(descriptions).count, 1, "the number of descriptions")
    }

    private static func everythingKept(_ place: StoragePlace) throws {
        var full = try CommitBatch.full(owner: "u1")
        let moment = Timestamp(milliseconds: 0)
        var written: [Record] = []
        var states: [OwnerState] = []
        do {
            let stage = try StorageStage(try place.open())
            let batch = full
            try stage.commit { $0 = batch }
            written = try stage.write(Draft("a", expiresAt: 7), Draft("b", nil), Draft("c", "1e400", owner: "u2"))
            try stage.write(Draft("d", nil, owner: "u2"), at: 1)
            try stage.purge(committedBefore: 2)
            states = try ["u1", "u2"].map { try stage.reader.ownerState(OwnerID($0)) }
        }
        for _ in 0..<2 {
            let stage = try StorageStage(try place.open())
            let (reader, owner) = (stage.reader, full.users[0].id)
            for record in written { try expectEqual(reader.record(at: record.address), record, "the record") }
            try expectEqual(["u1", "u2"].map { try reader.ownerState(OwnerID($0)) }, states, "the owners' states")
            try expectEqual(stage.changes().records, Array(written.prefix(2)), "the changes")
            try expectEqual(reader.users(after: nil, limit: 9), full.users, "the users")
            try expectEqual(reader.tokens(user: owner, expiringAfter: moment, limit: 9), full.tokens, "the tokens")
            try expectEqual(reader.revocations(), full.revocations, "the revocations")
            try expectEqual(reader.cutoffs(), full.cutoffs, "the cutoffs")
            try expectEqual(reader.storedAnswer(owner: owner, key: "key"), full.answers[0], "the answer")
            try expectEqual(reader.auditEntries(limit: 9), full.audit, "the audit entries")
            full.users = [User(id: owner, displayName: nil, createdAt: moment)]
            let renamed = full.users
            try stage.commit { $0.users = renamed }
        }
    }

    private static func emptyPlace(_ place: StoragePlace) throws {
        for _ in 0..<3 {
            let stage = try StorageStage(try place.open())
            try expectEqual(stage.changes().reached.after, .zero, "the last number")
        }
    }
}
