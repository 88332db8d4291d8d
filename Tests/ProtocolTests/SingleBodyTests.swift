import ApusCore
import NIOCore
import Testing

@testable import ApusProtocol

@Suite struct SingleBodyTests {
    @Test func `the brief's body is read, and the value keeps every byte`() throws {
        let value = #"{ "mode" : "d\u0061rk", "n": 1.0, "n": -0,  "big":9007199254740993}"#
        let body = try WriteBody.single(
            #" {"user_id":"u1","collection":"profile","key":"theme","value": \#(value)  } "#)
        #expect(body.owner == (try OwnerID("u1")))
        #expect(body.isAtomic)
        let item = try body.item()
        #expect(item.collection == (try CollectionName("profile")))
        #expect(item.key == (try RecordKey("theme")))
        #expect(item.value == value)
        #expect(item.expiry == .never)
        #expect(item.updatedAt == nil)
        #expect(item.policy == .lastWriteWins)
        #expect(item.precondition == .none)
    }

    @Test(arguments: [
        "null", "true", "0", "\"\"", "[]", "{}", "1e400", "\"\\ud83d\\ude00\"", "123456789012345678901234567890",
    ])
    func `any JSON value is a value, null too`(value: String) throws {
        let body = #"{"value":\#(value),"key":"k","collection":"c","user_id":"u"}"#
        #expect(try WriteBody.single(body).item().value == value)
    }

    @Test func `optional members are read`() throws {
        let item = try WriteBody.single(
            """
            {"user_id":"u","collection":"c","key":"k","value":1,"updated_at":"2024-01-01T12:34:56.789Z",
             "ttl_seconds":60,"conflict_policy":"max_numeric","conflict_field":"/a~1b/0","unknown":{"user_id":"x"}}
            """
        ).item()
        #expect(item.updatedAt == moment)
        #expect(item.expiry == .afterSeconds(60))
        #expect(item.policy == .maxNumeric(try #require(JSONPointer("/a~1b/0"))))
        let other = try WriteBody.single(
            #"{"user_id":"u","collection":"c","key":"k","value":1,"expires_at":"2024-01-01T13:34:56.789+01:00"}"#)
        #expect(try other.item().expiry == .at(moment))
    }

    @Test func `null for an optional time or number counts as not given`() throws {
        let item = try WriteBody.single(
            #"{"user_id":"u","collection":"c","key":"k","value":1,"#
                + #""updated_at":null,"ttl_seconds":null,"expires_at":null}"#
        ).item()
        #expect(item.updatedAt == nil)
        #expect(item.expiry == .never)
        let timed = try WriteBody.single(
            #"{"user_id":"u","collection":"c","key":"k","value":1,"ttl_seconds":5,"expires_at":null}"#)
        #expect(try timed.item().expiry == .afterSeconds(5))
    }

    @Test(arguments: [
        // The text, and where it is at fault.
        (#"{}"#, ["/user_id", "/collection", "/key", "/value"]),
        (#"{"user_id":"u","collection":"c","key":"k"}"#, ["/value"]),
        (#"{"user_id":null,"collection":null,"key":null,"value":1}"#, ["/user_id", "/collection", "/key"]),
        (#"{"user_id":1,"collection":true,"key":[],"value":1}"#, ["/user_id", "/collection", "/key"]),
        (#"{"user_id":"","collection":"","key":"","value":1}"#, ["/user_id", "/collection", "/key"]),
        (#"{"user_id":"\u0000","collection":"a\u007f","key":"\n","value":1}"#, ["/user_id", "/collection", "/key"]),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"updated_at":1704112496}"#, ["/updated_at"]),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"updated_at":"yesterday"}"#, ["/updated_at"]),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"expires_at":true}"#, ["/expires_at"]),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"ttl_seconds":0}"#, ["/ttl_seconds"]),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"ttl_seconds":-1}"#, ["/ttl_seconds"]),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"ttl_seconds":1.5}"#, ["/ttl_seconds"]),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"ttl_seconds":1e3}"#, ["/ttl_seconds"]),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"ttl_seconds":"60"}"#, ["/ttl_seconds"]),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"ttl_seconds":315360001}"#, ["/ttl_seconds"]),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"ttl_seconds":99999999999999999999}"#, ["/ttl_seconds"]),
        (
            #"{"user_id":"u","collection":"c","key":"","value":1,"ttl_seconds":1,"expires_at":"2024-01-01T00:00:00Z"}"#,
            ["/key", "/expires_at"]
        ),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"conflict_policy":"newest"}"#, ["/conflict_policy"]),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"conflict_policy":7}"#, ["/conflict_policy"]),
        (#"{"user_id":"u","collection":"c","key":"k","value":1,"conflict_field":"score"}"#, ["/conflict_field"]),
        (
            #"{"user_id":"u","collection":"c","key":"k","conflict_policy":"max_numeric","conflict_field":"x"}"#,
            ["/value", "/conflict_field"]
        ),
        (
            #"{"user_id":1,"key":"\u0001","ttl_seconds":0,"updated_at":"x"}"#,
            [
                "/user_id", "/key", "/ttl_seconds", "/updated_at", "/collection", "/value",
            ]
        ),
    ])
    func `every fault of a body is named at once`(text: String, pointers: [String]) {
        let error = refusal { () throws(ApusError) in try WriteBody.single(text) }
        #expect(error.code == .invalidField)
        #expect(error.pointers == pointers)
        #expect(error.message == error.fields.first?.detail)
        #expect(error.fields.allSatisfy { !$0.detail.isEmpty })
    }

    @Test(arguments: ["[]", "1", "null", "\"x\"", "[{}]"])
    func `a body that is no object is at fault as a whole`(text: String) {
        let error = refusal { () throws(ApusError) in try WriteBody.single(text) }
        #expect(error.code == .invalidField)
        #expect(error.pointers == [""])
    }

    @Test(arguments: [
        "", " ", "{", #"{"user_id":"u""#, #"{"user_id":"u"}x"#, #"{"user_id":"u",}"#, "[1", "nul", "1 2",
        #"{"user_id":"u","user_id":"u","collection":"c","key":"k","value":1}"#,
        #"{"user_id":"u","collection":"c","key":"k","value":1,"v\u0061lue":2}"#,
        #"{"user_id":"u","collection":"c","key":"k","value":1,"x":1,"x":1}"#,
        #"{"user_id":"u","collection":"c","key":"k","value":"\ud800"}"#,
        #"{"user_id":"u","collection":"c","key":"k","value":01}"#, #"{"user_id":"\ud800","collection":"c"}"#,
        "\u{feff}{}",
    ])
    func `broken JSON and a member given twice are refused as unreadable`(text: String) {
        let error = refusal { () throws(ApusError) in try WriteBody.single(text) }
        #expect(error.code == .malformedJSON)
        #expect(error.fields.isEmpty)
    }

    @Test func `a value may be as large as the limit and not a byte larger`() throws {
        var limits = Limits()
        limits.valueBytesMax = 10
        func body(_ value: String) -> String { #"{"user_id":"u","collection":"c","key":"k","value":\#(value)}"# }
        #expect(try WriteBody.single(body("\"12345678\""), limits).item().value == "\"12345678\"")
        let error = refusal { () throws(ApusError) in try WriteBody.single(body("\"123456789\""), limits) }
        #expect(error.code == .valueTooLarge)
        #expect(error.pointers == ["/value"])
    }

    @Test func `a value may be 128 levels deep in its body and not 129`() throws {
        func body(_ levels: Int) -> String {
            let value = String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
            return #"{"user_id":"u","collection":"c","key":"k","value":\#(value)}"#
        }
        #expect(try WriteBody.single(body(128)).item().value?.utf8.count == 256)
        #expect(refusal { () throws(ApusError) in try WriteBody.single(body(129)) }.code == .malformedJSON)
    }

    @Test func `names at their longest are taken, one byte more is refused`() throws {
        func body(_ owner: Int, _ collection: Int, _ key: Int) -> String {
            let names = [owner, collection, key].map { String(repeating: "x", count: $0) }
            return #"{"user_id":"\#(names[0])","collection":"\#(names[1])","key":"\#(names[2])","value":1}"#
        }
        #expect(try WriteBody.single(body(128, 128, 256)).items.count == 1)
        for (lengths, pointer) in [((129, 1, 1), "/user_id"), ((1, 129, 1), "/collection"), ((1, 1, 257), "/key")] {
            let text = body(lengths.0, lengths.1, lengths.2)
            #expect(refusal { () throws(ApusError) in try WriteBody.single(text) }.pointers == [pointer])
        }
    }

    @Test func `the time to live may be 1 second to 10 years`() throws {
        for seconds in [1, 315_360_000] {
            let text = #"{"user_id":"u","collection":"c","key":"k","value":1,"ttl_seconds":\#(seconds)}"#
            #expect(try WriteBody.single(text).item().expiry == .afterSeconds(Int64(seconds)))
        }
    }

    @Test func `the headers' policy holds unless the body names another`() throws {
        let pointer = try #require(JSONPointer("/score"))
        let plain = #"{"user_id":"u","collection":"c","key":"k","value":1}"#
        #expect(try WriteBody.single(plain, policy: .serverTime).item().policy == .serverTime)
        #expect(try WriteBody.single(plain, policy: .maxNumeric(pointer)).item().policy == .maxNumeric(pointer))
        let named = #"{"user_id":"u","collection":"c","key":"k","value":1,"conflict_policy":"last_write_wins"}"#
        #expect(try WriteBody.single(named, policy: .serverTime).item().policy == .lastWriteWins)
        let field = #"{"user_id":"u","collection":"c","key":"k","value":1,"conflict_field":"/n"}"#
        #expect(
            try WriteBody.single(field, policy: .maxNumeric(pointer)).item().policy
                == .maxNumeric(try #require(JSONPointer("/n"))))
    }

    @Test(arguments: [
        ("last_write_wins", nil, true), ("server_time", nil, true), ("max_numeric", nil, true),
        ("max_numeric", "/a/0", true), ("max_numeric", "", true), ("max_numeric", "a", false),
        ("max_numeric", "/~", false),
        ("", nil, false), ("LAST_WRITE_WINS", nil, false), ("max", nil, false), ("server_time ", nil, false),
    ])
    func `a conflict policy has one of three names`(name: String, field: String?, isGood: Bool) {
        do throws(ApusError) {
            _ = try ConflictPolicy(name: name, field: field)
            #expect(isGood)
        } catch {
            #expect(!isGood)
            #expect(error.code == .badParameter)
        }
    }
}
