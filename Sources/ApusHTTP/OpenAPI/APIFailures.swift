import ApusCore
import ApusProtocol

extension Route {
    /// How a request may fail by what the route is, whatever it does.
    var commonFailures: [ApusError.Code] {
        var codes: [ApusError.Code] = [
            .badParameter, .requestTimeout, .bodyTooLarge, .uriTooLong, .rateLimited, .headersTooLarge, .overloaded,
        ]
        switch access {
        case .everyone: break
        case .user:
            codes += [.unauthenticated, .tokenExpired, .tokenRevoked, .storageUnavailable]
            if namesOwner || takesBody { codes.append(.forbidden) }
        case .administrator: codes += [.unauthenticated, .ipNotAllowed, .originNotAllowed, .storageUnavailable]
        }
        if takesBody { codes += [.malformedJSON, .unsupportedMediaType] }
        return codes
    }
}

extension [ApusError.Code] {
    /// What may come of a change beside what is wrong with the request.
    static let ofWrites: [ApusError.Code] = [.storageFull]
}

extension APIAnswer {
    /// The problems of one status.
    ///
    /// - Parameter codes: all of that status, in order.
    init(problems codes: [ApusError.Code], status: Int) {
        self.init(
            status: status,
            meaning: codes.map { "`\($0.rawValue)`: \($0.meaning)" }.joined(separator: "\n\n"),
            content: [
                APIContent(
                    type: "application/problem+json",
                    schema: JSONSchema(kind: .problem(status: status, codes: codes.map(\.rawValue))))
            ])
        switch status {
        case 401: headers.append(.challenge)
        case 429, 503, 507: headers.append(.retryAfter)
        default: break
        }
    }
}

extension ApusError.Code {
    /// When it is answered, in a sentence.
    var meaning: String {
        switch self {
        case .malformedJSON: "the body is no JSON, or a member of an object of ours stands in it twice."
        case .badParameter: "the path, the query or a header cannot be read."
        case .badCursor: "the cursor is not one that was given for this list."
        case .unauthenticated: "the token or key is missing, or not good."
        case .tokenExpired: "the token has expired."
        case .tokenRevoked: "the token was revoked."
        case .forbidden: "the token is good, but speaks for another user."
        case .ipNotAllowed: "this address may not use the administrator's routes."
        case .originNotAllowed: "this origin may not do that."
        case .notFound: "there is nothing of that name."
        case .methodNotAllowed: "the path does not take this method; `Allow` says which."
        case .requestTimeout: "the request took too long to arrive."
        case .idempotencyMismatch: "the `Idempotency-Key` was used for another request."
        case .resyncRequired: "the cursor is too old, or of another database: start again without it."
        case .preconditionFailed: "`If-Match` or `If-None-Match` did not hold."
        case .bodyTooLarge: "the body is larger than the server takes, or than the request has a use for."
        case .valueTooLarge: "the value is larger than is kept."
        case .tooManyItems: "there are more items, devices or stored values than one request or user may have."
        case .uriTooLong: "the URL is too long."
        case .unsupportedMediaType: "the body is said not to be JSON."
        case .invalidField: "the body can be read, but is wrong; `errors` says where."
        case .upgradeRequired: "a WebSocket of another version than 13 was asked for."
        case .clockSkew: "`updated_at` lies more than 60 s ahead of the server's clock, which `server_time` tells."
        case .notNumeric: "`max_numeric` needs a number to compare."
        case .rateLimited: "too many requests, connections or bodies at once; `Retry-After` says when to come back."
        case .headersTooLarge: "the headers are larger than the server takes."
        case .overloaded: "the server is full or stops; nothing was written."
        case .storageUnavailable: "the storage does not answer; nothing was written."
        case .storageFull: "the storage has no space left; nothing was written, reads go on."
        }
    }
}
