import Crypto

/// The administrator's key, known here only by its digest.
public struct AdminCredentials: Sendable {
    private let keyDigest: SHA256Digest

    /// - Parameter key: not empty; the settings see to that.
    public init(key: String) {
        precondition(!key.isEmpty)
        keyDigest = Self.digest(of: key)
    }

    /// Whether `candidate` is the key.
    ///
    /// Digests are compared, in constant time, so the time taken tells nothing of how much of a guess was right, nor
    /// how long the key is.
    public func isKey(_ candidate: String) -> Bool {
        Self.digest(of: candidate) == keyDigest
    }

    /// Whether the key is shorter than 32 characters, so that it may be a word somebody thought of.
    public static func isGuessable(key: String) -> Bool { key.utf8.count < 32 }

    private static func digest(of text: String) -> SHA256Digest {
        SHA256.hash(data: Array(text.utf8))
    }
}
