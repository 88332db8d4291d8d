import ApusCore
import NIOHTTP1

extension APIOperation {
    static let records: [APIOperation] = [upsert, bulk] + lists + [read, put, delete]

    private static let record = #"""
        {"user_id":"u1","collection":"profile","key":"theme","value":{"mode":"dark"},\#
        "updated_at":"2026-11-24T09:15:16.322Z","deleted_at":null,"expires_at":null,"seq":1}
        """#
    private static let tombstone = #"""
        {"user_id":"u1","collection":"profile","key":"theme","value":null,"updated_at":"2026-11-24T09:15:16.371Z",\#
        "deleted_at":"2026-11-24T09:15:16.371Z","expires_at":null,"seq":5}
        """#
    private static let applied = APIAnswer.json(
        200, "WriteAnswer", "What became of the write. One that lost changes nothing: `applied` is false.",
        headers: [.entityTag, .replayed], example: "{\"applied\":true,\"data\":\(record)}")
    private static let decided: [ApusError.Code] =
        .ofWrites + [.preconditionFailed, .idempotencyMismatch, .clockSkew, .notNumeric, .invalidField]

    private static let upsert = APIOperation(
        method: .POST, pattern: "/v1/data", id: "writeRecord", group: .records, summary: "Write one record",
        notes: """
            The answer comes after the commit is durable. With `updated_at` the later write wins, without it this one \
            happens now. A write without `ttl_seconds` or `expires_at` clears an earlier one.
            """,
        parameters: APIParameter.ofWrites + APIParameter.preconditions,
        body: APIBody(
            schema: .reference("Write"),
            example: #"{"user_id":"u1","collection":"profile","key":"theme","value":{"mode":"dark"}}"#),
        answers: [applied], failures: decided + [.valueTooLarge])

    private static let bulk = APIOperation(
        method: .POST, pattern: "/v1/data/bulk", id: "writeRecords", group: .records,
        summary: "Write many records at once",
        notes: """
            One commit, with change numbers in the order of the items. By default an invalid item refuses all, and \
            `errors` names the faults; with `"atomic":false` it has its `error` among the results and the others are \
            written. A delete that finds nothing has its `error` there, too, and refuses nobody.
            """,
        parameters: APIParameter.ofWrites,
        body: APIBody(
            schema: .reference("Bulk"),
            example: #"""
                {"user_id":"u1","items":[{"collection":"profile","key":"language","value":"sv"},\#
                {"collection":"profile","key":"theme","delete":true}]}
                """#),
        answers: [
            .json(
                200, "BulkAnswer", "What became of each item.", headers: [.replayed],
                example: "{\"applied\":1,\"results\":[{\"applied\":true,\"data\":\(record)}]}")
        ],
        failures: .ofWrites + [.idempotencyMismatch, .clockSkew, .notNumeric, .invalidField, .tooManyItems])

    private static let lists: [APIOperation] = [
        APIOperation(
            method: .GET, pattern: "/v1/data/{user}", id: "listOwner", group: .records,
            summary: "List all of a user's records",
            notes: """
                Across all collections, in the order of the changes, deletions included. The last page's `next_cursor` \
                (`has_more` is false) is what to pass next time: polling so misses nothing and repeats nothing.
                """,
            parameters: [.updatedSince, .limit, .cursor], answers: [page], failures: [.badCursor, .resyncRequired],
            exampleQuery: "?updated_since=2026-01-01T00:00:00.000Z"),
        APIOperation(
            method: .GET, pattern: "/v1/data/{user}/{collection}", id: "listCollection", group: .records,
            summary: "List a collection",
            notes: """
                Without `updated_since` the live records in the order of their keys (bytes). With it what changed, \
                deletions included, in the order of the changes; the last page's `next_cursor` is what to pass next \
                time. A page may end early, before its values pass 2 MiB; `has_more` tells.
                """,
            parameters: [.updatedSince, .limit, .cursor], answers: [page], failures: [.badCursor, .resyncRequired],
            exampleQuery: "?limit=100"),
        APIOperation(
            method: .GET, pattern: "/v1/collections/{user}", id: "listCollections", group: .records,
            summary: "List a user's collections",
            answers: [
                .json(
                    200, "CollectionCounts", "Names, with the number of live records.",
                    example: #"{"data":[{"collection":"profile","count":2}]}"#)
            ]),
    ]

    private static let page = APIAnswer.json(
        200, "Page", "A page of records.", example: "{\"data\":[\(record)],\"next_cursor\":null,\"has_more\":false}")

    private static let read = APIOperation(
        method: .GET, pattern: "/v1/data/{user}/{collection}/{key}", id: "readRecord", group: .records,
        summary: "Read one record",
        parameters: [.ifNoneMatch("Answer only if the record's `ETag` is not among these.")],
        answers: [
            .json(200, "RecordAnswer", "The record.", headers: [.entityTag], example: "{\"data\":\(record)}"),
            APIAnswer(status: 304, meaning: "It is the one the client has.", headers: [.entityTag]),
        ],
        failures: [.notFound])

    static let put = APIOperation(
        method: .PUT, pattern: "/v1/data/{user}/{collection}/{key}", id: "putRecord", group: .records,
        summary: "Write one record, its value as the body",
        parameters: [
            .query("updated_at", .reference("Time"), APISchemas.updatedAt.meaning),
            .query("ttl_seconds", .integer(1...Limits().ttlSecondsMax), APISchemas.ttl.meaning),
            .query("expires_at", .reference("Time"), APISchemas.expiresAt.meaning),
        ] + APIParameter.ofWrites + APIParameter.preconditions,
        body: APIBody(schema: .reference("Value"), example: #"{"mode":"dark"}"#), answers: [applied],
        failures: decided + [.valueTooLarge])

    static let delete = APIOperation(
        method: .DELETE, pattern: "/v1/data/{user}/{collection}/{key}", id: "deleteRecord", group: .records,
        summary: "Delete one record",
        notes: "It leaves a tombstone, so that clients that were away hear of it; lists with `updated_since` show it.",
        parameters: [.query("updated_at", .reference("Time"), APISchemas.updatedAt.meaning)]
            + APIParameter.ofWrites + APIParameter.preconditions,
        answers: [
            .json(
                200, "WriteAnswer", "The tombstone; or, if it lost against a later write, that record.",
                headers: [.entityTag, .replayed], example: "{\"applied\":true,\"data\":\(tombstone)}")
        ],
        failures: .ofWrites + [.notFound, .preconditionFailed, .idempotencyMismatch, .clockSkew])
}
