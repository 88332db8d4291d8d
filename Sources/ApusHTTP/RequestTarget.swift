import ApusCore

/// The path and query of a request (RFC 3986), split first and percent-decoded after, so that `%2F` is no separator.
struct RequestTarget {
    /// Decoded segments of the path; `/` alone has none.
    let segments: [String]
    private let query: Substring

    /// `/`
    static let root = RequestTarget(segments: [], query: "")

    private init(segments: [String], query: Substring) {
        self.segments = segments
        self.query = query
    }

    /// - Throws: `bad-parameter` when an escape is broken or the decoded text is not UTF-8.
    init(_ target: String) throws(ApusError) {
        let uri = Self.withoutAuthority(target)
        let utf8 = uri.utf8
        let pathEnd = utf8.firstIndex { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") } ?? utf8.endIndex
        let path = uri[..<pathEnd]
        if pathEnd < utf8.endIndex, utf8[pathEnd] == UInt8(ascii: "?") {
            query = Substring(utf8[utf8.index(after: pathEnd)...].prefix { $0 != UInt8(ascii: "#") })
        } else {
            query = ""
        }
        guard path.utf8.first == UInt8(ascii: "/") else {
            throw ApusError(.badParameter, "the request target must be a path")
        }
        var segments: [String] = []
        if path.utf8.count > 1 {
            for part in path.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
                segments.append(try Self.decoded(Substring(part), in: "path"))
            }
        }
        self.segments = segments
    }

    /// The path and query of a target in absolute form, which servers must take, too (RFC 9112, section 3.2.2).
    private static func withoutAuthority(_ target: String) -> Substring {
        guard target.utf8.first != UInt8(ascii: "/"),
            let scheme = ["http://", "https://"].first(where: { target.lowercased().hasPrefix($0) })
        else { return Substring(target) }
        let afterScheme = target.utf8.dropFirst(scheme.utf8.count)
        let start =
            afterScheme.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? afterScheme.endIndex
        let rest = target[start...]
        return rest.utf8.first == UInt8(ascii: "/") ? rest : "/" + rest
    }

    /// The value of a query parameter; `nil` if it is not there.
    ///
    /// - Throws: `bad-parameter` when it is there twice or cannot be decoded.
    func parameter(_ name: String) throws(ApusError) -> String? {
        guard !query.isEmpty else { return nil }
        var found: String?
        for pair in query.utf8.split(separator: UInt8(ascii: "&")) {
            let separator = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            guard try Self.decoded(Substring(pair[..<separator]), in: "query") == name else { continue }
            guard found == nil else { throw ApusError(.badParameter, "the parameter \(name) is given twice") }
            found =
                separator == pair.endIndex
                ? "" : try Self.decoded(Substring(pair[pair.index(after: separator)...]), in: name)
        }
        return found
    }

    private static func decoded(_ text: Substring, in place: String) throws(ApusError) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
        var bytes: [UInt8] = []
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.next().flatMap(hexValue), let low = rest.next().flatMap(hexValue) else {
                throw ApusError(.badParameter, "the \(place) holds a broken percent-escape")
            }
            bytes.append(high << 4 | low)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw ApusError(.badParameter, "the \(place) is not UTF-8")
        }
        return decoded
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
