/// Why a socket is closed (RFC 6455, section 7.4), and so whether its client should come back.
public enum CloseCode: UInt16, Sendable {
    case normal = 1000
    /// The server restarts: reconnect.
    case goingAway = 1001
    case protocolError = 1002
    /// A kind of message that is not taken.
    case unsupportedData = 1003
    /// Text that is not UTF-8.
    case invalidText = 1007
    case policyViolation = 1008
    case messageTooBig = 1009
    /// The client reads too slowly, or the server has too much to do: reconnect and resume.
    case tryAgainLater = 1013
    /// The token has expired or was revoked.
    case unauthenticated = 4401

    /// Whether a peer may send `code` in a close frame.
    static func isValidFromPeer(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
