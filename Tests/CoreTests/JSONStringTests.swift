import ApusTesting
import Foundation
import NIOCore
import Testing

@testable import ApusCore

@Suite struct JSONStringTests {
    private func decode(_ literal: String) throws -> String {
        let value = try JSONText(literal)
        let text = value.bytes.readableBytesUInt8Span
        return JSONString.decode(text, range: 0..<text.count)
    }

    private func encode(_ string: String) -> String {
        var buffer = ByteBuffer()
        buffer.writeJSON(string)
        return String(buffer: buffer)
    }

    @Test(arguments: [
        (#""""#, ""), (#""abc""#, "abc"), (#""\"\\\/""#, "\"\\/"), (#""\b\f\n\r\t""#, "\u{8}\u{c}\n\r\t"),
        (#""\u0000""#, "\0"), (#""\u0041\u00e9\u20AC""#, "Aé€"), (#""\uD83D\uDE00""#, "😀"), (#""\ud83d\ude00x""#, "😀x"),
        (#""\uD800\uDC00""#, "\u{10000}"), (#""\uDBFF\uDFFF""#, "\u{10FFFF}"), (#""\uFFFF""#, "\u{FFFF}"),
        (#""\uE000\uD7FF""#, "\u{E000}\u{D7FF}"), (#""é€😀""#, "é€😀"), (#""é\n€\u0041😀""#, "é\n€A😀"),
        (#""\\u0041""#, "\\u0041"), (#""\\\\""#, "\\\\"), (#""a\\""#, "a\\"), (#""\uD83D\uDE00\uD83D\uDE00""#, "😀😀"),
    ])
    func `escapes stand for what RFC 8259 says`(literal: String, string: String) throws {
        #expect(Array(try decode(literal).utf8) == Array(string.utf8))
    }

    @Test(arguments: [
        ("", #""""#), ("a/b", #""a/b""#), ("\"\\", #""\"\\""#), ("\n\r\t", #""\n\r\t""#), ("\0", #""\u0000""#),
        ("\u{f}\u{10}\u{1f}", #""\u000f\u0010\u001f""#), ("\u{7f}é€😀\u{2028}", "\"\u{7f}é€😀\u{2028}\""),
        ("<>&'", #""<>&'""#),
    ])
    func `only what must be escaped is`(string: String, literal: String) {
        #expect(Array(encode(string).utf8) == Array(literal.utf8))
    }

    @Test(arguments: Seeds.all)
    func `every string comes back as it was, and Foundation reads the same`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let scalars: [Unicode.Scalar] = ["\"", "\\", "/", "\n", "\u{7f}", "e", "\u{301}", "é", "€", "😀", "\u{FFFF}"]
        for _ in 0..<2000 {
            var string = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0..<12, using: &random) {
                let low = Unicode.Scalar(UInt8.random(in: 0..<128, using: &random))
                string.append(Bool.random(using: &random) ? low : scalars[Int.random(in: 0..<11, using: &random)])
            }
            let literal = encode(String(string))
            #expect(Array(try decode(literal).utf8) == Array(String(string).utf8), "seed \(seed): \(literal)")
            let other =
                try JSONSerialization.jsonObject(with: Data(literal.utf8), options: .fragmentsAllowed) as? String
            #expect(other.map { Array($0.utf8) } == Array(String(string).utf8), "seed \(seed): \(literal)")
        }
    }

    @Test func `every character survives as two escapes or one`() throws {
        for value in stride(from: UInt32(0), through: 0x10FFFF, by: 61) {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let units = String(Character(scalar)).utf16.map { unit in
                "\\u" + String(repeating: "0", count: 4 - String(unit, radix: 16).count) + String(unit, radix: 16)
            }
            #expect(try decode("\"\(units.joined())\"").unicodeScalars.first == scalar)
        }
    }

    @Test(arguments: [Int64.min, -1, 0, 1, 9, 10, 99, 100, 1_234_567_890, .max - 1, .max])
    func `whole numbers are written in full`(number: Int64) {
        var buffer = ByteBuffer(string: "x")
        buffer.writeDecimal(number)
        #expect(String(buffer: buffer) == "x\(number)")
    }
}
