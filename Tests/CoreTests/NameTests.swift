import ApusTesting
import Testing

@testable import ApusCore

@Suite struct NameTests {
    @Test func `a name has 1 to so many bytes, not characters`() throws {
        #expect(throws: ApusError.self) { try OwnerID("") }
        for (text, bytes) in [("a", 1), ("é", 2), ("€", 3), ("😀", 4)] {
            func repeated(_ count: Int) -> String { String(repeating: text, count: count) }
            #expect(try OwnerID(repeated(128 / bytes)).text.utf8.count <= 128)
            #expect(throws: ApusError.self) { try OwnerID(repeated(128 / bytes + 1)) }
            #expect(throws: ApusError.self) { try CollectionName(repeated(128 / bytes + 1)) }
            #expect(try RecordKey(repeated(256 / bytes)).text.utf8.count <= 256)
            #expect(throws: ApusError.self) { try RecordKey(repeated(256 / bytes + 1)) }
        }
    }

    @Test func `control characters are refused, every other character is taken`() {
        for value in UInt32(0)...0x2FF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let isControl = value < 0x20 || value == 0x7F
            #expect((RecordKey.complaint(about: "a\(scalar)") != nil) == isControl, "U+\(String(value, radix: 16))")
        }
        for text in [" ", "/", "a/b", "..", "\u{2028}", "\u{FEFF}", "\u{10FFFF}", "%00", "\"", "\\", "a b", "\r\n"] {
            #expect((RecordKey.complaint(about: text) == nil) == (text != "\r\n"))
        }
    }

    @Test func `a refusal names the field and the rule`() {
        #expect {
            try CollectionName("")
        } throws: { error in
            guard let error = error as? ApusError else { return false }
            return error.code == .invalidField && error.fields.map(\.pointer) == ["/collection"]
                && error.message.contains("1 to 128 bytes")
        }
        #expect(OwnerID.complaint(about: "\n")?.hasPrefix("user_id must not") == true)
        #expect(RecordKey.complaint(about: String(repeating: "k", count: 257))?.contains("not 257") == true)
    }

    @Test func `the composed and the decomposed form of a letter are two names`() throws {
        let (composed, decomposed) = (try RecordKey("\u{e9}"), try RecordKey("e\u{301}"))
        #expect("\u{e9}" == "e\u{301}", "Swift's own strings are equal, or this test proves nothing")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(decomposed < composed)
        #expect(try RecordKey("\u{212b}") != RecordKey("\u{c5}"))
        #expect(try RecordKey("K") != RecordKey("\u{212a}"))
    }

    @Test func `equal names hash alike, wherever their text is kept`() throws {
        let long = String(repeating: "long enough for the heap ", count: 4)
        for text in ["a", long] {
            let substring = String("x\(text)".dropFirst())
            #expect(try RecordKey(text) == RecordKey(substring))
            #expect(Set([try RecordKey(text), try RecordKey(substring)]).count == 1)
        }
    }

    @Test(arguments: Seeds.all)
    func `names are ordered by their bytes`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let letters = ["a", "B", "b", "é", "e\u{301}", "€", "😀", "\u{FFFF}", " ", "~"]
        func word() throws -> RecordKey {
            try RecordKey(
                (0..<Int.random(in: 1...4, using: &random)).map { _ in letters[Int.random(in: 0..<10, using: &random)] }
                    .joined())
        }
        for _ in 0..<2000 {
            let (left, right) = (try word(), try word())
            let (leftBytes, rightBytes) = (Array(left.text.utf8), Array(right.text.utf8))
            #expect((left < right) == leftBytes.lexicographicallyPrecedes(rightBytes), "seed \(seed)")
            #expect((left == right) == (leftBytes == rightBytes), "seed \(seed)")
        }
    }
}
