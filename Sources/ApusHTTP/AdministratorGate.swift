import ApusCore
import NIOCore
import NIOHTTP1

/// The administrator who asks.
enum Administrator: Hashable, Sendable {
    case key
    case login(name: String)

    /// What the audit log calls them.
    var actor: String {
        switch self {
        case .key: "admin"
        case .login(let name): "admin:\(name)"
        }
    }
}

/// Lets administrators in: from an allowed address, with the key or with the login.
struct AdministratorGate {
    let context: HTTPContext
    let lane: Lane

    static let basicChallenge = "Basic realm=\"Apus\", charset=\"UTF-8\""

    /// Whether everything at and below this path is the administrator's, also what is not there: whoever is not let in
    /// does not learn which.
    static func guards(_ target: RequestTarget) -> Bool {
        let segments = target.segments
        return segments.first == "admin" || segments.count > 1 && segments[0] == "v1" && segments[1] == "admin"
    }

    /// `then` is called on the event loop: at once, unless a login has to be verified.
    func admit(_ exchange: Exchange, then: @escaping (Result<Administrator, ApusError>) -> Void) {
        exchange.isAdministrators = true
        let isPage = exchange.target.segments.first == "admin"
        // A browser asks for name and password where it is told to; without a password there is nothing to ask for.
        if isPage, context.settings.login != nil { exchange.challenge = Self.basicChallenge }
        do throws(ApusError) {
            try checkAddress(exchange)
            if let key = exchange.header("X-Admin-Api-Key"), !key.isEmpty {
                try checkKey(key, exchange)
                try admitRequest(exchange)
                then(.success(.key))
            } else {
                guard let provider = context.settings.login else {
                    throw Self.stranger(
                        isPage
                            ? "nobody can log in here, because ADMIN_PASSWORD is not set; X-Admin-Api-Key is missing"
                            : "X-Admin-Api-Key is missing or wrong")
                }
                guard let login = Login(basic: exchange.header("Authorization")) else {
                    throw Self.stranger("neither X-Admin-Api-Key nor a login is there")
                }
                try OwnOrigin.check(exchange.head)
                check(login, provider, exchange, then)
            }
        } catch {
            then(.failure(error))
        }
    }

    private static func stranger(_ message: String) -> ApusError { ApusError(.unauthenticated, message) }

    private func checkAddress(_ exchange: Exchange) throws(ApusError) {
        let allowlist = context.settings.adminAllowlist
        guard allowlist.isEmpty || allowlist.contains(where: { $0.contains(exchange.address) }) else {
            throw ApusError(.ipNotAllowed, "this address may not use the administrator's routes")
        }
    }

    /// A key that nobody can guess is looked at however many wrong ones came from the address: its owner must not be
    /// locked out by others behind it.
    private func checkKey(_ key: String, _ exchange: Exchange) throws(ApusError) {
        if context.settings.isKeyGuessable {
            try context.service.admitGuess(of: .key, from: exchange.address)
        }
        guard !context.settings.isAdministratorKey(key) else { return }
        try context.service.admitGuess(of: .key, from: exchange.address)
        context.service.noteWrongGuess(of: .key, origin: exchange.strangersOrigin)
        exchange.isRefusalNoted = true
        throw Self.stranger("X-Admin-Api-Key is missing or wrong")
    }

    private func check(
        _ login: Login, _ provider: any LoginProvider, _ exchange: Exchange,
        _ then: @escaping (Result<Administrator, ApusError>) -> Void
    ) {
        guard !provider.remembers(login) else {
            then(admitted(provider, exchange))
            return
        }
        let (service, origin) = (context.service, exchange.strangersOrigin)
        let admit: @Sendable () throws(ApusError) -> Void = { () throws(ApusError) in
            try service.admitGuess(of: .password, from: origin.ip)
        }
        do throws(ApusError) {
            // It is asked again when the login's turn comes, but not everybody needs to wait for that.
            try admit()
        } catch {
            then(.failure(error))
            return
        }
        let bound = NIOLoopBound((self, exchange, then), eventLoop: lane.loop)
        provider.verify(login, admit: admit) { [lane] result in
            if case .success(false) = result { service.noteWrongGuess(of: .password, origin: origin) }
            lane.post {
                let (gate, exchange, then) = bound.value
                then(
                    result.flatMap { isRight in
                        guard !isRight else { return gate.admitted(provider, exchange) }
                        exchange.isRefusalNoted = true
                        return .failure(Self.stranger("the name or the password is wrong"))
                    })
            }
        }
    }

    private func admitted(_ provider: any LoginProvider, _ exchange: Exchange) -> Result<Administrator, ApusError> {
        do throws(ApusError) {
            try admitRequest(exchange)
            return .success(.login(name: provider.name))
        } catch {
            return .failure(error)
        }
    }

    /// The dashboard's files are many and only bytes in memory: one look at the page must not use up the limit.
    private func admitRequest(_ exchange: Exchange) throws(ApusError) {
        guard !exchange.target.segments.starts(with: ["admin", "assets"]) else { return }
        try context.service.admitAdministrator(from: exchange.address)
    }
}

extension Login {
    /// From an `Authorization` header of the scheme `Basic` (RFC 7617); `nil` for any other.
    init?(basic header: String?) {
        guard let header else { return nil }
        let scheme = "basic ".utf8
        guard header.utf8.count > scheme.count, zip(header.utf8, scheme).allSatisfy({ $0 | 0x20 == $1 }) else {
            return nil
        }
        let text = header.utf8.dropFirst(scheme.count).drop { $0 == UInt8(ascii: " ") }
        guard let bytes = Base64.decode(text), let decoded = String(validating: bytes, as: UTF8.self),
            let colon = decoded.utf8.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        self.init(name: String(decoded[..<colon]), password: Secret(String(decoded[colon...].utf8.dropFirst()) ?? ""))
    }
}
