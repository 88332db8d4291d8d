import ApusCore
import NIOCore

/// Collects the members of one JSON object of ours: refuses duplicate names, notes wrong types, ignores unknown names.
///
/// Broken JSON stops at once; a member of the wrong kind is noted and reading goes on, so that one answer names every
/// fault of a body.
struct EnvelopeReader {
    let body: ByteBuffer
    private(set) var faults: [ApusError.Field] = []
    private var seen: Set<ExactText> = []

    private let membersMax: Int

    init(body: ByteBuffer, limits: Limits) {
        self.body = body
        membersMax = limits.membersMax
    }

    /// - Throws: `malformed-json` when `name` was there before.
    mutating func enter(_ name: String) throws(ApusError) {
        guard seen.insert(ExactText(stored: name)).inserted else {
            throw ApusError(.malformedJSON, "the member \"\(name)\" stands twice in one object")
        }
        guard seen.count <= membersMax else {
            throw ApusError(.malformedJSON, "an object of this body may have at most \(membersMax) members")
        }
    }

    func has(_ name: String) -> Bool { seen.contains(ExactText(stored: name)) }

    mutating func fault(_ name: String, _ detail: String) {
        faults.append(ApusError.Field(pointer: "/\(name)", detail: detail))
    }

    mutating func string(
        _ name: String, _ scanner: inout JSONScanner, _ text: Span<UInt8>
    ) throws(ApusError) -> String? {
        let token = try scanner.value(in: text)
        guard token.kind == .string else {
            fault(name, "\(name) must be a string")
            return nil
        }
        return JSONString.decode(text, range: token.range)
    }

    mutating func name<Kind>(
        _ name: String, _ scanner: inout JSONScanner, _ text: Span<UInt8>, as: Name<Kind>.Type = Name<Kind>.self
    ) throws(ApusError) -> Name<Kind>? {
        guard let string = try string(name, &scanner, text) else { return nil }
        if let complaint = Name<Kind>.complaint(about: string) {
            fault(name, complaint)
            return nil
        }
        return Name(stored: string)
    }

    mutating func boolean(
        _ name: String, _ scanner: inout JSONScanner, _ text: Span<UInt8>
    ) throws(ApusError) -> Bool? {
        let token = try scanner.value(in: text)
        guard token.kind == .boolean else {
            fault(name, "\(name) must be true or false")
            return nil
        }
        return text[token.range.lowerBound] == UInt8(ascii: "t")
    }

    /// `null` counts as not given.
    mutating func integer(
        _ name: String, in range: ClosedRange<Int64>, _ scanner: inout JSONScanner, _ text: Span<UInt8>
    ) throws(ApusError) -> Int64? {
        let token = try scanner.value(in: text)
        if token.kind == .null { return nil }
        guard token.kind == .number, let number = Int64(JSONString.raw(text, range: token.range)), range ~= number
        else {
            fault(name, "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }

    /// `null` counts as not given.
    mutating func time(
        _ name: String, _ scanner: inout JSONScanner, _ text: Span<UInt8>
    ) throws(ApusError) -> Timestamp? {
        let token = try scanner.value(in: text)
        if token.kind == .null { return nil }
        guard token.kind == .string, let time = Timestamp(JSONString.decode(text, range: token.range)) else {
            fault(name, "\(name) must be an RFC 3339 time such as 2024-01-01T12:34:56.000Z")
            return nil
        }
        return time
    }

    /// One error of all faults, or `nil`.
    func failure() -> ApusError? {
        guard let first = faults.first else { return nil }
        return ApusError(.invalidField, first.detail, fields: faults)
    }
}
