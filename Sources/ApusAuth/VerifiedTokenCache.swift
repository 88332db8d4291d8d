import ApusCore
import Synchronization

/// The principals of tokens whose signatures were checked, by the token's text; bounded.
///
/// Two generations: what is asked for moves to the newer one, and when that is full the older one is dropped whole.
/// So a token in use stays, and making room costs one swap instead of a search.
final class VerifiedTokenCache: Sendable {
    private struct Generations {
        var newer: [String: Principal] = [:]
        var older: [String: Principal] = [:]
    }

    private let generations = Mutex(Generations())
    private let generationTokensMax: Int

    /// - Parameter tokensMax: at least 2.
    init(tokensMax: Int) {
        precondition(tokensMax >= 2)
        generationTokensMax = tokensMax / 2
    }

    var count: Int {
        generations.withLock { $0.newer.count + $0.older.count }
    }

    func principal(of token: String) -> Principal? {
        let (found, dropped) = generations.withLock { state -> (Principal?, [String: Principal]) in
            if let principal = state.newer[token] { return (principal, [:]) }
            guard let principal = state.older.removeValue(forKey: token) else { return (nil, [:]) }
            return (principal, add(principal, of: token, to: &state))
        }
        // A whole generation's memory is given back here, where nobody waits for the lock.
        _ = consume dropped
        return found
    }

    func remember(_ principal: Principal, of token: String) {
        let dropped = generations.withLock { state in
            state.older[token] = nil
            return add(principal, of: token, to: &state)
        }
        _ = consume dropped
    }

    /// Returns the generation that had to go.
    private func add(
        _ principal: Principal, of token: String, to state: inout Generations
    ) -> [String: Principal] {
        var dropped: [String: Principal] = [:]
        if state.newer.count >= generationTokensMax, state.newer[token] == nil {
            dropped = state.older
            state.older = state.newer
            state.newer = [:]
        }
        state.newer[token] = principal
        return dropped
    }
}
