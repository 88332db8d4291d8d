import ApusCore
import Synchronization

/// Every revocation in force, in memory: about 150 bytes for each revoked token that has not ended and for each user
/// whose tokens were ever revoked together.
final class RevocationList: Sendable {
    private struct State {
        var tokens: [ExactText: Timestamp] = [:]
        var cutoffs: [OwnerID: TokenCutoff] = [:]
    }

    private let state: Mutex<State>

    init(tokens: [TokenRevocation], cutoffs: [TokenCutoff]) {
        var state = State()
        for revocation in tokens { state.tokens[ExactText(stored: revocation.tokenID)] = revocation.keepUntil }
        for cutoff in cutoffs { state.cutoffs[cutoff.user] = cutoff }
        self.state = Mutex(state)
    }

    func revokes(_ principal: Principal) -> Bool {
        state.withLock { state in
            if let id = principal.tokenID, state.tokens[ExactText(stored: id)] != nil { return true }
            return state.cutoffs[principal.user]?.revokes(principal) ?? false
        }
    }

    func insert(_ revocation: Revocation) {
        state.withLock { state in
            switch revocation {
            case .token(let token): state.tokens[ExactText(stored: token.tokenID)] = token.keepUntil
            case .user(let cutoff): state.cutoffs[cutoff.user] = cutoff
            }
        }
    }

    func forget(endedBefore moment: Timestamp) {
        state.withLock { state in
            guard state.tokens.contains(where: { $0.value < moment }) else { return }
            state.tokens = state.tokens.filter { $0.value >= moment }
        }
    }

    /// Until when the token's revocation is kept, if it was revoked before.
    func keptUntil(_ tokenID: String) -> Timestamp? {
        state.withLock { $0.tokens[ExactText(stored: tokenID)] }
    }

    /// How often the user's tokens were revoked together.
    func generation(of user: OwnerID) -> Int64 {
        state.withLock { $0.cutoffs[user]?.generation ?? 0 }
    }

    /// The cutoff that revokes every token the user has now.
    func nextCutoff(of user: OwnerID, at now: Timestamp) -> TokenCutoff {
        let last = state.withLock { $0.cutoffs[user] }
        return TokenCutoff(
            user: user, generation: (last?.generation ?? 0) + 1, issuedThrough: max(last?.issuedThrough ?? now, now))
    }
}
