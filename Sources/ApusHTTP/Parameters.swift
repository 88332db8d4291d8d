import ApusCore
import ApusProtocol
import NIOCore
import NIOHTTP1

// What requests say in their paths, queries and headers, read with clear errors.
extension Exchange {
    /// The path's first parameter, `{user}`.
    func owner() throws(ApusError) -> OwnerID { try name(0) }

    func name<Kind>(_ index: Int, as: Name<Kind>.Type = Name<Kind>.self) throws(ApusError) -> Name<Kind> {
        if let complaint = Name<Kind>.complaint(about: parameters[index]) {
            throw ApusError(.badParameter, complaint)
        }
        return Name(stored: parameters[index])
    }

    func recordAddress() throws(ApusError) -> RecordAddress {
        RecordAddress(owner: try owner(), collection: try name(1), key: try name(2))
    }

    /// `?limit`, 1 to the greatest page.
    func limit() throws(ApusError) -> Int {
        let limits = service.limits
        guard let text = try target.parameter("limit") else { return limits.pageRecordsDefault }
        guard let limit = Int(text), 1...limits.pageRecordsMax ~= limit else {
            throw ApusError(.badParameter, "limit must be a whole number from 1 to \(limits.pageRecordsMax)")
        }
        return limit
    }

    func time(_ name: String) throws(ApusError) -> Timestamp? {
        guard let text = try target.parameter(name) else { return nil }
        guard let time = Timestamp(text) else {
            throw ApusError(.badParameter, "\(name) must be an RFC 3339 time such as 2024-01-01T12:34:56.000Z")
        }
        return time
    }

    /// `X-Conflict-Policy` and `X-Conflict-Field`.
    func conflictPolicy() throws(ApusError) -> ConflictPolicy {
        try ConflictPolicy(
            name: header("X-Conflict-Policy") ?? "last_write_wins", field: header("X-Conflict-Field"))
    }

    /// `If-Match` and `If-None-Match`; entity tags are change numbers in quotes.
    func precondition() throws(ApusError) -> Precondition {
        let ifMatch = head.headers[canonicalForm: "If-Match"]
        let ifNoneMatch = head.headers[canonicalForm: "If-None-Match"]
        guard ifMatch.isEmpty || ifNoneMatch.isEmpty else {
            throw ApusError(.badParameter, "give If-Match or If-None-Match, not both")
        }
        if !ifMatch.isEmpty {
            return ifMatch == ["*"] ? .present : .sequenceIn(ifMatch.compactMap { Self.sequence(inTag: $0) })
        }
        if !ifNoneMatch.isEmpty {
            return ifNoneMatch == ["*"]
                ? .absent
                : .sequenceNotIn(
                    ifNoneMatch.compactMap { Self.sequence(inTag: $0.hasPrefix("W/") ? $0.dropFirst(2) : $0) })
        }
        return .none
    }

    static func tag(_ sequence: SequenceNumber) -> String { "\"\(sequence.rawValue)\"" }

    /// A tag that is no number of ours matches nothing, nor does a weak one where tags are compared strongly.
    private static func sequence(inTag tag: Substring) -> SequenceNumber? {
        guard tag.utf8.count > 2, tag.first == "\"", tag.last == "\"" else { return nil }
        return Int64(tag.dropFirst().dropLast()).map { SequenceNumber($0) }
    }

    /// Makes sure that the body is said to be JSON.
    func requireJSON() throws(ApusError) {
        guard body.readableBytes > 0 else { throw ApusError(.malformedJSON, "a JSON body is missing") }
        try requireJSONType()
    }

    func requireJSONType() throws(ApusError) {
        guard let type = header("Content-Type"), type != "application/json" else { return }
        let media = type.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }.lowercased()
        guard media == "application/json" || (media.hasPrefix("application/") && media.hasSuffix("+json")) else {
            throw ApusError(.unsupportedMediaType, "the body must be application/json")
        }
    }
}
