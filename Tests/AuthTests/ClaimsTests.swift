import ApusAuth
import ApusCore
import Testing

@Suite struct ClaimsTests {
    @Test func `a token is good until its exp and the leeway have passed`() async {
        let clock = StillClock(seconds: Forge.start)
        let token = Forge.token(#"{"sub":"u1","exp":1800000060}"#)
        let end: Int64 = 1_800_000_060_000
        for (milliseconds, refusal) in [
            (end - 1, nil), (end, nil), (end + 29_999, nil), (end + 30_000, .tokenExpired),
            (end + 86_400_000, .tokenExpired),
        ] as [(Int64, ApusError.Code?)] {
            clock.move(toMilliseconds: milliseconds)
            #expect(await Forge.refusal(of: token, by: Forge.provider(clock: clock)) == refusal)
        }
    }

    @Test(arguments: ["nbf", "iat"])
    func `a token from the future is good within the leeway only`(claim: String) async {
        for (ahead, refusal) in [(-100, nil), (0, nil), (30, nil), (31, .unauthenticated), (9999, .unauthenticated)]
            as [(Int64, ApusError.Code?)]
        {
            let token = Forge.token(#"{"sub":"u1","exp":1900000000,"\#(claim)":\#(Forge.start + ahead)}"#)
            #expect(await Forge.refusal(of: token) == refusal, "\(ahead) s ahead")
        }
    }

    @Test(arguments: [
        #"{"sub":"u1"}"#, #"{"sub":"u1","exp":null}"#, #"{"sub":"u1","exp":"1900000000"}"#,
        #"{"sub":"u1","exp":1e400}"#, #"{"sub":"u1","exp":-1e400}"#, #"{"sub":"u1","exp":1e300}"#,
        #"{"sub":"u1","exp":9223372036854775808}"#, #"{"sub":"u1","exp":253402300800}"#, #"{"sub":"u1","exp":-1}"#,
        #"{"sub":"u1","exp":NaN}"#, #"{"sub":"u1","exp":Infinity}"#, #"{"sub":"u1","exp":0x7fffffff}"#,
        #"{"sub":"u1","exp":true}"#, #"{"sub":"u1","exp":[1900000000]}"#, #"{"sub":"u1","exp":01900000000}"#,
        #"{"sub":"u1","exp":1900000000,"exp":1900000001}"#, #"{"sub":"u1","exp":1,"exp":1900000000}"#,
        #"{"sub":"u1","exp":1900000000,"iat":"1"}"#, #"{"sub":"u1","exp":1900000000,"iat":1e400}"#,
        #"{"sub":"u1","exp":1900000000,"nbf":"1"}"#, #"{"sub":"u1","exp":1900000000,"nbf":{}}"#,
    ])
    func `a date that is missing, no number or beyond all sense is refused`(payload: String) async {
        #expect(await Forge.refusal(of: Forge.token(payload)) == .unauthenticated)
    }

    @Test func `dates may have decimals and exponents`() async throws {
        let token = Forge.token(#"{"sub":"u1","exp":1.9000000005e9,"iat":1799999999.5,"nbf":1.5}"#)
        let principal = try await Forge.provider().verify(token)
        #expect(principal.expiresAt == Timestamp(milliseconds: 1_900_000_000_500))
        #expect(principal.issuedAt == Timestamp(milliseconds: 1_799_999_999_500))
    }

    @Test func `a date long past is expired, not unreadable`() async {
        for exp in ["0", "1.5", "1e-400"] {
            #expect(await Forge.refusal(of: Forge.token(#"{"sub":"u1","exp":\#(exp)}"#)) == .tokenExpired)
        }
    }

    @Test(arguments: [
        #"{"exp":1900000000}"#, #"{"sub":"u1","user_id":"u2","exp":1900000000}"#, #"{"sub":"","exp":1900000000}"#,
        #"{"sub":"u1","user_id":"","exp":1900000000}"#, #"{"sub":7,"exp":1900000000}"#,
        #"{"sub":null,"user_id":"u1","exp":1900000000}"#, #"{"sub":"u1","user_id":["u1"],"exp":1900000000}"#,
        #"{"sub":"u1\u0000","exp":1900000000}"#, #"{"sub":"a\nb","exp":1900000000}"#,
        #"{"sub":"a\u007fb","exp":1900000000}"#, #"{"sub":"\ud800","exp":1900000000}"#,
        #"{"sub":"\#(String(repeating: "x", count: 129))","exp":1900000000}"#,
        #"{"sub":"u1","sub":"u1","exp":1900000000}"#, #"{"sub":"u1","s\u0075b":"u2","exp":1900000000}"#,
        // The composed and the decomposed letter are two users, though Swift calls the strings equal.
        #"{"sub":"\u00e9","user_id":"e\u0301","exp":1900000000}"#,
    ])
    func `a token that names nobody, or not exactly one valid user, is refused`(payload: String) async {
        #expect(await Forge.refusal(of: Forge.token(payload)) == .unauthenticated)
    }

    @Test(arguments: [#""sub":"u1""#, #""user_id":"u1""#, #""sub":"u1","user_id":"u1""#])
    func `sub, user_id or both name the user`(claims: String) async throws {
        let principal = try await Forge.provider().verify(Forge.token(#"{\#(claims),"exp":1900000000}"#))
        #expect(principal.user.text == "u1")
    }

    @Test(arguments: [
        #""jti":7"#, #""jti":null"#, #""apus_gen":"1""#, #""apus_gen":1.5"#, #""apus_gen":9223372036854775808"#,
    ])
    func `a jti that is no string and a gen that is no integer are refused`(claim: String) async {
        #expect(await Forge.refusal(of: Forge.token(#"{"sub":"u1","exp":1900000000,\#(claim)}"#)) == .unauthenticated)
    }

    @Test(arguments: ["", "[]", "7", "null", #""sub""#, "{}{}", #"{"sub":"u1","exp":1900000000} x"#])
    func `a payload that is not one JSON object is refused`(payload: String) async {
        #expect(await Forge.refusal(of: Forge.token(payload)) == .unauthenticated)
    }
}
