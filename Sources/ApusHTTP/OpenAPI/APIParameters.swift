import ApusCore

extension APIParameter {
    /// What stands in the paths of several routes, by its name there.
    static let ofPaths: [String: APIParameter] = [
        "user": .path("user", .reference("UserID"), "The owner: the token's user.", example: "u1"),
        "collection": .path("collection", .reference("Collection"), "A collection of the owner.", example: "profile"),
        "key": .path("key", .reference("Key"), "A record of the collection.", example: "theme"),
        "device_id": .path("device_id", .reference("DeviceID"), "A device of the user.", example: "tv-1"),
        "owner": .path("owner", .reference("UserID"), "A user who has records.", example: "u1"),
        "id": .path("id", .reference("UserID"), "A user.", example: "u1"),
    ]

    static let limit = APIParameter.query(
        "limit", .integer(1...Int64(Limits().pageRecordsMax)),
        "At most so many; \(Limits().pageRecordsDefault) unless it is given.")
    static let cursor = APIParameter.query("cursor", .string, "`next_cursor` of the page before.")
    static let updatedSince = APIParameter.query(
        "updated_since", .either(.reference("Time"), .string),
        "Only what changed at or after that time, or after the position that is the `next_cursor` of an earlier page; "
            + "deletions included, in the order of the changes.")

    /// The headers of every write.
    static let ofWrites: [APIParameter] = [conflictPolicy, conflictField, idempotencyKey]
    static let preconditions: [APIParameter] = [
        .header("If-Match", .string, "Write only if the record's `ETag` is among these; `*` if there is a record."),
        ifNoneMatch("Write only if the record's `ETag` is not among these; `*` if there is no record."),
    ]

    static func ifNoneMatch(_ meaning: String) -> APIParameter { .header("If-None-Match", .string, meaning) }

    private static let conflictPolicy = APIParameter.header(
        "X-Conflict-Policy", .reference("ConflictPolicy"), "Which of two writes stays; `last_write_wins` by default.")
    private static let conflictField = APIParameter.header(
        "X-Conflict-Field", APISchemas.conflictField, "A JSON pointer to the number that `max_numeric` compares.")
    private static let idempotencyKey = APIParameter.header(
        "Idempotency-Key", .string(1...Limits().idempotencyKeyBytesMax),
        "The answer is stored with the write, and replayed to the same request with the same key for 24 hours.")

    /// What of the changes a stream brings, and from where.
    static let ofStreams: [APIParameter] = [
        .query("collection", .reference("Collection"), "Only this collection."),
        .query("key", .reference("Key"), "Only this record of the collection."),
        .query("prefix", .reference("Key"), "Only records of the collection whose keys begin so; not with `key`."),
        .query("since", .count, "First what changed after this `seq`; 0 is a snapshot of everything."),
        .query("epoch", .string, "The database that `since` belongs to, as `hello` told it."),
        .query("device_id", .reference("DeviceID"), "This device is online as long as the connection is open."),
    ]
}
