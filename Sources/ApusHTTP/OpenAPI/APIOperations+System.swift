import ApusCore
import NIOHTTP1

extension APIOperation {
    /// Everything that is described.
    static let all: [APIOperation] = records + realtime + devices + users + forOperator + system

    private static let welcome = #"""
        {"name":"apus","version":"0.1.0","realtime":"connect here with WebSocket and a token","health":"/health"}
        """#

    static let realtime: [APIOperation] = [
        socket("/", id: "openSocket", summary: "Open a WebSocket"),
        socket(RealtimePath.long, id: "openSocketByPath", summary: "Open a WebSocket, where / is another's"),
        APIOperation(
            method: .GET, pattern: "/v1/stream/{user}", id: "openStream", group: .realtime,
            summary: "Hear every change as Server-Sent Events",
            notes: """
                The answer does not end. First comes `hello`, with `since` or `Last-Event-ID` what was missed and \
                `current`, then each change as it is committed: `event` is its type, `id` its `seq`, `data` the JSON \
                that a socket would have got. A comment comes every 25 s. The token may stand in `?token=`, because \
                browsers' `EventSource` sends no headers of ours. `HEAD` answers with the headers alone.
                """,
            parameters: APIParameter.ofStreams + [
                .header(
                    "Last-Event-ID", .string(pattern: "^[0-9]{0,18}$"),
                    "The last `id` that was heard; it goes before `since`.")
            ],
            answers: [
                .text(
                    EventStream.contentType, "The events.",
                    example: #"""
                        event: data.deleted
                        id: 43
                        data: {"type":"data.deleted","seq":43,"data":{"user_id":"u1","collection":"profile",\#
                        "key":"theme","deleted_at":"2026-11-24T09:02:22.783Z","seq":43}}
                        """#)
            ],
            exampleQuery: "?since=0"),
    ]

    private static func socket(_ pattern: String, id: String, summary: String) -> APIOperation {
        APIOperation(
            method: .GET, pattern: pattern, id: id, group: .realtime, summary: summary,
            notes: """
                With `Upgrade: websocket`, `Connection: Upgrade`, `Sec-WebSocket-Version: 13` and a \
                `Sec-WebSocket-Key` (RFC 6455) the connection becomes a socket. Its token stands in `?token=`, in \
                `Authorization: Bearer`, or in the subprotocol `apus.bearer.TOKEN`. Like a stream's, its URL may have \
                `collection`, `key` or `prefix`, `since`, `epoch` and `device_id`; and its frames can write, too.

                Without these headers it says what is to be found here, to everyone.
                """,
            answers: [
                .json(200, "Welcome", "No WebSocket was asked for.", example: welcome),
                APIAnswer(
                    status: 101, meaning: "It is a socket now.",
                    headers: [
                        APIHeader(name: "Sec-WebSocket-Accept", schema: .string, meaning: "RFC 6455, section 4.2.2.")
                    ]),
            ],
            failures: [.unauthenticated, .tokenExpired, .tokenRevoked, .originNotAllowed, .upgradeRequired],
            exampleCommand: "wscat -c \"ws://localhost:8000\(pattern)?token=$TOKEN\"")
    }

    static let system: [APIOperation] = [
        APIOperation(
            method: .GET, pattern: "/health", id: "health", group: .system, summary: "Whether the server works",
            answers: [
                .json(
                    200, "Health", "It does.",
                    example: #"""
                        {"status":"ok","version":"0.1.0","uptime_seconds":1,\#
                        "storage":{"backend":"sqlite","durability":"full","schema_version":2,\#
                        "epoch":"f1099ad223f4…","bytes":508872},"connections":1,"sockets":0}
                        """#),
                .json(503, "Health", "The storage failed; nothing is written until the server is restarted."),
            ],
            failures: [.storageUnavailable]),
        APIOperation(
            method: .GET, pattern: "/openapi.json", id: "openapi", group: .system, summary: "This API (OpenAPI 3.1)",
            parameters: [.ifNoneMatch("Answer only if its `ETag` is another.")],
            answers: [
                APIAnswer(
                    status: 200, meaning: "The document.", headers: [APIHeader.fileTag],
                    content: [APIContent(type: "application/json", schema: .object([:]))]),
                unchanged,
            ]),
        APIOperation(
            method: .GET, pattern: "/docs", id: "docs", group: .system, summary: "This API as a page to read",
            parameters: [.ifNoneMatch("Answer only if its `ETag` is another.")],
            answers: [.text(StaticFile.html, "The page.", headers: [.fileTag]), unchanged]),
        APIOperation(
            method: .GET, pattern: "/docs/style.css", id: "docsStyle", group: .system, summary: "How that page looks",
            parameters: [.ifNoneMatch("Answer only if its `ETag` is another.")],
            answers: [.text(StaticFile.css, "The style sheet.", headers: [.fileTag]), unchanged]),
    ]

    private static let unchanged = APIAnswer(
        status: 304, meaning: "It is the one the client has.", headers: [.fileTag])
}

extension APIHeader {
    static let fileTag = APIHeader(name: "ETag", schema: .string, meaning: "Changes with the content.")
}
