public import ApusCore
public import Metrics

/// What an operator decides about the transport.
public struct HTTPSettings: Sendable {
    public var host = "0.0.0.0"
    /// 0 for any free one.
    public var port = 8000
    public var eventLoops = 2
    /// Who may use the administrator's routes; empty for everyone with the key.
    public var adminAllowlist: [AddressRange] = []
    /// Whose `X-Forwarded-For` counts.
    public var trustedProxies: [AddressRange] = []
    /// Set to speak TLS, and nothing but TLS.
    public var tls: TLSIdentity?
    /// Origins that browsers may call from; empty turns CORS off and lets any origin open a socket.
    public var corsAllowOrigins: [String] = []
    /// Compares in constant time.
    public var isAdministratorKey: @Sendable (String) -> Bool
    /// Whether the key is so short that it has to be kept from being guessed.
    public var isKeyGuessable = false
    /// Who may log in to the administrator's routes; `nil` for nobody.
    public var login: (any LoginProvider)?
    /// Whether clients come by TLS.
    public var isSecure = false
    /// Seals cursors; cursors made with another one are refused.
    public var cursorSecret: Secret
    public var version: String
    /// Where it is counted what happens.
    public var metrics: any MetricsFactory = NOOPMetricsHandler.instance
    /// What has been going on, for the administrator.
    public var telemetry: any Telemetry = NoTelemetry()
    /// All of the server's settings, to be shown to the administrator.
    public var inForce: [SettingInForce] = []
    /// Whether anybody may read the metrics, and not only the administrator.
    public var areMetricsPublic = false

    public init(isAdministratorKey: @escaping @Sendable (String) -> Bool, cursorSecret: Secret, version: String) {
        self.isAdministratorKey = isAdministratorKey
        self.cursorSecret = cursorSecret
        self.version = version
    }
}
