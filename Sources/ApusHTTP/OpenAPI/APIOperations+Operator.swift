import ApusCore
import NIOHTTP1

// Everybody's data and the server itself, for the administrator.
extension APIOperation {
    static let forOperator: [APIOperation] = overviews + data + files + server + telemetry

    private static let record = #"""
        {"user_id":"u1","collection":"profile","key":"theme","value":{"mode":"dark"},\#
        "updated_at":"2026-11-24T09:15:16.322Z","deleted_at":null,"expires_at":null,"seq":1}
        """#
    private static let entry = #"""
        {"number":7,"at":"2026-11-24T09:15:16.322Z","actor":"admin","action":"token.issue","target":"u1",\#
        "ip":"127.0.0.1","request_id":"1rgtafp-0-5","outcome":"ok","detail":""}
        """#
    private static let audited = "The audit log has it."

    private static let overviews: [APIOperation] = [
        APIOperation(
            method: .GET, pattern: "/admin/data", id: "overview", group: .administration,
            summary: "See how the server is doing",
            notes:
                "Counts, rates of the last minute, the latest 50 changes and 50 entries of the audit log. \(audited)",
            answers: [.json(200, "Overview", "What there is.")], failures: .ofWrites),
        APIOperation(
            method: .GET, pattern: "/v1/admin/audit", id: "searchAudit", group: .administration,
            summary: "Search the audit log", notes: "The newest first. \(audited)",
            parameters: .span + [
                .query("actor", .string, "`admin`, `admin:NAME`, `user:ID`, `unknown`, as an entry has it."),
                .query("action", .string, "Such as `token.issue`; with `*` at its end, what begins so."),
                .query("target", .string, "What it was done to, as an entry has it."), .limit, .cursor,
            ],
            answers: [
                .json(
                    200, "AuditPage", "A page of entries.",
                    example: "{\"data\":[\(entry)],\"next_cursor\":null,\"has_more\":false}")
            ],
            failures: .ofWrites + [.badCursor, .resyncRequired], exampleQuery: "?action=token.*"),
    ]

    private static let address = "/v1/admin/data/{owner}/{collection}/{key}"

    private static let data: [APIOperation] = [
        APIOperation(
            method: .GET, pattern: "/v1/admin/data", id: "listOwners", group: .administration,
            summary: "List who has records", notes: audited, parameters: [.prefix, .limit, .cursor],
            answers: [
                .json(
                    200, "OwnerPage", "A page of owners in the order of their ids.",
                    example: #"""
                        {"data":[{"user_id":"u1","seq":5,"last_change_at":"2026-11-24T09:15:16.371Z"}],\#
                        "next_cursor":null,"has_more":false}
                        """#)
            ],
            failures: .ofWrites + [.badCursor, .resyncRequired]),
        APIOperation(
            method: .GET, pattern: "/v1/admin/data/{owner}", id: "listOwnersCollections", group: .administration,
            summary: "List an owner's collections", notes: audited,
            answers: [.json(200, "CollectionCounts", "Names, with the number of live records.")], failures: .ofWrites),
        APIOperation(
            method: .GET, pattern: "/v1/admin/data/{owner}/{collection}", id: "listOwnersRecords",
            group: .administration, summary: "List an owner's records", notes: "In the order of their keys. \(audited)",
            parameters: [.prefix, .deleted, .limit, .cursor],
            answers: [.json(200, "Page", "A page of records.")],
            failures: .ofWrites + [.badCursor, .resyncRequired]),
        APIOperation(
            method: .GET, pattern: address, id: "readOwnersRecord", group: .administration,
            summary: "Read an owner's record", notes: "A tombstone is shown, too. \(audited)",
            parameters: [.ifNoneMatch("Answer only if the record's `ETag` is not among these.")],
            answers: [
                .json(
                    200, "StoredRecord", "The record or tombstone.", headers: [.entityTag],
                    example: "{\"data\":\(record)}"),
                APIAnswer(status: 304, meaning: "It is the one the client has.", headers: [.entityTag]),
            ],
            failures: .ofWrites + [.notFound]),
        changed(put, "putOwnersRecord", "Write an owner's record, its value as the body"),
        changed(delete, "deleteOwnersRecord", "Delete an owner's record"),
        APIOperation(
            method: .POST, pattern: address + "/undelete", id: "undeleteRecord", group: .administration,
            summary: "Bring a deleted record back", notes: "As it was, as a new change. \(audited)",
            answers: [
                .json(
                    200, "WriteAnswer", "The record, live again.", headers: [.entityTag],
                    example: "{\"applied\":true,\"data\":\(record)}")
            ],
            failures: .ofWrites + [.notFound, .preconditionFailed]),
    ]

    /// What the owner's own call is, for the administrator.
    private static func changed(_ own: APIOperation, _ id: String, _ summary: String) -> APIOperation {
        var operation = own
        operation.pattern = address
        operation.id = id
        operation.group = .administration
        operation.summary = summary
        operation.notes = "By the rules of the owner's own call. \(audited)"
        return operation
    }
}

// MARK: - Files and the server

extension APIOperation {
    fileprivate static let files: [APIOperation] = [
        APIOperation(
            method: .GET, pattern: "/admin/export/{name}", id: "export", group: .administration,
            summary: "Download users, records or the audit log",
            notes: """
                `users.json` and `data.json` are arrays, `audit.csv` has a head (RFC 4180; cells that a spreadsheet \
                would take for a formula begin with `'`). Streamed from one moment's state, as an attachment. \(audited)
                """,
            parameters: [
                APIParameter(
                    name: "name", place: .path, schema: .choice("users.json", "data.json", "audit.csv"),
                    meaning: "What to download.", example: "users.json"),
                .query("user_id", .reference("UserID"), "`data.json`: only this owner's."),
                .query("collection", .reference("Collection"), "`data.json`: only this collection."), .deleted,
            ] + .span + [
                .query("actor", .string, "`audit.csv`: only this actor's."),
                .query("action", .string, "`audit.csv`: only this action."),
            ],
            answers: [
                APIAnswer(
                    status: 200, meaning: "The file.",
                    headers: [
                        APIHeader(name: "Content-Disposition", schema: .string, meaning: "`attachment`, with a name.")
                    ],
                    content: [
                        APIContent(
                            type: "application/json",
                            schema: .array(of: .either(.reference("User"), .reference("Record")))),
                        APIContent(type: "text/csv; charset=utf-8; header=present", schema: .anything),
                    ])
            ],
            failures: .ofWrites + [.notFound]),
    ]

    fileprivate static let server: [APIOperation] = [
        APIOperation(
            method: .GET, pattern: "/v1/admin/connections", id: "listConnections", group: .administration,
            summary: "List sockets and streams", notes: "The slow ones first, at most 200; `total` counts all.",
            answers: [.json(200, "Connections", "Who listens.")]),
        APIOperation(
            method: .DELETE, pattern: "/v1/admin/connections/{id}", id: "closeConnection", group: .administration,
            summary: "Close a socket or stream", notes: "A socket is closed with 1008. \(audited)",
            parameters: [
                APIParameter(
                    name: "id", place: .path, schema: .string, meaning: "The `id` in the list.", example: "17")
            ],
            answers: [.json(200, "ClosedConnection", "Done.", example: #"{"closed":true}"#)],
            failures: .ofWrites + [.notFound]),
        APIOperation(
            method: .GET, pattern: "/v1/admin/devices", id: "listOnlineDevices", group: .administration,
            summary: "List the devices that are online",
            parameters: [
                APIParameter(
                    name: "online", place: .query, schema: .choice("true"), meaning: "Only these can be listed.",
                    isRequired: true)
            ],
            answers: [.json(200, "Devices", "At most 1,000.")], exampleQuery: "?online=true"),
        APIOperation(
            method: .GET, pattern: "/v1/admin/settings", id: "listSettings", group: .administration,
            summary: "List the settings", notes: "And where each is from. Of secrets only whether they are set.",
            answers: [.json(200, "ServerSettings", "All settings.")]),
        APIOperation(
            method: .GET, pattern: "/v1/admin/changes", id: "watchChanges", group: .administration,
            summary: "Watch everybody's changes as Server-Sent Events",
            notes: """
                `event` and `data` are those of a user's stream, from now on. A reader that is too slow hears \
                `dropped` with `{"count":n}` in place of what it missed. \(audited)
                """,
            parameters: [
                .query("user_id", .reference("UserID"), "Only this owner's."),
                .query("collection", .reference("Collection"), "Only this collection's."),
                .query("prefix", .reference("Key"), "Only keys that begin so."),
            ],
            answers: [.text(EventStream.contentType, "The events.")], failures: .ofWrites),
    ]

    fileprivate static let telemetry: [APIOperation] = [
        APIOperation(
            method: .GET, pattern: "/v1/admin/history", id: "history", group: .administration,
            summary: "See the last hour",
            parameters: [.query("after", .reference("Time"), "Only samples after that time.")],
            answers: [.json(200, "History", "A sample for each step.")]),
        APIOperation(
            method: .GET, pattern: "/metrics", id: "metrics", group: .system, summary: "Metrics for Prometheus",
            notes: "With the administrator's key; with `METRICS_PUBLIC=true` for everyone.",
            answers: [.text("text/plain; version=0.0.4; charset=utf-8", "The metrics.")]),
        APIOperation(
            method: .GET, pattern: "/ready", id: "ready", group: .system, summary: "Whether to send requests here",
            notes: "503 while it stops, cannot store or has more writes waiting than it likes.",
            answers: [.json(200, "Readiness", "Yes.", example: #"{"status":"ready"}"#)], failures: [.storageUnavailable]
        ),
    ]
}

extension [APIParameter] {
    fileprivate static let span: [APIParameter] = [
        .query("since", .reference("Time"), "Only entries from then on."),
        .query("until", .reference("Time"), "Only entries before then."),
    ]
}

extension APIParameter {
    static let prefix = APIParameter.query("prefix", .string, "Only names that begin so.")
    fileprivate static let deleted = APIParameter.query("deleted", .choice("true", "false"), "Tombstones, too.")
}
