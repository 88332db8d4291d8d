import ApusAuth
import ApusCore
import Testing

@Suite struct RememberingTests {
    private func token(_ number: Int) -> String {
        Forge.token(#"{"sub":"u\#(number)","exp":1900000000}"#)
    }

    @Test func `a token is remembered once it was verified, and only then`() async throws {
        let provider = Forge.provider()
        #expect(provider.remembered(token(1)) == nil)
        let principal = try await provider.verify(token(1))
        #expect(provider.remembered(token(1)) == principal)
        #expect(provider.remembered(token(2)) == nil)
        #expect(provider.remembered(token(1) + "A") == nil)
    }

    @Test func `a refused token is not remembered`() async {
        let provider = Forge.provider()
        let expired = Forge.token(#"{"sub":"u1","exp":1700000000}"#)
        #expect(await Forge.refusal(of: expired, by: provider) == .tokenExpired)
        #expect(provider.remembered(expired) == nil)
        #expect(provider.rememberedTokens == 0)
    }

    @Test func `a remembered token that has expired still says when`() async throws {
        let clock = StillClock(seconds: Forge.start)
        let provider = Forge.provider(clock: clock)
        let token = Forge.token(#"{"sub":"u1","exp":1800000060}"#)
        _ = try await provider.verify(token)
        clock.move(toMilliseconds: 1_900_000_000_000)
        #expect(provider.remembered(token)?.expiresAt == Timestamp(milliseconds: 1_800_000_060_000))
        #expect(await Forge.refusal(of: token, by: provider) == .tokenExpired)
    }

    @Test func `no more tokens are remembered than the limit says`() async throws {
        let provider = Forge.provider(remembering: 10)
        for number in 0..<100 {
            _ = try await provider.verify(token(number))
            #expect(provider.rememberedTokens <= 10)
            #expect(provider.remembered(token(number)) != nil)
        }
        #expect(provider.rememberedTokens >= 5)
        #expect(provider.remembered(token(0)) == nil)
    }

    @Test func `a token in use stays remembered while others come and go`() async throws {
        let provider = Forge.provider(remembering: 10)
        _ = try await provider.verify(token(0))
        for number in 1..<100 {
            _ = try await provider.verify(token(number))
            #expect(provider.remembered(token(0)) != nil)
            #expect(provider.rememberedTokens <= 10)
        }
    }

    @Test func `many threads may ask at once`() async throws {
        let provider = Forge.provider(remembering: 8)
        await withTaskGroup { group in
            for worker in 0..<4 {
                group.addTask {
                    for round in 0..<200 {
                        let token = token((worker + round) % 16)
                        guard provider.remembered(token) == nil else { continue }
                        #expect(await Forge.refusal(of: token, by: provider) == nil)
                    }
                }
            }
        }
        #expect(provider.rememberedTokens <= 8)
    }
}

@Suite struct AdminCredentialsTests {
    @Test func `only the key itself is the key`() {
        let credentials = AdminCredentials(key: "change-this-admin-key")
        #expect(credentials.isKey("change-this-admin-key"))
        for guess in ["", "change-this-admin-ke", "change-this-admin-key ", "Change-this-admin-key", "\0"] {
            #expect(!credentials.isKey(guess))
        }
    }
}
