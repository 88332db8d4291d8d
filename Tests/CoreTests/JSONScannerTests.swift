import ApusCore
import NIOCore
import Testing

@Suite struct JSONScannerTests {
    private static let valid: [String] = [
        // Values on their own, with the four kinds of space around them.
        "null", "true", "false", "0", "\"\"", "[]", "{}", " \t\r\n0\n\r\t ", "\n[ ]\t", "{\r\n}",
        // Numbers (RFC 8259, section 6).
        "-0", "-1", "10", "1234567890", "0.0", "-0.0", "0.5", "123.456", "1e1", "1E1", "1e+1", "1E-1", "0e0", "0e+1",
        "1.5e3", "-1.5E-3", "123e65", "1e400", "-1e-400", "1e999999999999999999999", "9223372036854775808",
        "0.1234567890123456789012345678901234567890", "100000000000000000000000000000000000000000000",
        // Strings (section 7).
        "\"a\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0000\"", "\"\\u001f\"", "\"\\u0041\\uabcd\\uABCD\\uFFFF\"",
        "\"\\uD83D\\uDE00\"", "\"\\ud800\\udc00\"", "\"\\uDBFF\\uDFFF\"", "\"\\u2028\\u2029\"", "\"\u{7f}\"",
        "\"\u{80}\"", "\"\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}\"", "\"\u{2028}\"", "\"\u{feff}\"", "\"\u{e000}\"",
        "\"\u{d7ff}\"", "\"/\"", "\"'\"", "\"\\\\u0041\"", "\"\\\\\"",
        // Containers (sections 4 and 5).
        "[1]", "[ 1 , 2 ]", "[null,true,false,\"x\",1,[],{}]", "[[]]", "[[],[[]],[]]", "[{}]", "{\"a\":1}",
        "{ \"a\" : 1 , \"b\" : 2 }", "{\"a\":{\"b\":{\"c\":[]}}}", "{\"\":0}", "{\"a\":1,\"a\":1}", "{\"\\u0061\":[]}",
        "[[[{\"a\":[{\"b\":[[],{}]}]}]]]", "{\"a\":[],\"b\":{}}",
    ]

    private static let invalid: [String] = [
        "", " ", "\n", "\u{feff}null", "\u{feff}{}", "\u{a0}1", "\u{c}1", "\u{b}1", "\u{2028}1", "//\n1", "1 // x",
        "/**/1",
        // Literals.
        "n", "nul", "nulL", "nulll", "null0", "NULL", "True", "TRUE", "t", "tru", "truE", "truefalse", "fals", "falsey",
        "undefined", "NaN", "nan", "Infinity", "-Infinity", "inf", "-inf", "-nan", "yes", "None",
        // Numbers.
        "-", "+", "+1", "--1", "- 1", "01", "00", "-01", "-00", "1.", "-1.", ".1", "-.1", "1.e1", "1.2.3", "1e", "1E",
        "1e+", "1e-", "1e1.5", "1ee1", "1e+-1", "e1", "0x10", "0b1", "0o7", "1_000", "1,000", "1f", "1d", "1 2", "1e 1",
        "\u{661}", "\u{ff11}", "0.", "0.e1", "0e", "-e1", "1.+1",
        // Strings.
        "\"", "'a'", "\"a", "a\"", "abc", "\"\\\"", "\"\\", "\"\\a\"", "\"\\'\"", "\"\\x41\"", "\"\\0\"", "\"\\U0041\"",
        "\"\\v\"", "\"\\e\"", "\"\\ \"", "\"\\\u{e9}\"", "\"\\u\"", "\"\\u0\"", "\"\\u00\"", "\"\\u004\"", "\"\\u004",
        "\"\\u00g1\"", "\"\\u 041\"", "\"\\u+041\"", "\"\\u-041\"", "\"\\u{41}\"", "\"\\uD800\"", "\"\\uDC00\"",
        "\"\\uDBFF\"",
        "\"\\uDFFF\"", "\"\\uD800x\"", "\"\\uD800\\n\"", "\"\\uD800\\uD800\"", "\"\\uD800\\u0041\"",
        "\"\\uDC00\\uD800\"",
        "\"\\uD800\\uDBFF\"", "\"\\uD800\\uE000\"", "\"\\uD800\\", "\"\\uD800\\u", "\"\\uD800\\uDC0\"",
        "\"\\uD83D\\\\uDE00\"",
        "\"a\"b", "\"a\" \"b\"", "\"a\nb\"", "\"a\rb\"", "\"a\tb\"", "\"\u{0}\"", "\"\u{1f}\"", "\"\u{8}\"",
        // Arrays.
        "[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1;2]", "[1:2]", "[1}", "[}", "[[]", "[]]",
        "[\"a",
        "[\"\"x]", "[1],", "[1]2", "[][]", "[1]]", "[-]", "[nul]", "[truefalse]", "[1,2,3", "[\"a\",\n4\n,1,", "[*]",
        "(1)",
        // Objects.
        "{", "}", "{]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{,\"a\":1}",
        "{\"a\":1,,\"b\":2}",
        "{\"a\" 1}", "{\"a\",1}", "{\"a\"::1}", "{:1}", "{1:1}", "{a:1}", "{'a':1}", "{null:1}", "{[]:1}", "{\"a\":}",
        "{\"a\":1 \"b\":2}", "{\"a\":1;\"b\":2}", "{\"a\":1]", "{\"a\"}", "{\"a\":1}}", "{\"a\":1}x", "{\"a\":1},",
        "{}{}",
        "{\"a\":1,\"b\"}", "{\"a\":1,\"b\":}", "{\"a\":1,2}", "{\"\\uD800\":1}", "{\"a\n\":1}", "{\"a\":+1}",
        "{\"a\":01}",
        "{\"a\":[}", "{\"a\":{}", "{...}", "{\"a\":/*c*/1}",
    ]

