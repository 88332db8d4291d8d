import ApusCore
import Synchronization

/// The room that all request bodies share while they are received and answered, and what each client has of it: nobody
/// can take it all.
final class BodyRoom: Sendable {
    /// Whose bodies are counted together.
    enum Client: Hashable {
        case network(String)
        case user(OwnerID)
    }

    private struct State {
        var bytes = 0
        var bytesOf: [Client: Int] = [:]
    }

    private let state: Mutex<State> = Mutex(State())

    /// Bytes taken now.
    var bytes: Int { state.withLock { $0.bytes } }

    fileprivate func take(_ count: Int, for clients: [(Client, bytesMax: Int)], bytesMax: Int) throws(ApusError) {
        let refusal: ApusError? = state.withLock { state in
            for (client, bytesMax) in clients where (state.bytesOf[client] ?? 0) + count > bytesMax {
                return .tooMany("request bodies of this client at once")
            }
            guard state.bytes + count <= bytesMax else { return .overloaded("the room for request bodies") }
            state.bytes += count
            for (client, _) in clients { state.bytesOf[client, default: 0] += count }
            return nil
        }
        if let refusal { throw refusal }
    }

    fileprivate func release(_ count: Int, for clients: [(Client, bytesMax: Int)]) {
        state.withLock { state in
            state.bytes -= count
            for (client, _) in clients {
                let left = (state.bytesOf[client] ?? 0) - count
                state.bytesOf[client] = left > 0 ? left : nil
            }
        }
    }

    /// What one request has of the room, given back when it ends: a request that was given up may still be worked on.
    final class Share {
        private let room: BodyRoom
        private let clients: [(Client, bytesMax: Int)]
        private let bytesMax: Int
        private(set) var bytes = 0

        init(of room: BodyRoom, network: String?, user: OwnerID?, limits: Limits) {
            self.room = room
            bytesMax = limits.bodiesBytesMax
            clients =
                (network.map { [(.network($0), limits.bodiesBytesPerAddressMax)] } ?? [])
                + (user.map { [(.user($0), limits.bodiesBytesPerUserMax)] } ?? [])
        }

        /// - Throws: `rate-limited` if the client would have more than its share, `overloaded` if there is no room.
        func take(_ count: Int) throws(ApusError) {
            try room.take(count, for: clients, bytesMax: bytesMax)
            bytes += count
        }

        deinit {
            if bytes > 0 { room.release(bytes, for: clients) }
        }
    }
}

extension BodyRoom {
    /// A share of the client's at this address, with this user's token if there is one.
    func share(at address: String, user: OwnerID?, limits: Limits) -> Share {
        Share(of: self, network: ClientAddress.network(of: address), user: user, limits: limits)
    }
}

extension ApusError {
    /// One client has all that one may have.
    static func tooMany(_ what: String) -> ApusError {
        var error = ApusError(.rateLimited, "there are too many \(what)")
        error.retryAfterSeconds = 5
        return error
    }

    static func headersTooLarge(_ limits: Limits) -> ApusError {
        ApusError(
            .headersTooLarge,
            "the headers have more than \(limits.headerBytesMax) bytes, or are more than \(limits.headersMax)")
    }

    /// - Parameter bytesMax: 0 for a request that has no use for a body.
    static func bodyTooLarge(bytesMax: Int) -> ApusError {
        bytesMax > 0
            ? ApusError(.bodyTooLarge, "the body has more than \(bytesMax) bytes")
            : ApusError(.bodyTooLarge, "this request has no use for so large a body")
    }

    static let stopping: ApusError = {
        var error = ApusError(.overloaded, "the server stops; nothing was written")
        error.retryAfterSeconds = 1
        return error
    }()
}
