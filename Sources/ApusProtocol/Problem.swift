public import ApusCore
public import NIOCore

extension ApusError.Code {
    /// The HTTP status; the one map from codes to statuses.
    public var status: Int {
        switch self {
        case .malformedJSON, .badParameter, .badCursor: 400
        case .unauthenticated, .tokenExpired, .tokenRevoked: 401
        case .forbidden, .ipNotAllowed, .originNotAllowed: 403
        case .notFound: 404
        case .methodNotAllowed: 405
        case .requestTimeout: 408
        case .resyncRequired: 410
        case .preconditionFailed: 412
        case .bodyTooLarge, .valueTooLarge, .tooManyItems: 413
        case .uriTooLong: 414
        case .unsupportedMediaType: 415
        case .idempotencyMismatch, .invalidField, .clockSkew, .notNumeric: 422
        case .upgradeRequired: 426
        case .rateLimited: 429
        case .headersTooLarge: 431
        case .overloaded, .storageUnavailable: 503
        case .storageFull: 507
        }
    }

    /// The status in words.
    public var title: String {
        switch status {
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 410: "Gone"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 422: "Unprocessable Content"
        case 426: "Upgrade Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 503: "Service Unavailable"
        default: "Insufficient Storage"
        }
    }
}

extension ByteBuffer {
    /// Appends the error as a problem object (RFC 9457); its cause stays here.
    public mutating func writeProblem(_ error: ApusError, requestID: String) {
        writeStaticString("{\"type\":\"about:blank\",\"title\":")
        writeJSON(error.code.title)
        writeStaticString(",\"status\":")
        writeDecimal(Int64(error.code.status))
        writeStaticString(",\"detail\":")
        writeJSON(error.message)
        writeStaticString(",\"code\":")
        writeJSON(error.code.rawValue)
        writeStaticString(",\"request_id\":")
        writeJSON(requestID)
        if let serverTime = error.serverTime {
            writeStaticString(",\"server_time\":")
            writeTime(serverTime)
        }
        if !error.fields.isEmpty {
            writeStaticString(",\"errors\":")
            writeJSONArray(error.fields) { buffer, field in
                buffer.writeStaticString("{\"pointer\":")
                buffer.writeJSON(field.pointer)
                buffer.writeStaticString(",\"detail\":")
                buffer.writeJSON(field.detail)
                buffer.writeStaticString("}")
            }
        }
        writeStaticString("}")
    }
}
