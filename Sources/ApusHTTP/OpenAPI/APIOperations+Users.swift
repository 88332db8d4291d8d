import ApusCore
import NIOHTTP1

// Devices, for their users; users and tokens, for the administrator.
extension APIOperation {
    private static let device = #"""
        {"user_id":"u1","device_id":"tv-1","name":"TV","platform":"tvos","registered_at":"2026-11-24T15:08:13.101Z",\#
        "last_seen_at":null,"online":false}
        """#
    private static let user = #"{"user_id":"u1","display_name":"Alex","created_at":"2026-11-24T09:15:16.311Z"}"#
    private static let issued = #"""
        {"user":{"user_id":"u1","display_name":"Alex","created_at":"2026-11-24T09:15:16.311Z"},"token":"eyJhbGciOi…",\#
        "jti":"58363c39c110…","expires_at":"2026-12-24T09:15:16.311Z"}
        """#

    static let devices: [APIOperation] = [
        APIOperation(
            method: .POST, pattern: "/v1/devices/register", id: "registerDevice", group: .devices,
            summary: "Register a device", notes: "A device that connects is registered by that, without a name.",
            body: APIBody(
                schema: .reference("NewDevice"),
                example: #"{"user_id":"u1","device_id":"tv-1","name":"TV","platform":"tvos"}"#),
            answers: [
                .json(201, "DeviceAnswer", "It is new.", example: "{\"data\":\(device)}"),
                .json(200, "DeviceAnswer", "It was known."),
            ],
            failures: .ofWrites + [.invalidField, .tooManyItems]),
        APIOperation(
            method: .GET, pattern: "/v1/devices/{user}", id: "listDevices", group: .devices,
            summary: "List a user's devices",
            answers: [
                .json(200, "Devices", "All of them, by the bytes of their ids.", example: "{\"data\":[\(device)]}")
            ]),
        APIOperation(
            method: .DELETE, pattern: "/v1/devices/{user}/{device_id}", id: "deleteDevice", group: .devices,
            summary: "Forget a device",
            notes: "One that is connected is offline at once; its connections stay open.",
            answers: [.json(200, "DeviceAnswer", "The device as it was.", example: "{\"data\":\(device)}")],
            failures: .ofWrites + [.notFound]),
    ]

    static let users: [APIOperation] = [
        APIOperation(
            method: .POST, pattern: "/v1/admin/users", id: "issueToken", group: .administration,
            summary: "Make a user, or rename one, and issue a token",
            notes: "The token is told once. Earlier tokens of the user stay good.",
            body: APIBody(
                schema: .reference("NewToken"), example: #"{"user_id":"u1","display_name":"Alex"}"#),
            answers: [
                .json(201, "IssuedToken", "The user is new.", example: issued),
                .json(200, "IssuedToken", "The user was there."),
            ],
            failures: .ofWrites + [.invalidField]),
        APIOperation(
            method: .GET, pattern: "/v1/admin/users", id: "listUsers", group: .administration, summary: "List users",
            parameters: [.prefix, .limit, .cursor],
            answers: [
                .json(
                    200, "UserPage", "A page of users.",
                    example: "{\"data\":[\(user)],\"next_cursor\":null,\"has_more\":false}")
            ],
            failures: .ofWrites + [.badCursor, .resyncRequired], exampleQuery: "?limit=100"),
        APIOperation(
            method: .GET, pattern: "/v1/admin/users/{id}", id: "showUser", group: .administration,
            summary: "Show one user",
            notes: "With the devices and tokens, and how much there is of records. The audit log has it.",
            answers: [
                .json(
                    200, "UserDetail", "The user.",
                    example: "{\"user\":\(user),\"records\":2,\"bytes\":19,\"tokens\":[],\"devices\":[\(device)]}")
            ],
            failures: .ofWrites + [.notFound]),
        APIOperation(
            method: .DELETE, pattern: "/v1/admin/users/{id}", id: "deleteUser", group: .administration,
            summary: "Delete a user",
            notes: "Every token is revoked and every record deleted; its devices are forgotten.",
            answers: [.json(200, "DeletedUser", "Done.", example: #"{"deleted":true,"user_id":"u1"}"#)],
            failures: .ofWrites + [.notFound]),
        APIOperation(
            method: .POST, pattern: "/v1/admin/users/{id}/rotate", id: "rotateTokens", group: .administration,
            summary: "Revoke a user's tokens and issue another",
            notes: "The new one carries the claims of the latest. Open sockets with an earlier one are closed.",
            answers: [.json(200, "IssuedToken", "The only token that is good now.", example: issued)],
            failures: .ofWrites + [.notFound]),
        APIOperation(
            method: .POST, pattern: "/v1/admin/users/{id}/revoke", id: "revokeTokens", group: .administration,
            summary: "Revoke all of a user's tokens",
            answers: [.json(200, "RevokedUser", "Done.", example: #"{"revoked":true,"user_id":"u1"}"#)],
            failures: .ofWrites + [.notFound]),
        APIOperation(
            method: .POST, pattern: "/v1/admin/tokens/revoke", id: "revokeToken", group: .administration,
            summary: "Revoke one token",
            notes: "By its `jti`, whether it was issued here or not; again does no harm.",
            body: APIBody(schema: .reference("TokenRevocation"), example: #"{"jti":"58363c39c110…"}"#),
            answers: [.json(200, "RevokedToken", "Done.", example: #"{"revoked":true,"jti":"58363c39c110…"}"#)],
            failures: .ofWrites + [.invalidField]),
    ]
}
