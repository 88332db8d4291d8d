import NIOCore
import Testing

@testable import ApusCore

@Suite struct JSONPointerTests {
    /// The document of RFC 6901, section 5, with a number at each place.
    private static let document =
        #"{"foo":[100,101],"":102,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#

    private func look(up pointer: String, in text: String) throws -> JSONNumber? {
        try JSONText(text).number(at: #require(JSONPointer(pointer), "\(pointer)"))
    }

    private func number(_ number: Int) throws -> JSONNumber? { try JSONText("\(number)").number(at: .whole) }

    @Test(arguments: [
        ("/foo/0", 100), ("/foo/1", 101), ("/", 102), ("/a~1b", 1), ("/c%d", 2), ("/e^f", 3), ("/g|h", 4), ("/i\\j", 5),
        ("/k\"l", 6), ("/ ", 7), ("/m~0n", 8),
    ])
    func `the examples of RFC 6901 find their numbers`(pointer: String, expected: Int) throws {
        #expect(try look(up: pointer, in: Self.document) == number(expected))
    }

    @Test func `the empty pointer is the whole value`() throws {
        #expect(try look(up: "", in: " 7 ") == number(7))
        #expect(JSONPointer("") == .whole)
    }

    @Test(arguments: [
        ("/foo", Self.document), ("", Self.document), ("/nothing", Self.document), ("/foo/2", Self.document),
        ("/foo/-", Self.document), ("/foo/-1", Self.document), ("/foo/+1", Self.document), ("/foo/00", Self.document),
        ("/foo/01", Self.document), ("/foo/1 ", Self.document), ("/foo/ 1", Self.document), ("/foo/1.0", Self.document),
        ("/foo/1e0", Self.document), ("/foo/", Self.document), ("/foo/0/x", Self.document), ("/foo/0/", Self.document),
        ("/FOO/0", Self.document), ("//", Self.document), ("/foo/99999999999999999999999", Self.document),
        ("/foo/9223372036854775807", Self.document), ("/foo/\u{661}", Self.document), ("/a", #"{"a":"1"}"#),
        ("/a", #"{"a":null}"#), ("/0", #"{"a":1}"#), ("/a", "[1]"), ("/a", "1"), ("/a", #"{"a":1e400}"#),
    ])
    func `a pointer to nothing, or to no number, finds none`(pointer: String, text: String) throws {
        #expect(try look(up: pointer, in: text) == nil)
    }

    @Test(arguments: ["a", "a/b", " /a", "#/a", "/~", "/~2", "/a~", "/~~", "/~a/b", "/a/~1~", "~0"])
    func `a text that is no pointer is refused`(text: String) {
        #expect(JSONPointer(text) == nil)
    }

    @Test(arguments: [
        ("/~01", ["~1"]), ("/~10", ["/0"]), ("/~0~1", ["~/"]), ("/a//b", ["a", "", "b"]), ("/", [""]),
        ("//", ["", ""]),
        ("/é/😀", ["é", "😀"]),
    ])
    func `escapes are undone once, empty names count`(pointer: String, tokens: [String]) {
        #expect(JSONPointer(pointer)?.tokens == tokens)
    }

    @Test func `of duplicate names the last counts`() throws {
        #expect(try look(up: "/a", in: #"{"a":1,"b":0,"a":2}"#) == number(2))
        #expect(try look(up: "/a/b", in: #"{"a":{"b":1},"a":{"b":3}}"#) == number(3))
        #expect(try look(up: "/a/b", in: #"{"a":{"b":1},"a":{}}"#) == nil)
        #expect(try look(up: "/a", in: #"{"a":1,"\u0061":5}"#) == number(5))
    }

    @Test func `names are compared byte by byte`() throws {
        #expect(try look(up: "/\u{e9}", in: "{\"\u{e9}\":1,\"e\u{301}\":2}") == number(1))
        #expect(try look(up: "/e\u{301}", in: "{\"\u{e9}\":1,\"e\u{301}\":2}") == number(2))
        #expect(try look(up: "/a", in: #"{"A":1}"#) == nil)
    }

    @Test func `a pointer reaches 128 levels deep and no deeper`() throws {
        let path = String(repeating: "/0", count: 128)
        let deep = String(repeating: "[", count: 128) + "7" + String(repeating: "]", count: 128)
        #expect(try look(up: path, in: deep) == number(7))
        #expect(JSONPointer(path + "/0") == nil)
    }

    @Test func `a value that is a slice of a greater text is looked into on its own`() throws {
        let whole = ByteBuffer(string: #"{"value": {"n":[0,41]},"n":1}"#)
        let value = JSONText(validated: whole.slice(10..<22))
        #expect(value.number(at: try #require(JSONPointer("/n/1"))) == (try number(41)))
    }
}
