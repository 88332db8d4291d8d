import ApusCore
import NIOCore

/// What tools rely on that copy a whole database.
extension StorageLaws {
    static let copying = [
        StorageLaw("all reads in a snapshot see the commit that was the latest when it began", snapshot),
        StorageLaw("owners come in byte order of their names, in pages, with their states", ownerPages),
        StorageLaw("all of an owner's records are its changes before every end", allRecords),
        StorageLaw("all tokens come in the order they were last written in, in pages", tokenPages),
        StorageLaw("an owner's answers come in byte order of their keys, in pages of bytes", answerPages),
        StorageLaw("a note is what was last noted under its name, until it is forgotten", notes),
        StorageLaw("notes and a new epoch are there when the place is opened again", reopening: true, notesKept),
        StorageLaw("a whole storage has no faults", noFaults),
    ]

    private static func moment(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

    private static func snapshot(_ stage: StorageStage) throws {
        let before = try stage.write(Draft("a"), Draft("b"))
        let owner = before[0].address.owner
        let first = try stage.reader.ownerState(owner)
        try stage.reader.snapshot { () throws(ApusError) in
            do {
                try stage.write(Draft("a", "2"), Draft("c", owner: "u2"))
                try stage.commit { $0.notes = ["n": "later"] }
                try expectEqual(stage.reader.record(at: before[0].address), before[0], "the record")
                try expectEqual(stage.reader.ownerState(owner), first, "the owner's state")
                try expectEqual(stage.changes().records, before, "the changes")
                try expectEqual(stage.reader.owners(after: nil, limit: 9).map(\.owner), [owner], "the owners")
                try expectEqual(stage.reader.note("n"), nil, "the note")
                let nested = try stage.reader.snapshot { () throws(ApusError) in try stage.reader.ownerState(owner) }
                try expectEqual(nested, first, "the owner's state in a snapshot within")
            } catch {
                throw error as? ApusError ?? ApusError(.storageUnavailable, "\(error)")
            }
        }
        try expectEqual(stage.reader.ownerState(owner).lastSequence, SequenceNumber(3), "the last number afterwards")
        try expectEqual(stage.reader.note("n"), "later", "the note afterwards")
    }

    private static func ownerPages(_ stage: StorageStage) throws {
        let names = ["b", "a", "A", "é", "e\u{301}", "a/b", "a\u{FFFD}", "a😀"]
        for (index, name) in names.enumerated() { try stage.write(Draft("k", owner: name), at: Int64(index)) }
        let inOrder = try names.map { try OwnerID($0) }.sorted()
        var found: [OwnerEntry] = []
        for _ in 0...names.count {
            let page = try stage.reader.owners(after: found.last?.owner, limit: 3)
            try expect(page.count <= 3, "a page held \(page.count) owners")
            found += page
        }
        try expectEqual(found.map(\.owner), inOrder, "all pages together")
        for entry in found {
            try expectEqual(entry.state, stage.reader.ownerState(entry.owner), "\(entry.owner)'s state")
        }
    }

    private static func allRecords(_ stage: StorageStage) throws {
        let written = try stage.write(
            Draft("live"), Draft("gone", nil), Draft("ended", expiresAt: -5), Draft("ending", expiresAt: 5),
            Draft("a", collection: "d"), at: 3)
        try expectEqual(stage.changes(at: .min).records, written, "the changes")
    }

    private static func tokenPages(_ stage: StorageStage) throws {
        func grant(_ id: String, generation: Int64 = 0) throws -> TokenGrant {
            TokenGrant(
                user: try OwnerID("u1"), id: id, issuedAt: moment(1), expiresAt: moment(2), generation: generation,
                claims: nil)
        }
        let first = try ["c", "a", "b", "d"].map { try grant($0) }
        try stage.commit { $0.tokens = first }
        let again = try grant("a", generation: 7)
        try stage.commit { $0.tokens = [again] }
        var found: [NumberedToken] = []
        for _ in 0..<4 { found += try stage.reader.tokens(afterNumber: found.last?.number ?? .min, limit: 2) }
        try expectEqual(found.map(\.token), [first[0], first[2], first[3], again], "all pages together")
    }

    private static func answerPages(_ stage: StorageStage) throws {
        func answer(_ key: String, owner: String = "u1") throws -> StoredAnswer {
            StoredAnswer(
                owner: try OwnerID(owner), key: key, fingerprint: [1], body: ByteBuffer(repeating: 7, count: 100),
                storedAt: moment(1))
        }
        let stored = try [answer("b"), answer("a"), answer("e\u{301}"), answer("\u{E9}"), answer("x", owner: "u2")]
        try stage.commit { $0.answers = stored }
        let owner = stored[0].owner
        try expect(stage.reader.owners(after: nil, limit: 9).map(\.owner).contains(owner), "the owner was unknown")
        var found: [StoredAnswer] = []
        for _ in 0..<4 {
            let page = try stage.reader.storedAnswers(owner: owner, after: found.last?.key, bytesMax: 250)
            try expect(page.count <= 2, "a page held \(page.count) answers")
            found += page
        }
        try expectEqual(found, [stored[1], stored[0], stored[2], stored[3]], "all pages together")
        try expectEqual(stage.reader.storedAnswers(owner: owner, after: nil, bytesMax: 0).count, 1, "the least")
    }

    private static func notes(_ stage: StorageStage) throws {
        try expectEqual(stage.reader.note("a"), nil, "a note that was never written")
        try stage.commit { $0.notes = ["a": "1", "b": "\u{E9}"] }
        try stage.commit { $0.notes = ["a": ""] }
        try expectEqual(stage.reader.note("a"), "", "the note written again")
        try stage.commit { $0.notes = ["a": nil] }
        try expectEqual(stage.reader.note("a"), nil, "the forgotten note")
        try expectEqual(stage.reader.note("b"), "\u{E9}", "the other note")
    }

    private static func notesKept(_ place: StoragePlace) throws {
        do {
            let stage = try StorageStage(try place.open())
            try stage.commit {
                $0.notes = ["n": "kept"]
                $0.epoch = Epoch("another")
            }
        }
        for _ in 0..<2 {
            let stage = try StorageStage(try place.open())
            try expectEqual(stage.reader.note("n"), "kept", "the note")
            try expectEqual(stage.backend.description.epoch, Epoch("another"), "the epoch")
        }
    }

    private static func noFaults(_ stage: StorageStage) throws {
        var batch = try CommitBatch.full(owner: "u1")
        batch.notes = ["n": "1"]
        let full = batch
        try stage.commit { $0 = full }
        try stage.write(Draft("a", expiresAt: 7), Draft("b", nil), Draft("c", owner: "u2"))
        try stage.write(Draft("a", nil), Draft("b", "2", expiresAt: 9), at: 2000)
        try stage.purge(committedBefore: 3000)
        try expectEqual(stage.backend.faults(limit: 9), [], "the faults")
    }
}
