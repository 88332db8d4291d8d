/// What went wrong, told three ways: a stable code for programs, a message for people, a cause for operators.
///
/// `message` and `fields` may reach a client, so they never hold a path, SQL or a secret; `cause` goes to the log only.
public struct ApusError: Error, Sendable {
    /// The stable, documented name of a kind of failure.
    public enum Code: String, Sendable, CaseIterable {
        case malformedJSON = "malformed-json"
        case badParameter = "bad-parameter"
        case badCursor = "bad-cursor"
        case unauthenticated
        case tokenExpired = "token-expired"
        case tokenRevoked = "token-revoked"
        case forbidden
        case ipNotAllowed = "ip-not-allowed"
        case originNotAllowed = "origin-not-allowed"
        case notFound = "not-found"
        case methodNotAllowed = "method-not-allowed"
        case requestTimeout = "request-timeout"
        case idempotencyMismatch = "conflict"
        case resyncRequired = "resync-required"
        case preconditionFailed = "precondition-failed"
        case bodyTooLarge = "body-too-large"
        case valueTooLarge = "value-too-large"
        case tooManyItems = "too-many-items"
        case uriTooLong = "uri-too-long"
        case unsupportedMediaType = "unsupported-media-type"
        case invalidField = "invalid-field"
        case upgradeRequired = "upgrade-required"
        case clockSkew = "clock-skew"
        case notNumeric = "not-numeric"
        case rateLimited = "rate-limited"
        case headersTooLarge = "headers-too-large"
        case overloaded
        case storageUnavailable = "storage-unavailable"
        case storageFull = "storage-full"
    }

    /// One fault of a body: a JSON pointer (RFC 6901) to it and what is wrong there.
    public struct Field: Hashable, Sendable {
        public var pointer: String
        public var detail: String

        public init(pointer: String, detail: String) {
            self.pointer = pointer
            self.detail = detail
        }
    }

    public var code: Code
    public var message: String
    public var fields: [Field]
    /// When it makes sense to try again, in seconds.
    public var retryAfterSeconds: Int?
    /// Of what there was too little, told with `rate-limited`.
    public var allowance: Allowance?
    /// The server's clock, told with `clock-skew`.
    public var serverTime: Timestamp?
    /// For the operator's log; never sent.
    public var cause: String?

    public init(_ code: Code, _ message: String, fields: [Field] = [], cause: String? = nil) {
        self.code = code
        self.message = message
        self.fields = fields
        self.cause = cause
    }

    /// A fault of one field of a body.
    public init(_ code: Code, _ message: String, at pointer: String) {
        self.init(code, message, fields: [Field(pointer: pointer, detail: message)])
    }

    /// The same error seen from a body in which the item stands at `prefix`.
    public func prefixed(_ prefix: String) -> ApusError {
        var error = self
        error.fields = fields.isEmpty ? [Field(pointer: prefix, detail: message)] : fields
        if !fields.isEmpty {
            for index in error.fields.indices { error.fields[index].pointer = prefix + error.fields[index].pointer }
        }
        return error
    }
}

extension ApusError {
    public static func overloaded(_ what: String) -> ApusError {
        var error = ApusError(.overloaded, "\(what) is full; nothing was written")
        error.retryAfterSeconds = 1
        return error
    }

    /// The disk failed: what was asked did not happen.
    public static func storageUnavailable(cause: String) -> ApusError {
        var error = ApusError(.storageUnavailable, "the storage does not answer; nothing was written", cause: cause)
        error.retryAfterSeconds = 5
        return error
    }

    /// The storage could not take it now, for a reason that passes.
    public static func storageBusy(cause: String) -> ApusError {
        var error = ApusError(.overloaded, "the storage is busy; nothing was written", cause: cause)
        error.retryAfterSeconds = 1
        return error
    }

    public static func storageFull(cause: String) -> ApusError {
        var error = ApusError(.storageFull, "the storage has no space left; nothing was written", cause: cause)
        error.retryAfterSeconds = 5
        return error
    }
}
