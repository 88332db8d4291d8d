import ApusCore
import ApusProtocol
import NIOHTTP1
import Testing

@testable import ApusHTTP

@Suite struct RequestTargetTests {
    @Test(arguments: [
        ("/", []), ("/?a=1", []), ("/health", ["health"]), ("/v1/data/u1/c/k", ["v1", "data", "u1", "c", "k"]),
        ("/a/", ["a", ""]), ("//a", ["", "a"]), ("/a//b", ["a", "", "b"]), ("/a?b/c", ["a"]), ("/a#b?c", ["a"]),
        // Split first, decoded after: an escaped slash is a part of a name.
        ("/a%2Fb/c", ["a/b", "c"]), ("/%2f", ["/"]), ("/a%3Fb", ["a?b"]), ("/a%23b", ["a#b"]), ("/a%25b", ["a%b"]),
        ("/a%2525", ["a%25"]), ("/%C3%A9", ["é"]), ("/%f0%9f%98%80", ["😀"]), ("/é", ["é"]), ("/a+b%20c", ["a+b c"]),
        ("/%00", ["\0"]), ("/../a", ["..", "a"]), ("/.%2e/a", ["..", "a"]), ("/a;b=c", ["a;b=c"]),
        ("/a&b=c", ["a&b=c"]), ("http://example.org/a/b?c", ["a", "b"]), ("HTTPS://example.org:8000", []),
        ("http://example.org?a=/b", []),
    ])
    func `a path is split into its decoded names`(uri: String, segments: [String]) throws {
        let found = try RequestTarget(uri).segments
        #expect(found.map { Array($0.utf8) } == segments.map { Array($0.utf8) })
    }

    @Test(arguments: [
        "", "a", "?a", "*", "ftp://example.org/a", "/%", "/%2", "/%zz", "/%2g", "/a%", "/%-1", "/%+1", "/%C3", "/%ff",
        "/%C0%AF", "/%ED%A0%80", "/%F4%90%80%80", "/a/%E2%82/b",
    ])
    func `a broken escape, bytes that are no text and what is no path are refused`(uri: String) {
        #expect {
            try RequestTarget(uri)
        } throws: { ($0 as? ApusError)?.code == .badParameter }
    }

    @Test(arguments: [
        ("/?a=1", "a", "1"), ("/?a=1&b=2", "b", "2"), ("/?a", "a", ""), ("/?a=", "a", ""), ("/?a&b", "b", ""),
        ("/?=x", "", "x"), ("/?a=b=c", "a", "b=c"), ("/?a=%26%3D", "a", "&="), ("/?%61=1", "a", "1"),
        ("/?&&a=1&&", "a", "1"),
        ("/?a=1#b=2", "a", "1"), ("/?a=x?y", "a", "x?y"), ("/?a=/b", "a", "/b"), ("/?a=%C3%A9", "a", "é"),
        // A plus is a plus, as RFC 3986 has it, so that times with an offset can be written as they are.
        ("/?t=2024-01-01T00:00:00+02:00", "t", "2024-01-01T00:00:00+02:00"), ("/?t=%2B", "t", "+"),
    ])
    func `a parameter's value is decoded`(uri: String, name: String, value: String) throws {
        #expect(try RequestTarget(uri).parameter(name) == value)
    }

    @Test(arguments: [
        ("/", "a"), ("/?", "a"), ("/?b=1", "a"), ("/?A=1", "a"), ("/?b=a", "a"), ("/a=1", "a"), ("/#?a=1", "a"),
        ("/x#a?a=1", "a"),
    ])
    func `a parameter that is not there is none`(uri: String, name: String) throws {
        #expect(try RequestTarget(uri).parameter(name) == nil)
    }

    @Test(arguments: ["/?a=1&a=1", "/?a&a", "/?a=1&%61=2", "/?a=%", "/?a=%ff", "/?%=1&a=1", "/?a=1&%zz"])
    func `a parameter given twice and a broken escape are refused`(uri: String) throws {
        let target = try RequestTarget(uri)
        #expect {
            try target.parameter("a")
        } throws: { ($0 as? ApusError)?.code == .badParameter }
    }

    private func opening(_ target: String, lastEventID: String? = nil) throws -> StreamOpening {
        let headers = HTTPHeaders(lastEventID.map { [("Last-Event-ID", $0)] } ?? [])
        return try StreamOpening(RequestTarget(target), headers)
    }

    @Test func `a position to resume from is a whole number from 0 to 2^63-1`() throws {
        for (text, number) in [("0", Int64(0)), ("7", 7), ("007", 7), ("9223372036854775807", .max)] {
            #expect(try opening("/?since=\(text)&epoch=e").resume?.since == SequenceNumber(number))
            #expect(try opening("/", lastEventID: text).resume?.since == SequenceNumber(number))
        }
        #expect(try opening("/?since=1&epoch=e").resume?.epoch == "e")
        #expect(try opening("/?since=1").resume?.epoch == nil)
        #expect(try opening("/?epoch=e").resume == nil)
        for text in [
            "-1", "+1", "1.0", "1e3", "x", "9223372036854775808", "%D9%A1", "%201", "99999999999999999999999",
        ] {
            #expect { try opening("/?since=\(text)") } throws: { ($0 as? ApusError)?.code == .badParameter }
            #expect { try opening("/", lastEventID: text) } throws: { ($0 as? ApusError)?.code == .badParameter }
        }
        #expect { try opening("/?since=") } throws: { ($0 as? ApusError)?.code == .badParameter }
    }

    @Test func `the last event a client has heard is nearer than where its URL began`() throws {
        #expect(try opening("/?since=3&epoch=e", lastEventID: "9").resume?.since == SequenceNumber(9))
        #expect(try opening("/?since=3&epoch=e", lastEventID: "9").resume?.epoch == "e")
        #expect(try opening("/?since=3", lastEventID: "").resume?.since == SequenceNumber(3))
    }

    @Test func `a URL narrows a stream to a collection, a key or a prefix`() throws {
        let notes = CollectionName(stored: "my notes")
        #expect(try opening("/").scope == nil)
        #expect(try opening("/?collection=my%20notes").scope == .collection(notes))
        #expect(try opening("/?collection=my%20notes&key=a%2Fb").scope == .key(notes, RecordKey(stored: "a/b")))
        #expect(try opening("/?collection=my%20notes&prefix=a").scope == .prefix(notes, KeyPrefix(stored: "a")))
        for wrong in ["key=a", "prefix=a", "collection=", "collection=c&key=a&prefix=a", "collection=c&prefix="] {
            #expect { try opening("/?\(wrong)") } throws: { ($0 as? ApusError)?.code == .badParameter }
        }
    }
}
