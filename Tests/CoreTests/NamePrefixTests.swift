import ApusTesting
import Testing

@testable import ApusCore

@Suite struct NamePrefixTests {
    @Test(arguments: ["a", "u1", " ", "é", "e\u{301}", "\u{E000}", "😀", "\u{10FFFF}", "a/", "\u{10000}"])
    func `what is just before a prefix is before all that start with it, and after all else that is before`(
        prefix: String
    ) throws {
        let place = try #require(OwnerID.justBefore(prefix))
        #expect(place < OwnerID(stored: prefix) && !place.starts(with: prefix))
        var generator = SplitMix64(seed: 11)
        let letters = [" ", "!", "a", "b", "é", "u1", "~", "\u{301}", "\u{D7FF}", "\u{E000}", "\u{FFFF}", "😀"]
        for _ in 0..<5000 {
            var text = Bool.random(using: &generator) ? prefix : ""
            for _ in 0..<Int.random(in: 0...4, using: &generator) {
                text += letters.randomElement(using: &generator) ?? ""
            }
            guard let name = try? OwnerID(text) else { continue }
            let isAfter = name.starts(with: prefix) || name > OwnerID(stored: prefix)
            #expect((place < name) == isAfter, "\(text) and \(prefix)")
        }
        let longest = String(repeating: "\u{10FFFF}", count: 32)
        #expect(try OwnerID(longest) > place || prefix == "\u{10FFFF}")
    }

    @Test func `every name comes after nothing`() {
        #expect(OwnerID.justBefore("") == nil)
    }

    @Test func `it is no longer than a storage can look for`() throws {
        let prefix = String(repeating: "k", count: 256)
        #expect(try #require(RecordKey.justBefore(prefix)).text.utf8.count <= 260)
    }
}
