import ApusCore
import NIOCore
import Testing

@testable import ApusProtocol

@Suite struct AdminBodyTests {
    private func issue(_ text: String) throws(ApusError) -> IssueBody {
        try IssueBody(ByteBuffer(string: text), limits: Limits())
    }

    private func revoke(_ text: String) throws(ApusError) -> RevokeBody {
        try RevokeBody(ByteBuffer(string: text), limits: Limits())
    }

    @Test func `the brief's user is read`() throws {
        let body = try issue(#"{"user_id":"u1","display_name":"Alex"}"#)
        #expect(body.user == (try OwnerID("u1")))
        #expect(body.displayName == "Alex")
        #expect(body.claims == nil)
        #expect(body.ttlSeconds == nil)
    }

    @Test func `claims are kept byte for byte`() throws {
        let claims = #"{ "role":"admin", "n":[1.0, {"sub":"deep"}], "\u0061":null }"#
        let body = try issue(#"{"user_id":"u1","claims": \#(claims) ,"ttl_seconds":3600,"more":1}"#)
        #expect(body.claims.map { String(buffer: $0.bytes) } == claims)
        #expect(body.ttlSeconds == 3600)
    }

    @Test func `null for an optional member counts as not given`() throws {
        let body = try issue(#"{"user_id":"u1","display_name":null,"claims":null,"ttl_seconds":null}"#)
        #expect(body.displayName == nil && body.claims == nil && body.ttlSeconds == nil)
        #expect(try revoke(#"{"jti":"t","exp":null}"#).expiresAt == nil)
    }

    @Test(arguments: [
        ("{}", ["/user_id"]), (#"{"user_id":null}"#, ["/user_id"]), (#"{"user_id":""}"#, ["/user_id"]),
        (
            #"{"user_id":"u","display_name":1,"claims":[],"ttl_seconds":0}"#,
            ["/display_name", "/claims", "/ttl_seconds"]
        ),
        (#"{"user_id":"u","ttl_seconds":315360001}"#, ["/ttl_seconds"]),
        (#"{"user_id":"u","claims":"x"}"#, ["/claims"]),
        (#"{"user_id":"u","claims":{"sub":"v"}}"#, ["/claims/sub"]),
        (
            #"{"user_id":"u","claims":{"user_id":1,"jti":1,"iat":1,"exp":1,"nbf":1,"apus_gen":1}}"#,
            ["/claims/user_id", "/claims/jti", "/claims/iat", "/claims/exp", "/claims/nbf", "/claims/apus_gen"]
        ),
        (#"{"user_id":"u","claims":{"s\u0075b":1}}"#, ["/claims/sub"]), ("[]", [""]),
    ])
    func `faults of a user's body are named at once`(text: String, pointers: [String]) {
        let error = refusal { () throws(ApusError) in try issue(text) }
        #expect(error.code == .invalidField)
        #expect(error.pointers == pointers)
    }

    @Test(arguments: [
        "", #"{"user_id":"u","user_id":"u"}"#, #"{"user_id":"u","claims":{"a":1,"a":2}}"#,
        #"{"user_id":"u","claims":{"a":1}"#,
        #"{"user_id":"u"}}"#,
    ])
    func `a body that cannot be read, and a claim given twice, are refused`(text: String) {
        #expect(refusal { () throws(ApusError) in try issue(text) }.code == .malformedJSON)
    }

    @Test func `two claims that differ only in how a letter is composed are two`() throws {
        let body = try issue("{\"user_id\":\"u\",\"claims\":{\"\u{e9}\":1,\"e\u{301}\":2}}")
        #expect(body.claims != nil)
    }

    @Test func `a display name has up to 256 bytes, claims up to 4,096`() throws {
        func name(_ count: Int) -> String {
            #"{"user_id":"u","display_name":"\#(String(repeating: "n", count: count))"}"#
        }
        #expect(try issue(name(256)).displayName?.utf8.count == 256)
        #expect(refusal { () throws(ApusError) in try issue(name(257)) }.pointers == ["/display_name"])
        func claims(_ count: Int) -> String {
            #"{"user_id":"u","claims":{"a":"\#(String(repeating: "c", count: count - 8))"}}"#
        }
        #expect(try issue(claims(4096)).claims?.byteCount == 4096)
        #expect(refusal { () throws(ApusError) in try issue(claims(4097)) }.pointers == ["/claims"])
    }

    @Test func `a token to revoke is named by its jti, and may say when it ends`() throws {
        let body = try revoke(#"{"jti":"abc","exp":1717171717}"#)
        #expect(body.tokenID == "abc")
        #expect(body.expiresAt == Timestamp(milliseconds: 1_717_171_717_000))
        #expect(try revoke(#"{"jti":"abc"}"#).expiresAt == nil)
        #expect(
            try revoke(#"{"jti":"\#(String(repeating: "j", count: 256))","exp":253402300799}"#).tokenID.utf8.count
                == 256)
    }

    @Test(arguments: [
        ("{}", ["/jti"]), (#"{"jti":""}"#, ["/jti"]), (#"{"jti":1,"exp":"x"}"#, ["/jti", "/exp"]),
        (#"{"jti":null}"#, ["/jti"]),
        (#"{"jti":"\#(String(repeating: "j", count: 257))"}"#, ["/jti"]), (#"{"jti":"t","exp":-1}"#, ["/exp"]),
        (#"{"jti":"t","exp":253402300800}"#, ["/exp"]), (#"{"jti":"t","exp":1.5}"#, ["/exp"]),
        (#"{"jti":"t","exp":99999999999999999999}"#, ["/exp"]), ("null", [""]),
    ])
    func `faults of a revocation are named at once`(text: String, pointers: [String]) {
        let error = refusal { () throws(ApusError) in try revoke(text) }
        #expect(error.code == .invalidField)
        #expect(error.pointers == pointers)
    }
}
