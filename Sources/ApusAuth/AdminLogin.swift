public import ApusCore
import Crypto
import CryptoExtras
import Foundation
import Synchronization

/// The administrator's name and password, of which only a salted hash is kept (scrypt, RFC 7914).
///
/// A login that was right is remembered for a few minutes by a digest with a key of this process's own, so that the
/// requests of an open page cost nothing.
public final class AdminLogin: LoginProvider {
    private struct Job {
        let login: Login
        let admit: @Sendable () throws(ApusError) -> Void
        let then: Completion<Bool>
    }

    private struct Desk {
        var waiting: [Job] = []
        var isManned = false
    }

    /// There is one right login, so there is one to remember.
    private struct Remembered {
        let digest: SymmetricKey
        var until: Timestamp
    }

    public let name: String
    private let nameDigest: SHA256Digest
    private let salt: [UInt8]
    private let passwordHash: SymmetricKey
    private let memoryKey = SymmetricKey(size: .bits256)
    private let clock: any WallClock
    private let waitingMax: Int
    private let desk = Mutex(Desk())
    private let remembered: Mutex<Remembered?> = Mutex(nil)

    /// From the last request on.
    private static let memorySeconds: Int64 = 300

    /// - Parameters:
    ///   - password: not empty; the settings see to that.
    ///   - waitingMax: how many logins may wait to be looked at.
    public init(name: String, password: String, clock: any WallClock, waitingMax: Int = 16) {
        precondition(!password.isEmpty)
        self.name = name
        self.clock = clock
        self.waitingMax = waitingMax
        nameDigest = Self.digest(of: name)
        let salt = SymmetricKey(size: .bits128).withUnsafeBytes { Array($0) }
        self.salt = salt
        guard let hash = Self.hash(of: password, salt: salt) else {
            preconditionFailure("there is no memory for a password's hash")
        }
        passwordHash = hash
    }

    public func remembers(_ login: Login) -> Bool {
        let now = clock.now()
        return remembered.withLock { remembered in
            guard let kept = remembered else { return false }
            guard now < kept.until else {
                remembered = nil
                return false
            }
            guard kept.digest == memoryDigest(of: login) else { return false }
            remembered?.until = now.advanced(bySeconds: Self.memorySeconds)
            return true
        }
    }

    public func verify(
        _ login: Login, admit: @escaping @Sendable () throws(ApusError) -> Void, then: @escaping Completion<Bool>
    ) {
        let (isTaken, needsThread) = desk.withLock { desk in
            guard desk.waiting.count < waitingMax else { return (false, false) }
            desk.waiting.append(Job(login: login, admit: admit, then: then))
            defer { desk.isManned = true }
            return (true, !desk.isManned)
        }
        guard isTaken else {
            then(.failure(.overloaded("the queue of logins")))
            return
        }
        // It lives as long as there are logins to look at, which is hardly ever.
        if needsThread { Thread.detachNewThread { [self] in work() } }
    }

    private func work() {
        while let job = nextJob() {
            let result: Result<Bool, ApusError>
            do throws(ApusError) {
                // One page asks several times at once.
                if remembers(job.login) {
                    result = .success(true)
                } else {
                    try job.admit()
                    result = .success(isRight(job.login))
                }
            } catch {
                result = .failure(error)
            }
            job.then(result)
        }
    }

    private func nextJob() -> Job? {
        desk.withLock { desk in
            guard !desk.waiting.isEmpty else {
                desk.isManned = false
                return nil
            }
            return desk.waiting.removeFirst()
        }
    }

    /// The password is looked at whatever the name, so that the time taken tells nothing of the name.
    private func isRight(_ login: Login) -> Bool {
        let isPassword = Self.hash(of: login.password.text, salt: salt) == passwordHash
        let isName = Self.digest(of: login.name) == nameDigest
        guard isPassword, isName else { return false }
        let digest = memoryDigest(of: login)
        let until = clock.now().advanced(bySeconds: Self.memorySeconds)
        remembered.withLock { $0 = Remembered(digest: digest, until: until) }
        return true
    }

    private func memoryDigest(of login: Login) -> SymmetricKey {
        // No name has a colon, so no two logins are the same bytes.
        let code = HMAC<SHA256>.authenticationCode(
            for: Array("\(login.name):\(login.password.text)".utf8), using: memoryKey)
        return SymmetricKey(data: code)
    }

    private static func digest(of text: String) -> SHA256Digest {
        SHA256.hash(data: Array(text.utf8))
    }

    /// About 40 ms and 16 MiB. `nil` for an empty password, which is nobody's and which the function does not take.
    private static func hash(of password: String, salt: [UInt8]) -> SymmetricKey? {
        guard !password.isEmpty else { return nil }
        return try? KDF.Scrypt.deriveKey(
            from: Array(password.utf8), salt: salt, outputByteCount: 32, rounds: 1 << 14, blockSize: 8, parallelism: 1)
    }
}
