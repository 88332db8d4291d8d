/// An owner's change number (`seq` on the wire): 1, 2, 3 … without holes, in commit order; 0 is before the first.
public struct SequenceNumber: Hashable, Comparable, Codable, Sendable {
    public var rawValue: Int64

    @inlinable
    public init(_ rawValue: Int64) {
        self.rawValue = rawValue
    }

    public static let zero = SequenceNumber(0)

    @inlinable
    public var next: SequenceNumber { SequenceNumber(rawValue + 1) }

    @inlinable
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// An opaque string minted when a database is created or restored; positions of one epoch mean nothing in another.
public struct Epoch: Hashable, Codable, Sendable {
    public let text: String

    public init(_ text: String) {
        self.text = text
    }
}
