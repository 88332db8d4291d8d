import ApusCore
import NIOCore

/// What is wrong, in plain sentences: the first hundred, and how many more there are.
public struct Findings: Sendable {
    public static let shownMax = 100

    public private(set) var texts: [String] = []
    public private(set) var count = 0

    init() {}

    /// How many are not among ``texts``.
    public var countBeyond: Int { count - texts.count }

    mutating func add(_ text: String) {
        count += 1
        if texts.count < Self.shownMax { texts.append(text) }
    }

    mutating func expect(_ holds: Bool, _ complaint: @autoclosure () -> String) {
        if !holds { add(complaint()) }
    }

    /// What a storage says, which may be more than one line.
    static func lines(of text: String) -> [String] {
        text.split(whereSeparator: \.isNewline).map(String.init)
    }

    /// A name as a JSON string, so that whatever is in it, a finding stays one line.
    static func quoted(_ text: String) -> String {
        var quoted = ByteBuffer()
        quoted.writeJSON(text)
        return String(buffer: quoted)
    }
}
