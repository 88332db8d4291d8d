/// What a ``Name`` names, and how long it may be.
public protocol NameKind: Sendable {
    /// The JSON field and the word used in messages, such as `collection`.
    static var field: String { get }
    /// The most UTF-8 bytes such a name may have.
    static var bytesMax: Int { get }
}

/// A validated identifier: 1 to `Kind.bytesMax` bytes of UTF-8 without control characters (U+0000-U+001F, U+007F).
///
/// Names are compared, ordered and hashed byte by byte: no Unicode normalisation, so the composed and the decomposed
/// form of a letter are two names.
public struct Name<Kind: NameKind>: Codable, Sendable {
    public let text: String

    /// - Throws: `invalid-field` naming the field and the rule that was broken.
    @inlinable
    public init(_ text: String) throws(ApusError) {
        if let complaint = Self.complaint(about: text) {
            throw ApusError(.invalidField, complaint, at: "/\(Kind.field)")
        }
        self.text = text
    }

    /// A name that was validated before it was stored.
    @inlinable
    public init(stored text: String) {
        self.text = text
    }

    /// The rule `text` breaks, in words for a person, or `nil` if it is a good name.
    @inlinable
    public static func complaint(about text: String) -> String? {
        let utf8 = text.utf8
        guard (1...Kind.bytesMax).contains(utf8.count) else {
            return "\(Kind.field) must be 1 to \(Kind.bytesMax) bytes of UTF-8, not \(utf8.count)"
        }
        guard utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            return "\(Kind.field) must not hold control characters"
        }
        return nil
    }
}

extension Name: Hashable, Comparable, CustomStringConvertible {
    @inlinable
    public static func == (left: Self, right: Self) -> Bool {
        left.text.utf8.count == right.text.utf8.count && left.text.utf8.elementsEqual(right.text.utf8)
    }

    @inlinable
    public static func < (left: Self, right: Self) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    @inlinable
    public func hash(into hasher: inout Hasher) {
        let hashed: Void? = text.utf8.withContiguousStorageIfAvailable {
            hasher.combine(bytes: UnsafeRawBufferPointer($0))
        }
        if hashed == nil { for byte in text.utf8 { hasher.combine(byte) } }
    }

    public var description: String { text }
}

public enum OwnerKind: NameKind {
    public static let field = "user_id"
    public static let bytesMax = 128
}

public enum CollectionKind: NameKind {
    public static let field = "collection"
    public static let bytesMax = 128
}

public enum KeyKind: NameKind {
    public static let field = "key"
    public static let bytesMax = 256
}

public enum PrefixKind: NameKind {
    public static let field = "prefix"
    public static let bytesMax = KeyKind.bytesMax
}

public enum TextKind: NameKind {
    public static let field = "text"
    public static let bytesMax = Int.max
}

/// Any text, told apart by its bytes: `String` takes the composed and the decomposed form of a letter for one.
public typealias ExactText = Name<TextKind>

/// The `user_id` a record belongs to, and the user a token speaks for.
public typealias OwnerID = Name<OwnerKind>
public typealias CollectionName = Name<CollectionKind>
public typealias RecordKey = Name<KeyKind>
/// What several keys start with.
public typealias KeyPrefix = Name<PrefixKind>

/// Where a record lives: owner / collection / key.
public struct RecordAddress: Hashable, Codable, Sendable {
    public var owner: OwnerID
    public var collection: CollectionName
    public var key: RecordKey

    public init(owner: OwnerID, collection: CollectionName, key: RecordKey) {
        self.owner = owner
        self.collection = collection
        self.key = key
    }
}
