import ApusCore
import ApusTesting
import Testing

@testable import ApusHTTP

@Suite struct ScopeIndexTests {
    private final class Listener {}

    private func address(_ collection: String, _ key: String) -> RecordAddress {
        RecordAddress(
            owner: OwnerID(stored: "u1"), collection: CollectionName(stored: collection), key: RecordKey(stored: key))
    }

    private func scope(_ collection: String, key: String? = nil, prefix: String? = nil) -> StreamScope {
        let collection = CollectionName(stored: collection)
        if let key { return .key(collection, RecordKey(stored: key)) }
        if let prefix { return .prefix(collection, KeyPrefix(stored: prefix)) }
        return .collection(collection)
    }

    private func count(_ index: ScopeIndex<Listener>, _ address: RecordAddress) -> Int {
        var count = 0
        index.forEachPart(containing: address) { _ in count += 1 }
        return count
    }

    @Test func `a prefix is compared byte by byte and ends at a character`() {
        var index = ScopeIndex<Listener>()
        let listener = Listener()
        index.insert(listener, for: [scope("c", prefix: "é"), scope("c", prefix: "\u{FFFD}")])
        #expect(count(index, address("c", "école")) == 1)
        #expect(count(index, address("c", "e\u{301}cole")) == 0, "the decomposed form is another key")
        // The first three bytes of this key are the beginning of a character, which decodes to U+FFFD.
        #expect(count(index, address("c", "😀")) == 0)
        #expect(count(index, address("c", "\u{FFFD}x")) == 1)
        #expect(count(index, address("c", "e")) == 0)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `whoever comes and goes, an address finds those whose scopes hold it and nobody else`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let names = ["a", "b"]
        let keys = ["k", "k1", "k12", "kk", "x"]
        let scopes =
            names.map { scope($0) } + names.flatMap { name in keys.map { scope(name, key: $0) } }
            + names.flatMap { name in ["k", "k1", "x"].map { scope(name, prefix: $0) } } + [.everything]
        var index = ScopeIndex<Listener>()
        var listeners: [(Listener, Set<StreamScope>)] = []
        for _ in 0..<300 {
            if listeners.count > 8 || !listeners.isEmpty && Bool.random(using: &random) {
                let (gone, wanted) = listeners.remove(at: Int.random(in: 0..<listeners.count, using: &random))
                index.remove(gone, for: wanted)
            } else {
                let wanted = Set((0..<3).compactMap { _ in scopes.randomElement(using: &random) })
                listeners.append((Listener(), wanted))
                index.insert(listeners[listeners.count - 1].0, for: wanted)
            }
            for name in names {
                for key in keys {
                    let place = address(name, key)
                    var found: [ObjectIdentifier: Int] = [:]
                    index.forEachPart(containing: place) { found[ObjectIdentifier($0), default: 0] += 1 }
                    for (listener, wanted) in listeners {
                        let expected = wanted.filter { $0 != .everything && $0.contains(place) }.count
                        #expect(found[ObjectIdentifier(listener), default: 0] == expected)
                        #expect(index.everything.contains { $0 === listener } == wanted.contains(.everything))
                    }
                }
            }
        }
        for (listener, wanted) in listeners { index.remove(listener, for: wanted) }
        #expect(!index.hasParts && index.everything.isEmpty)
    }
}
