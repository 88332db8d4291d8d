import ApusServer

/// What the server prints once it listens.
struct Banner {
    static let user = "u1"
    static let tokenSeconds: Int64 = 3600

    let settings: Settings
    let host: String
    let port: Int
    /// Of ``user``, good for ``tokenSeconds``.
    let token: String

    /// The first line is always `apus VERSION listening on URL`.
    var text: String {
        let secrets = settings.secretsOrigin + (settings.hasNewSecrets ? " (made now, readable by you alone)" : "")
        let facts = """
            apus \(Version.current) listening on \(http)://\(authority)

              REST       \(http)://\(authority)/v1
              WebSocket  \(settings.isSecure ? "wss" : "ws")://\(authority)/v1/realtime
              Health     \(http)://\(authority)/health
              Database   \(settings.databasePlace)
              Secrets    \(secrets)
            """
        // The names in a certificate are hardly those of the loopback.
        return settings.isLoopback && !settings.isSecure ? facts + "\n\n" + commands : facts
    }

    private var http: String { settings.isSecure ? "https" : "http" }

    private var authority: String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    private var commands: String {
        """
        Try it as user \(Self.user), with a token that is good for an hour. Write, read, listen:

        curl -sS -X POST http://\(authority)/v1/data \
        -H 'Authorization: Bearer \(token)' -H 'Content-Type: application/json' \
        -d '{"user_id":"\(Self.user)","collection":"profile","key":"theme","value":{"mode":"dark"}}'

        curl -sS http://\(authority)/v1/data/\(Self.user)/profile -H 'Authorization: Bearer \(token)'

        \(Self.listenCommand(url: "http://\(authority)/v1/realtime", token: token))

        """
    }

    /// Prints events as they come. `curl` of most systems knows no `ws:`, so the upgrade is asked for by hand and the
    /// few bytes around each event's text show.
    static func listenCommand(url: String, token: String) -> String {
        """
        curl --http1.1 -sN --output - \(url) -H 'Authorization: Bearer \(token)' \
        -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
        -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: YXB1cy1saXN0ZW5zLW5vdw=='
        """
    }
}
