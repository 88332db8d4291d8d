import ApusCore
import ApusTesting
import Foundation
import Testing

@Suite struct Base64Tests {
    /// RFC 4648, section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `the examples of RFC 4648 come out, and back`(text: String, encoded: String) {
        let bytes = Array(text.utf8)
        let unpadded = String(encoded.prefix { $0 != "=" })
        #expect(Base64.encode(bytes) == encoded)
        #expect(Base64.encodeURL(bytes) == unpadded)
        #expect(Base64.decodeURL(unpadded.utf8) == bytes)
    }

    @Test func `the two forms differ in two letters`() {
        #expect(Base64.encode([0xFB, 0xFF, 0xBE]) == "+/++")
        #expect(Base64.encodeURL([0xFB, 0xFF, 0xBE]) == "-_--")
    }

    @Test(arguments: [
        // Not of the alphabet.
        "Zg==", "Zg=", "=", "Zm9v=", "+/++", "Zm 9v", "Zm9v\n", "Zm9v\0", "Zm9é", "Z\u{ff11}", "Zm9v.",
        // A length that no bytes have.
        "Z", "Zm9vY", "-",
        // Bits left over that are not 0: another text of the same bytes.
        "Zh", "Zj", "Z_", "Zm9", "Zm-", "Zm_", "Zm9vYh",
    ])
    func `anything but the one canonical text is refused`(text: String) {
        #expect(Base64.decodeURL(text.utf8) == nil)
    }

    @Test(arguments: Seeds.all)
    func `all bytes come back, and Foundation writes the same`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for length in 0..<300 {
            let bytes = (0..<length % 67).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(Base64.encode(bytes) == Data(bytes).base64EncodedString(), "seed \(seed)")
            #expect(Base64.decodeURL(Base64.encodeURL(bytes).utf8) == bytes, "seed \(seed)")
        }
    }
}
