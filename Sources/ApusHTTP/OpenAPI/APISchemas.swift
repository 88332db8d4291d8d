import ApusCore

/// The schemas that stand under `components`, in the order a reader meets them.
enum APISchemas {
    static let all: [(name: String, schema: JSONSchema)] = names + records + answers + accounts + ofOperator + system

    /// No control characters; the bounds are bytes, of which a character may take up to four.
    static let nameCharacters = "^[^\\u0000-\\u001f\\u007f]+$"

    private static let limits = Limits()

    private static func name(_ bytesMax: Int, _ meaning: String, example: String) -> JSONSchema {
        JSONSchema.string(1...bytesMax, pattern: nameCharacters)
            .meaning("\(meaning) 1 to \(bytesMax) bytes of UTF-8 without control characters, compared byte by byte.")
            .example(example)
    }

    private static let names: [(name: String, schema: JSONSchema)] = [
        ("UserID", name(OwnerKind.bytesMax, "Names a user, who owns records.", example: "\"u1\"")),
        ("Collection", name(CollectionKind.bytesMax, "Names a collection of an owner.", example: "\"profile\"")),
        ("Key", name(KeyKind.bytesMax, "Names a record of a collection.", example: "\"theme\"")),
        ("DeviceID", name(DeviceKind.bytesMax, "Names a device of a user.", example: "\"tv-1\"")),
        (
            "Time",
            .time.meaning("RFC 3339; answers are in UTC with milliseconds.").example("\"2026-11-24T09:15:16.322Z\"")
        ),
        (
            "Value",
            .anything.meaning(
                "Any JSON, `null` included, up to 1 MiB and 128 levels. It is kept and answered as the client's own "
                    + "text: no number is rounded, no member reordered.")
        ),
        (
            "ConflictPolicy",
            .choice("last_write_wins", "server_time", "max_numeric").meaning(
                "Which of two writes stays: the one with the later `updated_at`, the later commit, or the greater "
                    + "number.")
        ),
    ]

    private static let records: [(name: String, schema: JSONSchema)] = [
        (
            "Record",
            .object([
                "user_id": .reference("UserID"), "collection": .reference("Collection"), "key": .reference("Key"),
                "value": .reference("Value"), "updated_at": .reference("Time"),
                "deleted_at": .reference("Time").orNull, "expires_at": .reference("Time").orNull,
                "seq": .integer(1...Int64.max).meaning("The owner's change number of the record's last change."),
            ]).meaning(
                "A record. One that was deleted is a tombstone: `value` is `null` and `deleted_at` is set. "
                    + "`seq` counts the owner's changes, 1, 2, 3 … without holes.")
        ),
        (
            "Write",
            .object([
                "user_id": .reference("UserID"), "collection": .reference("Collection"), "key": .reference("Key"),
                "value": .reference("Value"), "updated_at?": updatedAt, "ttl_seconds?": ttl,
                "expires_at?": expiresAt, "conflict_policy?": .reference("ConflictPolicy"),
                "conflict_field?": conflictField,
            ])
        ),
        (
            "BulkWrite",
            .object([
                "user_id?": .reference("UserID"), "collection": .reference("Collection"), "key": .reference("Key"),
                "value": .reference("Value"), "updated_at?": updatedAt, "ttl_seconds?": ttl,
                "expires_at?": expiresAt, "conflict_policy?": .reference("ConflictPolicy"),
                "conflict_field?": conflictField,
            ])
        ),
        (
            "BulkDelete",
            .object([
                "user_id?": .reference("UserID"), "collection": .reference("Collection"), "key": .reference("Key"),
                "delete": JSONSchema(kind: .yes), "updated_at?": updatedAt,
                "conflict_policy?": .reference("ConflictPolicy"),
            ])
        ),
        (
            "Bulk",
            .object([
                "user_id": .reference("UserID"),
                "items": .array(
                    of: .either(.reference("BulkWrite"), .reference("BulkDelete")), countMax: limits.bulkItemsMax),
                "atomic?": .boolean.meaning("Whether one invalid item refuses all; true unless it is given."),
            ])
        ),
    ]

    static let updatedAt = JSONSchema.reference("Time").orNull
        .meaning("When the client made the change; at most 60 s ahead of the server's clock.")
    static let ttl = JSONSchema.integer(1...limits.ttlSecondsMax).orNull
        .meaning("The record is gone after so many seconds; not together with `expires_at`.")
    static let expiresAt = JSONSchema.reference("Time").orNull
        .meaning("The record is gone from then on; in the next ten years.")
    static let conflictField = JSONSchema.string(pattern: "^(/([^/~]|~[01])*){0,\(limits.valueDepthMax)}$")
        .meaning("A JSON pointer (RFC 6901) to the number that `max_numeric` compares, such as `/stats/score`.")

