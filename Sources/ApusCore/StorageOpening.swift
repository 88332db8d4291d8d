/// What a storage is opened for.
public enum StorageAccess: Sendable {
    /// To serve: nobody else may write; it is made if it is not there.
    case serving
    /// The same, but it must be there.
    case existing
    /// To read, while a server may be writing; it must be there, and no writer can be opened.
    case reading
}

/// How a storage shall be opened, for a plug-in that opens it.
public struct StorageOpening: Sendable {
    /// What `DB_PATH` holds after the storage's name and its colon.
    public var path: String
    public var durability: Durability
    public var access: StorageAccess
    /// Makes a text that was never used before, for the epoch of a new database.
    public var makeEpoch: @Sendable () -> String

    public init(
        path: String, durability: Durability, access: StorageAccess, makeEpoch: @escaping @Sendable () -> String
    ) {
        self.path = path
        self.durability = durability
        self.access = access
        self.makeEpoch = makeEpoch
    }
}