    @Test(arguments: valid) func `JSON of RFC 8259 is taken as it stands`(text: String) throws {
        let value = try JSONText(text)
        let trimmed = text.drop { " \t\r\n".utf8.contains($0.utf8.first ?? 0) }
        #expect(trimmed.utf8.starts(with: value.bytes.readableBytesView))
        #expect(trimmed.utf8.dropFirst(value.byteCount).allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) })
    }

    @Test(arguments: invalid) func `text that is no JSON is refused, alone and as an element`(text: String) {
        #expect(!isJSON(text))
        let isOnlySpace = text.utf8.allSatisfy { $0 == 0x20 || $0 == 0x0A }
        #expect(isJSON("[" + text + "]") == isOnlySpace)
    }

    private static let notUTF8: [[UInt8]] = [
        // A continuation on its own, and starts that no character has.
        [0x80], [0xBF], [0xC0], [0xC1], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF], [0xF8, 0x88, 0x80, 0x80, 0x80],
        // Overlong forms of / and NUL, and of the first characters that need 2, 3 and 4 bytes.
        [0xC0, 0xAF], [0xE0, 0x80, 0xAF], [0xF0, 0x80, 0x80, 0xAF], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF],
        [0xF0, 0x8F, 0xBF, 0xBF],
        // Surrogates, and beyond U+10FFFF.
        [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80], [0xF4, 0x90, 0x80, 0x80],
        // Cut short, or not continued.
        [0xC3], [0xE2], [0xE2, 0x82], [0xF0], [0xF0, 0x9F], [0xF0, 0x9F, 0x98], [0xC3, 0x41], [0xE2, 0x82, 0x41],
        [0xF0, 0x9F, 0x98, 0x41], [0xC3, 0xC3], [0xE2, 0x41, 0x80], [0xC3, 0xA9, 0xA9],
        // UTF-16.
        [0x00, 0x41], [0xFF, 0xFE, 0x41, 0x00],
    ]

    @Test(arguments: notUTF8) func `strings that are not UTF-8 are refused, also at the very end`(bytes: [UInt8]) {
        let quote = UInt8(ascii: "\"")
        #expect(!isJSON([quote] + bytes + [quote]))
        #expect(!isJSON([quote] + bytes))
        #expect(!isJSON(Array("{\"a".utf8) + bytes + Array("\":1}".utf8)))
        #expect(!isJSON(Array("[\"".utf8) + bytes + Array("xyz\"]".utf8)))
        #expect(!isJSON(bytes))
    }

    @Test func `every control character must be escaped, every other character need not be`() {
        for scalar in UInt32(0)...0x10FFFF {
            guard let character = Unicode.Scalar(scalar), scalar < 0x3000 || scalar % 251 == 0 || scalar > 0x10FFF0
            else { continue }
            let mustBeEscaped = scalar < 0x20 || character == "\"" || character == "\\"
            #expect(isJSON("\"\(character)\"") == !mustBeEscaped, "U+\(String(scalar, radix: 16))")
        }
    }

    @Test func `128 levels are taken and 129 are refused, of arrays, objects and both`() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
            let levels = open.utf8.first == UInt8(ascii: "[") && close.utf8.count == 2 ? 2 : 1
            func nested(_ count: Int) -> String {
                String(repeating: open, count: count / levels) + "1" + String(repeating: close, count: count / levels)
            }
            #expect(isJSON(nested(128)))
            #expect(!isJSON(nested(128 + levels)))
            #expect(isJSON(nested(2 * levels), depthMax: 2 * levels))
            #expect(!isJSON("[" + nested(2 * levels) + "]", depthMax: 2 * levels))
        }
        #expect(isJSON("[[],[[]],{\"a\":[]}]", depthMax: 3))
        #expect(!isJSON("[[],[[[]]]]", depthMax: 3))
    }

    @Test func `siblings do not count as depth, however many there are`() {
        #expect(isJSON("[" + Array(repeating: "[[]]", count: 10_000).joined(separator: ",") + "]", depthMax: 3))
    }

    @Test(arguments: ["[", "{\"a\":", "[{\"a\":[", "[[],"])
    func `a flood of opening brackets is refused`(bracket: String) {
        #expect(!isJSON(String(repeating: bracket, count: 100_000)))
    }

    private static let document =
        #" { "a\u00e9\uD83D\uDE00" : [ -12.5e+3 , true , false , null , "é€😀\n" , { } , [ ] ] , "b" : { "c" : 0 } }"#

    @Test func `a document that ends too early is refused wherever it is cut`() {
        let bytes = Array(Self.document.utf8)
        #expect(isJSON(bytes))
        for length in 0..<bytes.count { #expect(!isJSON(Array(bytes.prefix(length))), "cut after \(length)") }
    }

    @Test func `a refusal tells where the fault is`() {
        #expect {
            try JSONText(#"{"a":tru}"#)
        } throws: { error in
            (error as? ApusError)?.message.contains("at byte 5") ?? false
        }
    }

    @Test func `a value is a slice of the text it came in, without the space around it`() throws {
        var whole = ByteBuffer(string: "xx \t[1, 2] \n")
        whole.moveReaderIndex(forwardBy: 2)
        let value = try JSONText(parsing: whole, depthMax: 128)
        #expect(String(buffer: value.bytes) == "[1, 2]")
        #expect(value.byteCount == 6)
    }
}
