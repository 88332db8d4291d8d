import ApusAuth
import ApusCore
import Testing

@Suite struct ForgedTokenTests {
    private static let good = #"{"sub":"u1","exp":1800000060}"#

    @Test func `a token signed elsewhere with the same secret is good`() async throws {
        let principal = try await Forge.provider().verify(Forge.token(Self.good))
        #expect(principal.user.text == "u1")
        #expect(principal.tokenID == nil)
        #expect(principal.issuedAt == nil)
        #expect(principal.generation == nil)
    }

    @Test func `a token signed with another secret is refused`() async {
        let token = Forge.token(Self.good, secret: "another-secret-of-at-least-thirty-two-bytes")
        #expect(await Forge.refusal(of: token) == .unauthenticated)
    }

    @Test func `a token whose claims were changed after signing is refused`() async {
        let parts = Forge.token(Self.good).split(separator: ".")
        let other = Forge.encode(#"{"sub":"u2","exp":1800000060}"#.utf8)
        #expect(await Forge.refusal(of: "\(parts[0]).\(other).\(parts[2])") == .unauthenticated)
    }

    @Test(arguments: [
        #"{"alg":"none"}"#, #"{"alg":"nOnE"}"#, #"{"alg":"None","typ":"JWT"}"#, #"{"alg":""}"#, #"{"typ":"JWT"}"#,
        #"{"alg":null}"#, #"{"alg":["HS256"]}"#, #"{"alg":"hs256"}"#, #"{"alg":"HS256 "}"#, #"{"alg":"HS256\u0000"}"#,
        #"{"alg":"HS384"}"#, #"{"alg":"HS512"}"#, #"{"alg":"RS256"}"#, #"{"alg":"ES256"}"#,
        #"{"alg":"HS256","alg":"none"}"#, #"{"alg":"none","alg":"HS256"}"#, "[]", "\"HS256\"", "", "{",
        #"{"alg":"HS256",}"#,
    ])
    func `a header that asks for anything but HS256 is refused, even if the signature is good`(header: String) async {
        #expect(await Forge.refusal(of: Forge.token(Self.good, header: header)) == .unauthenticated)
        let unsigned = Forge.encode(header.utf8) + "." + Forge.encode(Self.good.utf8) + "."
        #expect(await Forge.refusal(of: unsigned) == .unauthenticated)
    }

    @Test(arguments: [#"["exp"]"#, "[]", "null", #""b64""#])
    func `a header with crit is refused`(crit: String) async {
        let header = #"{"alg":"HS256","crit":\#(crit),"exp":1}"#
        #expect(await Forge.refusal(of: Forge.token(Self.good, header: header)) == .unauthenticated)
    }

    @Test(arguments: [
        #""kid":"../../../../dev/null""#, #""kid":"x' UNION SELECT 'k""#, #""kid":"|/bin/true""#,
        #""jku":"http://127.0.0.1:1/keys""#, #""x5u":"http://127.0.0.1:1/chain""#,
        #""jwk":{"kty":"oct","k":"AAAA"}"#,
    ])
    func `a header that names another key changes nothing`(field: String) async {
        let header = #"{"alg":"HS256",\#(field)}"#
        #expect(await Forge.refusal(of: Forge.token(Self.good, header: header)) == nil)
        let emptyKey = String(repeating: "\0", count: 32)
        #expect(
            await Forge.refusal(of: Forge.token(Self.good, header: header, secret: emptyKey)) == .unauthenticated)
    }

    @Test func `tokens that are not three clean parts are refused`() async {
        let token = Forge.token(Self.good)
        let parts = token.split(separator: ".").map(String.init)
        let header = parts[0]
        let spoilt = [
            "", ".", "..", "...", "token", header + "." + parts[1], header + "." + parts[1] + ".", token + ".",
            token + "=", token + "==", header + "=." + parts[1] + "." + parts[2], token + "\n", " " + token,
            token + "A", String(token.dropLast()), token + "!", token.replacing(".", with: ":"), token + "é",
            header + "." + parts[1] + "." + parts[2].replacing("-", with: "+").replacing("_", with: "/") + "+",
            Forge.encode([0xFF, 0xFE]) + "." + parts[1] + "." + parts[2],
        ]
        for text in spoilt { #expect(await Forge.refusal(of: text) == .unauthenticated, "\(text)") }
    }

    @Test func `no second spelling of a signature is good`() async {
        let token = Forge.token(Self.good)
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        let good = await alphabet.asyncCount { await Forge.refusal(of: token.dropLast() + String($0)) == nil }
        #expect(good == 1)
    }

    @Test func `claims that are not UTF-8 are refused`() async {
        let input = Forge.encode(#"{"alg":"HS256"}"#.utf8) + "." + Forge.encode(Array(Self.good.utf8) + [0xC3, 0x28])
        #expect(await Forge.refusal(of: input + "." + Forge.signature(input)) == .unauthenticated)
        let bytes = Array(#"{"exp":1800000060,"sub":""#.utf8) + [0xC3, 0x28] + Array("\"}".utf8)
        let inside = Forge.encode(#"{"alg":"HS256"}"#.utf8) + "." + Forge.encode(bytes)
        #expect(await Forge.refusal(of: inside + "." + Forge.signature(inside)) == .unauthenticated)
    }

    @Test func `a token may have 8 KiB and not a byte more`() async {
        func token(padding: Int) -> String {
            Forge.token(#"{"sub":"u1","exp":1800000060,"pad":"\#(String(repeating: "x", count: padding))"}"#)
        }
        var padding = 5000
        while token(padding: padding + 1).utf8.count <= 8192 { padding += 1 }
        #expect(await Forge.refusal(of: token(padding: padding)) == nil)
        #expect(await Forge.refusal(of: token(padding: padding + 1)) == .unauthenticated)
        #expect(await Forge.refusal(of: token(padding: 1 << 20)) == .unauthenticated)
    }

    @Test func `claims nested deeper than anyone reads are refused`() async {
        let nested = String(repeating: "[", count: 2000) + String(repeating: "]", count: 2000)
        let token = Forge.token(#"{"sub":"u1","exp":1800000060,"a":\#(nested)}"#)
        #expect(await Forge.refusal(of: token) == .unauthenticated)
    }

    @Test func `no refusal repeats the token`() async {
        let tokens = [Forge.token(#"{"sub":"u1"}"#), Forge.token(Self.good, secret: String(repeating: "x", count: 32))]
        for token in tokens {
            do throws(ApusError) {
                _ = try await Forge.provider().verify(token)
                Issue.record("taken")
            } catch {
                let told = error.message + (error.cause ?? "")
                #expect(token.split(separator: ".").allSatisfy { !told.contains($0) })
            }
        }
    }
}

extension Sequence {
    fileprivate func asyncCount(where isCounted: (Element) async -> Bool) async -> Int {
        var count = 0
        for element in self where await isCounted(element) { count += 1 }
        return count
    }
}