    private static let answers: [(name: String, schema: JSONSchema)] = [
        ("RecordAnswer", .object(["data": .reference("Record")])),
        (
            "WriteAnswer",
            .object([
                "applied": .boolean,
                "reason?": .choice("older", "unchanged", "not-greater").meaning("Why it was not applied."),
                "data": .reference("Record").meaning("The record as it is now."),
            ])
        ),
        ("ItemFailure", .object(["error": .reference("Problem")])),
        (
            "BulkAnswer",
            .object([
                "applied": .count.meaning("How many items changed something."),
                "results": .array(of: .either(.reference("WriteAnswer"), .reference("ItemFailure")))
                    .meaning("What became of each item, in the order sent."),
            ])
        ),
        ("Page", page(of: "Record").meaning("Records, and how to go on.")),
        ("UserPage", page(of: "User").meaning("Users in the order of their ids, and how to go on.")),
        (
            "CollectionCounts",
            .object([
                "data": .array(
                    of: .object(["collection": .reference("Collection"), "count": .count.meaning("Live records.")]))
            ])
        ),
        (
            "Problem",
            .object([
                "type": .string, "title": .string, "status": .integer(400...599),
                "detail": .string.meaning("What is wrong, for a person."),
                "code": JSONSchema(kind: .choice(ApusError.Code.allCases.map(\.rawValue)))
                    .meaning("What is wrong, for a program; it never changes."),
                "request_id": .string,
                "server_time?": .reference("Time").meaning("With `clock-skew`."),
                "errors?": .array(
                    of: .object(["pointer": .string.meaning("A JSON pointer into the body."), "detail": .string])
                ).meaning("The faults of the body, one by one."),
            ]).meaning("An error (RFC 9457).")
        ),
    ]

    static func page(of element: String) -> JSONSchema {
        .object([
            "data": .array(of: .reference(element), countMax: limits.pageRecordsMax),
            "next_cursor": JSONSchema.string.orNull.meaning("Where to go on."), "has_more": .boolean,
        ])
    }
}

// MARK: - Users, devices, the server

extension APISchemas {
    private static let accounts: [(name: String, schema: JSONSchema)] = [
        (
            "NewToken",
            .object([
                "user_id": .reference("UserID"),
                "display_name?": JSONSchema.string(0...256).orNull,
                "claims?": .either(.object([:]), JSONSchema(kind: .null)).meaning(
                    "Claims of the token's own, up to 4,096 bytes; not `sub`, `user_id`, `jti`, `iat`, `exp`, `nbf` "
                        + "or `apus_gen`."),
                "ttl_seconds?": JSONSchema.integer(1...limits.ttlSecondsMax).orNull
                    .meaning("How long the token is good; `TOKEN_TTL_SECONDS` unless it is given."),
            ])
        ),
        (
            "User",
            .object([
                "user_id": .reference("UserID"), "display_name": JSONSchema.string.orNull,
                "created_at": .reference("Time"),
            ])
        ),
        (
            "IssuedToken",
            .object([
                "user": .reference("User"), "token": .string.meaning("A JWT; this is the only time it is told."),
                "jti": .string.meaning("Names the token, to revoke it."), "expires_at": .reference("Time"),
            ])
        ),
        (
            "UserDetail",
            .object([
                "user": .reference("User"), "records": .count.meaning("Live records."),
                "bytes": .count.meaning("Of their values."),
                "tokens": .array(
                    of: .object(["jti": .string, "issued_at": .reference("Time"), "expires_at": .reference("Time")]),
                    countMax: 100
                ).meaning("The ones that have not expired, the newest first."),
                "devices": .array(of: .reference("Device"), countMax: limits.devicesPerUserMax),
            ])
        ),
        (
            "RevokedToken", .object(["revoked": .boolean, "jti": .string])
        ),
        ("RevokedUser", .object(["revoked": .boolean, "user_id": .reference("UserID")])),
        ("DeletedUser", .object(["deleted": .boolean, "user_id": .reference("UserID")])),
        (
            "TokenRevocation",
            .object([
                "jti": .string(1...256),
                "exp?": JSONSchema.integer(0...253_402_300_799).orNull
                    .meaning("When the token expires, in seconds since 1970: so long is its revocation kept."),
            ])
        ),
        (
            "NewDevice",
            .object([
                "user_id": .reference("UserID"), "device_id": .reference("DeviceID"),
                "name?": label(limits.deviceNameBytesMax), "platform?": label(limits.devicePlatformBytesMax),
            ]).meaning("What is not given stays as it is; `null` takes it away.")
        ),
        (
            "Device",
            .object([
                "user_id": .reference("UserID"), "device_id": .reference("DeviceID"),
                "name": JSONSchema.string.orNull, "platform": JSONSchema.string.orNull,
                "registered_at": .reference("Time"),
                "last_seen_at": .reference("Time").orNull.meaning("`null` if it never connected."),
                "online": .boolean,
            ])
        ),
        ("DeviceAnswer", .object(["data": .reference("Device")])),
        ("Devices", .object(["data": .array(of: .reference("Device"), countMax: limits.devicesPerUserMax)])),
    ]

    private static func label(_ bytesMax: Int) -> JSONSchema {
        JSONSchema.string(0...bytesMax, pattern: "^[^\\u0000-\\u001f\\u007f]*$").orNull
    }

    private static let system: [(name: String, schema: JSONSchema)] = [
        ("Welcome", .object(["name": .choice("apus"), "version": .string, "realtime": .string, "health": .string])),
        (
            "Health",
            .object([
                "status": .choice("ok", "storage-unavailable"), "version": .string, "uptime_seconds": .count,
                "storage": .object([
                    "backend": .string, "durability": .string, "schema_version": .count,
                    "epoch": .string.meaning("Changes when the database is made anew or restored."),
                    "bytes": .count,
                ]),
                "connections": .count, "sockets": .count,
            ])
        ),
    ]
}
