import ApusCore

/// Who wants to hear of an address: found without looking at those who do not.
struct ScopeIndex<Element: AnyObject> {
    private struct Collection {
        var whole: [Element] = []
        var keys: [RecordKey: [Element]] = [:]
        /// By their length in bytes, so that a key is looked up once for each length there is.
        var prefixes: [Int: [KeyPrefix: [Element]]] = [:]

        var isEmpty: Bool { whole.isEmpty && keys.isEmpty && prefixes.isEmpty }
    }

    /// Those who want to hear of every address.
    private(set) var everything: [Element] = []
    private var collections: [CollectionName: Collection] = [:]

    /// Whether anyone wants to hear of a part only.
    var hasParts: Bool { !collections.isEmpty }

    mutating func insert(_ element: Element, for scopes: Set<StreamScope>) {
        change(scopes) { $0.append(element) }
    }

    mutating func remove(_ element: Element, for scopes: Set<StreamScope>) {
        change(scopes) { elements in elements.removeAll { $0 === element } }
    }

    private mutating func change(_ scopes: Set<StreamScope>, _ body: (inout [Element]) -> Void) {
        for scope in scopes {
            guard let name = scope.collection else {
                body(&everything)
                continue
            }
            var collection = collections.removeValue(forKey: name) ?? Collection()
            switch scope {
            case .everything: break
            case .collection: body(&collection.whole)
            case .key(_, let key): Self.change(&collection.keys, key, body)
            case .prefix(_, let prefix):
                let length = prefix.text.utf8.count
                // Taken out while it changes, so that it is not copied.
                var group = collection.prefixes.removeValue(forKey: length) ?? [:]
                Self.change(&group, prefix, body)
                if !group.isEmpty { collection.prefixes[length] = group }
            }
            if !collection.isEmpty { collections[name] = collection }
        }
    }

    private static func change<Key>(
        _ group: inout [Key: [Element]], _ key: Key, _ body: (inout [Element]) -> Void
    ) {
        var elements = group.removeValue(forKey: key) ?? []
        body(&elements)
        if !elements.isEmpty { group[key] = elements }
    }

    /// Calls `body` with everyone who wants to hear of a part that `address` is in, once for each such part.
    func forEachPart(containing address: RecordAddress, _ body: (Element) -> Void) {
        guard let collection = collections[address.collection] else { return }
        for element in collection.whole { body(element) }
        for element in collection.keys[address.key] ?? [] { body(element) }
        let key = address.key.text.utf8
        for (length, group) in collection.prefixes where length <= key.count {
            // A cut in the middle of a character is no prefix that anyone can have asked for.
            guard let start = String(validating: key.prefix(length), as: UTF8.self) else { continue }
            for element in group[KeyPrefix(stored: start)] ?? [] { body(element) }
        }
    }
}
