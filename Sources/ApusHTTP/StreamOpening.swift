import ApusCore
import ApusProtocol
import NIOHTTP1

/// What a URL says of the stream it opens: `?collection&key&prefix&since&epoch&device_id`.
struct StreamOpening: Sendable {
    var scope: StreamScope?
    var resume: ResumePoint?
    /// The device that is online as long as the stream is open.
    var device: DeviceID?

    static let everything = StreamOpening()

    private init() {}

    /// - Throws: `bad-parameter` for names that are none, a `since` that is no number from 0 to 2^63-1.
    init(_ target: RequestTarget) throws(ApusError) {
        do throws(ApusError) {
            scope = try StreamScope(
                collection: try Self.name("collection", in: target), key: try Self.name("key", in: target),
                prefix: try Self.name("prefix", in: target))
            device = try Self.name("device_id", in: target)
        } catch {
            throw ApusError(.badParameter, error.message)
        }
        guard let since = try target.parameter("since") else { return }
        resume = ResumePoint(since: try Self.position(since, "since"), epoch: try target.parameter("epoch"))
    }

    /// The same for an event stream, where `Last-Event-ID` is nearer than the `since` of the URL: a client that lost
    /// the connection sends it with the URL it began with.
    init(_ target: RequestTarget, _ headers: HTTPHeaders) throws(ApusError) {
        try self.init(target)
        guard let last = headers.first(name: "Last-Event-ID"), !last.isEmpty else { return }
        resume = ResumePoint(since: try Self.position(last, "Last-Event-ID"), epoch: try target.parameter("epoch"))
    }

    private static func name<Kind>(_ name: String, in target: RequestTarget) throws(ApusError) -> Name<Kind>? {
        guard let text = try target.parameter(name) else { return nil }
        return try Name(text)
    }

    private static func position(_ text: String, _ name: String) throws(ApusError) -> SequenceNumber {
        guard !text.isEmpty, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
            let number = Int64(text)
        else { throw ApusError(.badParameter, "\(name) must be a whole number from 0 to 9223372036854775807") }
        return SequenceNumber(number)
    }
}
