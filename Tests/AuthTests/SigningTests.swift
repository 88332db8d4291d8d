import ApusAuth
import ApusCore
import Testing

@Suite struct SigningTests {
    @Test func `a token comes back as the principal it was signed for`() async throws {
        let provider = Forge.provider()
        let token = try await provider.sign(Forge.grant())
        let principal = try await provider.verify(token)
        #expect(principal.user.text == "u1")
        #expect(principal.tokenID == "token-1")
        #expect(principal.generation == 3)
        #expect(principal.issuedAt == Timestamp(milliseconds: Forge.start * 1000))
        #expect(principal.expiresAt == Timestamp(milliseconds: (Forge.start + 60) * 1000))
    }

    @Test func `a token has the standard claims, with whole seconds`() async throws {
        let token = try await Forge.provider().sign(Forge.grant())
        let expected = #"""
            {"sub":"u1","user_id":"u1","jti":"token-1","iat":1800000000,"exp":1800000060,"apus_gen":3}
            """#
        #expect(Forge.payload(of: token) == expected)
        #expect(token.hasPrefix(Forge.encode(#"{"alg":"HS256","typ":"JWT"}"#.utf8) + "."))
    }

    @Test func `a user whose name needs escapes can have a token`() async throws {
        let provider = Forge.provider()
        let token = try await provider.sign(Forge.grant(#"a"b\c – é"#))
        #expect(try await provider.verify(token).user.text == #"a"b\c – é"#)
    }

    @Test func `a token issued offline carries no generation`() async throws {
        let provider = Forge.provider()
        let token = try await provider.signOffline(Forge.grant())
        #expect(try await provider.verify(token).generation == nil)
    }

    @Test func `custom claims keep their text, nested and large as they are`() async throws {
        let claims = #"{"role":"admin","n":9007199254740993,"deep":{"a":[1.10,null,{"b":"ü"}]}}"#
        let token = try await Forge.provider().sign(Forge.grant(claims: claims))
        #expect(Forge.payload(of: token).hasSuffix("," + claims.dropFirst()))
        #expect(await Forge.refusal(of: token) == nil)
    }

    @Test(arguments: ["sub", "user_id", "jti", "iat", "exp", "apus_gen", #"\u0073ub"#, #"e\u0078p"#])
    func `a custom claim cannot override a standard one`(name: String) async throws {
        let provider = Forge.provider()
        let token = try await provider.sign(Forge.grant(claims: #"{"\#(name)":"root","kept":true}"#))
        #expect(!Forge.payload(of: token).contains("root"))
        #expect(Forge.payload(of: token).hasSuffix(#","kept":true}"#))
        #expect(try await provider.verify(token).user.text == "u1")
    }

    @Test(arguments: [
        "[]", "null", "\"text\"", #"{"a":1,"a":2}"#, #"{"nbf":"tomorrow"}"#, #"{"nbf":1e400}"#,
        #"{"a":"\#(String(repeating: "x", count: 8192))"}"#,
    ])
    func `claims with which no good token can be made are refused`(claims: String) async throws {
        let grant = try Forge.grant(claims: claims)
        do throws(ApusError) {
            _ = try await Forge.provider().sign(grant)
            Issue.record("signed")
        } catch {
            #expect(error.code == .invalidField)
            #expect(error.fields.first?.pointer.hasPrefix("/claims") == true)
        }
    }

    @Test func `empty custom claims add nothing`() async throws {
        let provider = Forge.provider()
        #expect(try await provider.sign(Forge.grant(claims: "{ }")) == provider.sign(Forge.grant()))
    }
}
