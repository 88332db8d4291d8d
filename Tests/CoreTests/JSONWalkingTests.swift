import ApusCore
import Testing

/// Texts read member by member, as bodies are.
@Suite struct JSONWalkingTests {
    /// What is found on the way, written down: `name=kind` for members, kinds for elements.
    private func walk(_ text: String) throws(ApusError) -> [String] {
        let bytes = Array(text.utf8)
        let span = bytes.span
        var scanner = JSONScanner()
        var found: [String] = []
        try walkValue(&scanner, span, label: "", into: &found)
        try scanner.end(in: span)
        return found
    }

    private func walkValue(
        _ scanner: inout JSONScanner, _ text: Span<UInt8>, label: String, into found: inout [String]
    ) throws(ApusError) {
        let kind = try scanner.peek(in: text)
        found.append(label + "\(kind)")
        switch kind {
        case .object:
            try scanner.beginObject(in: text)
            while let name = try scanner.nextMember(in: text) {
                try walkValue(&scanner, text, label: name + "=", into: &found)
            }
        case .array:
            try scanner.beginArray(in: text)
            while try scanner.nextElement(in: text) { try walkValue(&scanner, text, label: "", into: &found) }
        case .string, .number, .boolean, .null: _ = try scanner.value(in: text)
        }
    }

    @Test func `members and elements come in their order, names without their escapes`() throws {
        #expect(
            try walk(#" { "a" : 1 , "\u0062\n" : [ "x" , { } , [ ] ] , "" : { "c" : null } , "d" : true } "#)
                == ["object", "a=number", "b\n=array", "string", "object", "array", "=object", "c=null", "d=boolean"])
        #expect(try walk("[]") == ["array"])
        #expect(try walk("{}") == ["object"])
        #expect(try walk("[[[]],[]]") == ["array", "array", "array", "array"])
        #expect(try walk(#"{"a":1,"a":2}"#) == ["object", "a=number", "a=number"])
    }

    @Test(arguments: [
        "[", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[[] []]", "[1}", "[]]", "[[],]", "[{},]", "[1]x",
        "{", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,\"a\":1}", "{\"a\":1 \"b\":2}",
        "{\"a\" 1}", "{a:1}", "{1:1}", "{\"a\":}", "{\"a\":1]", "{}}", "{\"a\":{},}", "{\"a\":[] \"b\":1}",
        "{\"a\":1,2}",
        "{\"\\uD800\":1}", "{\"\u{1}\":1}", "[nul]", "[01]", "[1.]", "",
    ])
    func `a text read step by step is refused like one read at once`(text: String) {
        #expect(!isJSON(text))
        #expect {
            try walk(text)
        } throws: { ($0 as? ApusError)?.code == .malformedJSON }
    }

    @Test func `a value that is walked into is at the same place as one that is passed over`() throws {
        let bytes = Array(#"{"a": [1, {"b": 2}] ,"c":3}"#.utf8)
        let text = bytes.span
        var scanner = JSONScanner()
        try scanner.beginObject(in: text)
        #expect(try scanner.nextMember(in: text) == "a")
        let value = try scanner.value(in: text)
        #expect(value.kind == .array)
        #expect(String(decoding: bytes[value.range], as: UTF8.self) == #"[1, {"b": 2}]"#)
        #expect(try scanner.nextMember(in: text) == "c")
        #expect(try scanner.value(in: text).kind == .number)
        #expect(try scanner.nextMember(in: text) == nil)
        try scanner.end(in: text)
        #expect(scanner.offset == bytes.count)
    }

    @Test func `each value inside a walked text may have all 128 levels`() throws {
        let deep = String(repeating: "[", count: 128) + String(repeating: "]", count: 128)
        let bytes = Array("{\"a\":\(deep),\"b\":[\(deep)]}".utf8)
        let text = bytes.span
        var scanner = JSONScanner()
        try scanner.beginObject(in: text)
        _ = try scanner.nextMember(in: text)
        #expect(try scanner.value(in: text).range.count == 256)
        _ = try scanner.nextMember(in: text)
        var refusal: ApusError?
        do throws(ApusError) { _ = try scanner.value(in: text) } catch { refusal = error }
        #expect(refusal?.code == .malformedJSON)
    }
}
