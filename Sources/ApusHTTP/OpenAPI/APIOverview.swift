/// What holds for all of the API, in words.
enum APIOverview {
    static let summary = "Records that apps write, and every device of their user sees change at once."

    static let sections: [(title: String, text: String)] = [
        (
            "Who asks",
            """
            Users send a token (JWT, HS256) as `Authorization: Bearer TOKEN`; it speaks for one `user_id`, and for no \
            other's data. Event streams and sockets take it as `?token=`, too. The administrator sends the key as \
            `X-Admin-Api-Key: KEY`, or the dashboard's login by HTTP Basic; then what changes something needs \
            `X-Apus-Dashboard: 1`, and may come from no page of another origin.
            """
        ),
        (
            "Requests and answers",
            """
            Bodies are JSON (RFC 8259), read strictly; unknown members are ignored, a member that stands twice in an \
            object of ours is refused. In paths `/` within a name is `%2F`. Times are RFC 3339.

            Answers about data are sent after the commit is durable. Each carries `X-Request-Id`. Lists have `data`, \
            `next_cursor` and `has_more`; cursors mean nothing to anybody but the server.
            """
        ),
        (
            "Errors",
            """
            An error is a problem object (RFC 9457, `application/problem+json`) with a `code` that never changes; \
            `errors` names the faults of a body one by one. 429, 503 and 507 come with `Retry-After`, 401 with \
            `WWW-Authenticate`. A path that is nothing is 404 `not-found`, a method that a path does not take 405 \
            `method-not-allowed` with `Allow`, a request that is not HTTP/1.1 400 `bad-parameter`.
            """
        ),
        (
            "HEAD and OPTIONS",
            """
            `HEAD` answers as `GET` does, without the body. `OPTIONS` answers 204 with `Allow`; where \
            `CORS_ALLOW_ORIGINS` is set, listed origins may call from browsers, with preflight requests. Neither \
            stands below at each path.
            """
        ),
        (
            "Realtime",
            """
            WebSocket at `/` and `/v1/realtime`, Server-Sent Events at `/v1/stream/{user}`; both say the same, in the \
            same order, each change exactly once:

            - `hello`: `user_id`, `epoch`, `seq`, `server_time`, `heartbeat_ms`
            - `data.updated`: `seq`, and the record as `data`
            - `data.deleted`: `seq`, and `data` with `user_id`, `collection`, `key`, `deleted_at`, `seq`; `reason` is \
            `expired` if its time ran out
            - `current`: everything up to `seq` has been sent, live changes follow
            - `reset`: the position that was asked for cannot be served; everything follows
            - `presence.online`, `presence.offline`: a device of the user came or went
            - `auth.expiring`: the token ends within 60 s

            A client that was away comes back with `since`, the last `seq` it heard, and `epoch`: it gets what it \
            missed, then `current`, then live changes. On a socket it may send `subscribe`, `unsubscribe`, `set`, \
            `delete`, `bulk`, `auth` and `ping`, each answered by `ack` or `error`.
            """
        ),
    ]

    static var markdown: String {
        sections.map { "## \($0.title)\n\n\($0.text)" }.joined(separator: "\n\n")
    }
}
