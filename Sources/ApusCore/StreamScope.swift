/// A part of an owner's records that a stream of changes may be narrowed to.
public enum StreamScope: Hashable, Sendable {
    case everything
    case collection(CollectionName)
    case key(CollectionName, RecordKey)
    /// The keys of the collection that start with these bytes.
    case prefix(CollectionName, KeyPrefix)

    public func contains(_ address: RecordAddress) -> Bool {
        switch self {
        case .everything: true
        case .collection(let collection): collection == address.collection
        case .key(let collection, let key): key == address.key && collection == address.collection
        case .prefix(let collection, let prefix):
            collection == address.collection && address.key.text.utf8.starts(with: prefix.text.utf8)
        }
    }

    /// `nil` if it is not one collection's.
    public var collection: CollectionName? {
        switch self {
        case .everything: nil
        case .collection(let collection), .key(let collection, _), .prefix(let collection, _): collection
        }
    }
}
