public import ApusCore
public import NIOCore

/// What a client says on a socket.
public struct ClientFrame: Sendable {
    public enum Request: Sendable {
        case ping
        case subscribe(Subscription)
        case unsubscribe(Subscription)
        case write(FrameWrite)
        /// Go on with this token.
        case authenticate(String)
    }

    /// The `type` member, or `frame` if it could not be read.
    public private(set) var type = "frame"
    /// Any JSON value; echoed as it was sent.
    public private(set) var id: JSONText?
    /// What is asked, or why that cannot be done; the socket stays usable either way.
    public let request: Result<Request, ApusError>

    /// - Parameter owner: the socket's user.
    public init(_ text: ByteBuffer, owner: OwnerID, limits: Limits) {
        var envelope = (type: String?.none, id: JSONText?.none)
        do throws(ApusError) {
            envelope = try Self.envelope(of: text, limits: limits)
            request = .success(try Self.request(envelope.type, in: text, id: envelope.id, owner: owner, limits: limits))
        } catch {
            request = .failure(error)
        }
        // It may be kept for longer than the frame, of which it is a part.
        id = envelope.id.map { JSONText(validated: ByteBuffer(buffer: $0.bytes)) }
        if let known = envelope.type.flatMap(Kind.init) { type = known.rawValue }
    }

    private enum Kind: String {
        case ping, subscribe, unsubscribe, set, delete, bulk, auth
    }

    private static func envelope(
        of text: ByteBuffer, limits: Limits
    ) throws(ApusError) -> (type: String?, id: JSONText?) {
        let span = text.readableBytesUInt8Span
        var scanner = JSONScanner(depthMax: limits.valueDepthMax)
        try WriteBody.requireObject(&scanner, span, "a frame")
        var reader = EnvelopeReader(body: text, limits: limits)
        var (type, id) = (String?.none, JSONText?.none)
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
        return (type, id)
    }

    private static func request(
        _ type: String?, in text: ByteBuffer, id: JSONText?, owner: OwnerID, limits: Limits
    ) throws(ApusError) -> Request {
        guard let type else { throw ApusError(.invalidField, "type must be there, a string", at: "/type") }
        switch Kind(rawValue: type) {
        case .ping: return .ping
        case .subscribe: return .subscribe(try Subscription(text, id: id, owner: owner, limits: limits))
        case .unsubscribe: return .unsubscribe(try Subscription(text, id: id, owner: owner, limits: limits))
        case .set: return .write(try FrameWrite(text, .set, id: id, owner: owner, limits: limits))
        case .delete: return .write(try FrameWrite(text, .delete, id: id, owner: owner, limits: limits))
        case .bulk: return .write(try FrameWrite(text, .bulk, id: id, owner: owner, limits: limits))
        case .auth: return .authenticate(try token(in: text, limits: limits))
        case nil: throw ApusError(.invalidField, "a frame of type \(type.prefix(64)) is not known", at: "/type")
        }
    }

    private static func token(in text: ByteBuffer, limits: Limits) throws(ApusError) -> String {
        let span = text.readableBytesUInt8Span
        var scanner = JSONScanner(depthMax: limits.valueDepthMax)
        var reader = EnvelopeReader(body: text, limits: limits)
        var token: String?
        try scanner.beginObject(in: span)
        while let name = try scanner.nextMember(in: span) {
            if name == "token" {
                token = try reader.string(name, &scanner, span)
            } else {
                _ = try scanner.value(in: span)
            }
        }
        guard let token else { throw ApusError(.invalidField, "token must be there, a string", at: "/token") }
        return token
    }
}

/// Where a subscriber wants to go on.
public struct ResumePoint: Sendable {
    public var since: SequenceNumber
    /// Of the database that the position was heard from; `nil` if the client does not tell.
    public var epoch: String?

    public init(since: SequenceNumber, epoch: String?) {
        self.since = since
        self.epoch = epoch
    }
}

/// What a subscription is about: `{"collection"?,"key"?,"prefix"?,"since"?,"epoch"?,"user_id"?}`
public struct Subscription: Sendable {
    /// Whose records; the socket's user unless the frame names one.
    public var owner: OwnerID
    /// `nil` if none is named.
    public var scope: StreamScope?
    public var resume: ResumePoint?

    init(_ text: ByteBuffer, id: JSONText?, owner: OwnerID, limits: Limits) throws(ApusError) {
        let span = text.readableBytesUInt8Span
        var scanner = JSONScanner(depthMax: limits.valueDepthMax)
        var reader = EnvelopeReader(body: text, limits: limits)
        // It waits until the subscription takes effect, and is said again when that is current.
        if id?.byteCount ?? 0 > limits.subscriptionIDBytesMax {
            reader.fault(
                "id", "the id of a subscription must be at most \(limits.subscriptionIDBytesMax) bytes of JSON")
        }
        var (user, collection, key, prefix) = (OwnerID?.none, CollectionName?.none, RecordKey?.none, KeyPrefix?.none)
        var (since, epoch) = (Int64?.none, String?.none)
        try scanner.beginObject(in: span)
        while let name = try scanner.nextMember(in: span) {
            try reader.enter(name)
            switch name {
            case "user_id": user = try reader.name(name, &scanner, span)
            case "collection": collection = try reader.name(name, &scanner, span)
            case "key": key = try reader.name(name, &scanner, span)
            case "prefix": prefix = try reader.name(name, &scanner, span)
            case "since": since = try reader.integer(name, in: 0...Int64.max, &scanner, span)
            case "epoch": epoch = try reader.string(name, &scanner, span)
            default: _ = try scanner.value(in: span)
            }
        }
        if let failure = reader.failure() { throw failure }
        self.owner = user ?? owner
        scope = try StreamScope(collection: collection, key: key, prefix: prefix)
        resume = since.map { ResumePoint(since: SequenceNumber($0), epoch: epoch) }
    }
}

extension StreamScope {
    /// The scope that these name; `nil` if none of them is given.
    ///
    /// - Throws: `invalid-field` for a key or prefix without a collection, and for both of them.
    public init?(collection: CollectionName?, key: RecordKey?, prefix: KeyPrefix?) throws(ApusError) {
        guard key == nil || prefix == nil else {
            throw ApusError(.invalidField, "give key or prefix, not both", at: "/prefix")
        }
        guard let collection else {
            guard key == nil, prefix == nil else {
                throw ApusError(.invalidField, "a key or prefix needs a collection", at: "/collection")
            }
            return nil
        }
        if let key {
            self = .key(collection, key)
        } else if let prefix {
            self = .prefix(collection, prefix)
        } else {
            self = .collection(collection)
        }
    }
}
