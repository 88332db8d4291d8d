public import ApusCore
public import NIOCore

/// What a client says on a socket.
public struct ClientFrame: Sendable {
    public enum Request: Sendable {
        case ping
    }

    /// Any JSON value; echoed as it was sent.
    public var id: JSONText?
    /// What is asked, or why that cannot be done; the socket stays usable either way.
    public var request: Result<Request, ApusError>

    public init(_ text: ByteBuffer, limits: Limits) {
        do throws(ApusError) {
            self = try Self(reading: text, limits: limits)
        } catch {
            id = nil
            request = .failure(error)
        }
    }

    private init(reading text: ByteBuffer, limits: Limits) throws(ApusError) {
        let span = text.readableBytesUInt8Span
        var scanner = JSONScanner(depthMax: limits.valueDepthMax)
        try WriteBody.requireObject(&scanner, span)
        var reader = EnvelopeReader(body: text, limits: limits)
        var type: String?
        try scanner.beginObject(in: span)
        while let name = try scanner.nextMember(in: span) {
            try reader.enter(name)
            switch name {
            case "type": type = try reader.string(name, &scanner, span)
            case "id": id = JSONText(validated: text.slice(try scanner.value(in: span).range))
            default: _ = try scanner.value(in: span)
            }
        }
        try scanner.end(in: span)
        if let failure = reader.failure() {
            request = .failure(failure)
        } else {
            request =
                switch type {
                case "ping": .success(.ping)
                case .some(let other):
                    .failure(ApusError(.invalidField, "a frame of type \(other) is not known", at: "/type"))
                case nil: .failure(ApusError(.invalidField, "type is missing", at: "/type"))
                }
        }
    }
}
