import ApusCore

/// What only the administrator is told.
extension APISchemas {
    static let ofOperator: [(name: String, schema: JSONSchema)] = [
        (
            "AuditEntry",
            .object([
                "number?": .count.meaning("Rises with each entry."), "at": .reference("Time"),
                "actor": .string.meaning("`admin`, `admin:NAME`, `user:ID` or `unknown`."), "action": .string,
                "target": .string, "ip": .string, "request_id": .string, "outcome": .string, "detail": .string,
            ])
        ),
        ("AuditPage", page(of: "AuditEntry").meaning("Entries, the newest first, and how to go on.")),
        (
            "Owner",
            .object([
                "user_id": .reference("UserID"), "seq": .count.meaning("The last change."),
                "last_change_at": .reference("Time").orNull,
            ])
        ),
        ("OwnerPage", page(of: "Owner").meaning("Owners in the order of their ids, and how to go on.")),
        (
            "StoredRecord",
            .object([
                "data": .reference("Record"),
                "restorable?": .boolean.meaning("Of a tombstone: whether it can be brought back."),
            ])
        ),
        (
            "Overview",
            .object([
                "users": .count, "records": .count, "tombstones": .count, "devices": .count, "tokens_revoked": .count,
                "sockets": .count, "streams": .count, "connections": .count,
                "storage": .object(["backend": .string, "bytes": .count, "durability": .string]),
                "rates": .object([
                    "writes_per_second": .number, "reads_per_second": .number, "deliveries_per_second": .number,
                ]).meaning("Over the last minute."),
                "changes": .array(
                    of: .object([
                        "type": .choice("data.updated", "data.deleted"), "user_id": .reference("UserID"),
                        "collection": .reference("Collection"), "key": .reference("Key"), "seq": .count,
                        "at": .reference("Time"),
                    ]), countMax: 50),
                "audit": .array(of: .reference("AuditEntry"), countMax: 50),
            ])
        ),
        (
            "Connections",
            .object([
                "data": .array(
                    of: .object([
                        "id": .string, "kind": .choice("websocket", "stream"), "user_id": .reference("UserID"),
                        "device_id": .reference("DeviceID").orNull, "address": .string,
                        "opened_at": .reference("Time"), "seq": .count.meaning("The last change it was sent."),
                        "lag": .count.meaning("Changes it has not been sent."), "buffered_bytes": .count,
                    ]), countMax: 200),
                "total": .count,
            ])
        ),
        ("ClosedConnection", .object(["closed": .boolean])),
        (
            "ServerSettings",
            .object([
                "data": .array(
                    of: .object([
                        "name": .string, "value": JSONSchema.string.orNull.meaning("`null` for secrets."),
                        "source": .choice("default", "environment", "file", "flag"), "secret": .boolean,
                        "set": .boolean,
                    ]))
            ])
        ),
        (
            "History",
            .object([
                "step_seconds": .count, "server_time": .reference("Time"),
                "samples": .array(
                    of: .object([
                        "at": .reference("Time"), "writes": JSONSchema.number.orNull.meaning("A second."),
                        "reads": JSONSchema.number.orNull.meaning("A second."),
                        "deliveries": JSONSchema.number.orNull.meaning("A second."),
                        "latency_p50_ms": JSONSchema.number.orNull, "latency_p99_ms": JSONSchema.number.orNull,
                        "connections": .count, "sockets": .count, "memory_bytes": .count, "disk_bytes": .count,
                    ])),
            ])
        ),
        ("Readiness", .object(["status": .choice("ready")])),
    ]
}
