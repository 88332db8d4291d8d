/// A setting as it is in force, for the operator.
public struct SettingInForce: Hashable, Sendable {
    /// Where its value is from.
    public enum Source: String, Sendable {
        case standard = "default"
        case environment
        /// `.env`
        case file
        case flag
    }

    public var name: String
    /// As it was written; `nil` for one that is not set and has no default, and for every secret.
    public var value: String?
    public var source: Source
    public var isSecret: Bool
    /// Whether it has a value, which for a secret is all that is told.
    public var isSet: Bool

    public init(name: String, value: String?, source: Source, isSecret: Bool, isSet: Bool) {
        self.name = name
        self.value = isSecret ? nil : value
        self.source = source
        self.isSecret = isSecret
        self.isSet = isSet
    }
}
