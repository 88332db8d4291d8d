import ApusCore
import NIOCore
import NIOHTTP1

/// From a token to an admitted principal: remembered tokens at once, others after a task has verified them.
struct Authentication {
    let context: HTTPContext
    let lane: Lane

    /// Whose token it is, and what is left to them.
    typealias Admitted = (principal: Principal, allowance: Allowance?)

    /// `then` is called on the event loop, at once or later.
    ///
    /// - Parameter address: the client's, against which a token counts that was never good.
    func admit(
        _ token: String, from address: String, then: @escaping (Result<Admitted, ApusError>) -> Void
    ) {
        do throws(ApusError) {
            if let principal = context.auth.remembered(token) {
                then(admitted(principal))
                return
            }
            try context.service.admitGuess(of: .token, from: address)
        } catch {
            then(.failure(error))
            return
        }
        let bound = NIOLoopBound(then, eventLoop: lane.loop)
        let auth = context.auth
        Task { [context, lane] in
            let verified: Result<Principal, ApusError>
            do throws(ApusError) {
                verified = .success(try await auth.verify(token))
            } catch {
                verified = .failure(error)
                if error.code == .unauthenticated {
                    context.service.noteWrongGuess(
                        of: .token, origin: RequestOrigin(actor: "unknown", ip: address, requestID: ""))
                }
            }
            lane.post {
                let result = verified.flatMap { Authentication(context: context, lane: lane).admitted($0) }
                bound.value(result)
            }
        }
    }

    private func admitted(_ principal: Principal) -> Result<Admitted, ApusError> {
        do throws(ApusError) {
            return .success((principal, try context.service.admit(principal)))
        } catch {
            return .failure(error)
        }
    }

    /// The token of an `Authorization: Bearer` header.
    static func bearer(_ headers: HTTPHeaders) -> String? {
        guard let value = headers.first(name: "Authorization") else { return nil }
        let scheme = "bearer ".utf8
        guard value.utf8.count > scheme.count, zip(value.utf8, scheme).allSatisfy({ $0 | 0x20 == $1 }) else {
            return nil
        }
        let token = value.utf8.dropFirst(scheme.count).drop { $0 == UInt8(ascii: " ") }
        return token.isEmpty ? nil : String(Substring(token))
    }
}
