package import ApusCore

/// An owner's collection.
package struct Scope: Hashable {
    package var owner: OwnerID
    package var collection: CollectionName

    package init(owner: OwnerID, collection: CollectionName) {
        self.owner = owner
        self.collection = collection
    }
}

/// The numbers that stand for owners and scopes in rows, remembered up to a limit.
///
/// A number never changes once it was committed, so what is remembered cannot be outdated; an absence may end with
/// the next commit and is not remembered.
package struct NameCache {
    private static let namesMax = 20_000

    private var owners: [OwnerID: Int64] = [:]
    private var scopes: [Scope: Int64] = [:]
    private var names: [Int64: Scope] = [:]

    package init() {}

    package func number(of owner: OwnerID) -> Int64? { owners[owner] }

    package func number(of scope: Scope) -> Int64? { scopes[scope] }

    package func scope(_ number: Int64) -> Scope? { names[number] }

    package mutating func remember(_ number: Int64, of owner: OwnerID) {
        if owners.count >= Self.namesMax { owners.removeAll(keepingCapacity: true) }
        owners[owner] = number
    }

    package mutating func remember(_ number: Int64, of scope: Scope) {
        if scopes.count >= Self.namesMax || names.count >= Self.namesMax {
            scopes.removeAll(keepingCapacity: true)
            names.removeAll(keepingCapacity: true)
        }
        scopes[scope] = number
        names[number] = scope
    }

    package mutating func forgetAll() {
        self = NameCache()
    }
}
