import ApusCore
import ApusMemory
import ApusTesting
import Dispatch
import Logging
import Synchronization

@testable import ApusEngine

/// An engine over a storage in memory that can be made to fail, on a clock that the test moves.
final class EngineStage {
    let clock = ManualClock(start)
    let backend: FaultyBackend
    let engine: Engine
    let witness = Witness()

    /// - Parameter backend: one that an earlier engine has let go of.
    init(backend: FaultyBackend? = nil, _ change: (inout EngineSettings) -> Void = { _ in }) throws {
        var settings = EngineSettings()
        change(&settings)
        self.backend = backend ?? FaultyBackend(MemoryBackend(makeEpoch: { "epoch" }))
        let count = Mutex(0)
        engine = try Engine(
            storage: self.backend, settings: settings, clock: clock,
            makeTokenID: {
                count.withLock { count in
                    count += 1
                    return "token-\(count)"
                }
            }, logger: Logger(label: "engine-tests", factory: { _ in SwiftLogNoOpLogHandler() }))
        engine.attach(witness)
    }

    deinit {
        engine.stop()
    }

    /// The one answer that `ask` gets.
    func answer<Answer: Sendable>(
        _ ask: (@escaping Completion<Answer>) -> Void
    ) async -> Result<Answer, ApusError> {
        await withCheckedContinuation { continuation in ask { continuation.resume(returning: $0) } }
    }

    func write(_ request: WriteRequest) async -> Result<WriteAnswer, ApusError> {
        await answer { engine.write(request, then: $0) }
    }

    @discardableResult
    func write(_ item: WriteItem, owner: String = "u1") async -> Result<WriteAnswer, ApusError> {
        await write(.single(item, owner: owner))
    }

    func record(_ key: String, owner: String = "u1") async throws -> Record {
        try await answer { engine.record(at: RecordAddress(key, owner: owner), then: $0) }.get()
    }

    func changes(
        after: Int64 = 0, baseline: Int64 = 0, owner: String = "u1", limit: Int = 1000
    ) async -> Result<ChangesPage, ApusError> {
        let position = ChangesPosition(after: SequenceNumber(after), baseline: SequenceNumber(baseline))
        return await changes(from: .position(position), owner: owner, limit: limit)
    }

    func changes(
        from place: ChangesQuery.Start, owner: String = "u1", limit: Int = 1000
    ) async -> Result<ChangesPage, ApusError> {
        await answer {
            engine.changes(
                ChangesQuery(owner: OwnerID(stored: owner), scope: .everything, start: place, limit: limit), then: $0)
        }
    }

    func issue(_ user: String = "u1", name: String? = nil, ttlSeconds: Int64? = nil) async throws -> IssuedToken {
        let request = TokenRequest(
            user: OwnerID(stored: user), displayName: name, claims: nil, ttlSeconds: ttlSeconds, origin: .admin)
        return try await answer { engine.issueToken(request, then: $0) }.get()
    }

    /// Sweeps until nothing is left, as the service does; how many parts it took.
    @discardableResult
    func sweep() async throws -> Int {
        let sweeper = try sweeper()
        for part in 1...1000 {
            let hasMore = await answer { sweeper.committer.submit(.alone(Sweep(then: $0))) }
            if try !hasMore.get() { return part }
        }
        throw ApusError(.overloaded, "sweeping does not end")
    }

    func sweeper() throws -> Sweeper {
        guard let sweeper = engine.services.lazy.compactMap({ $0 as? Sweeper }).first else {
            throw ApusError(.notFound, "the engine has no sweeper")
        }
        return sweeper
    }

    func presenceWatch() throws -> PresenceWatch {
        guard let watch = engine.services.lazy.compactMap({ $0 as? PresenceWatch }).first else {
            throw ApusError(.notFound, "the engine watches no presence")
        }
        return watch
    }

    /// What the storage holds, tombstones and all.
    func reader() throws -> any StorageReader { try backend.openReader() }

    /// Holds the committer's thread in the answer of a write until the gate is opened.
    func holdCommitter() async -> Gate {
        let gate = Gate()
        await withCheckedContinuation { continuation in
            engine.write(.single(.set("gate"), owner: "gate")) { _ in
                continuation.resume()
                gate.pass()
            }
        }
        return gate
    }
}

extension RequestOrigin {
    static let admin = RequestOrigin(actor: "admin", ip: "192.0.2.9", requestID: "r9")
}

/// Lets a thread through once it is open.
final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    func pass() { semaphore.wait() }
    func open() { semaphore.signal() }
}

/// Answers that come in on threads of the engine's, in the order they come.
final class Log<Entry: Sendable>: Sendable {
    private let kept: Mutex<[Entry]> = Mutex([])

    var entries: [Entry] { kept.withLock { $0 } }

    func append(_ entry: Entry) {
        kept.withLock { $0.append(entry) }
    }

    /// Waits until `count` entries are there.
    func wait(for count: Int) async {
        while entries.count < count { await Task.yield() }
    }
}

/// Sees what every subscriber would.
final class Witness: FeedObserver {
    private let seen: Mutex<(commits: [[Change]], revocations: [Revocation])> = Mutex(([], []))
    private let comings: Mutex<[PresenceChange]> = Mutex([])

    func publish(_ changes: [Change]) {
        seen.withLock { $0.commits.append(changes) }
    }

    func revoked(_ revocation: Revocation) {
        seen.withLock { $0.revocations.append(revocation) }
    }

    func presenceChanged(_ change: PresenceChange) {
        comings.withLock { $0.append(change) }
    }

    /// `device on` and `device off`, in the order told.
    var presence: [String] {
        comings.withLock { changes in changes.map { "\($0.device) \($0.isOnline ? "on" : "off")" } }
    }

    var commits: [[Change]] { seen.withLock { $0.commits } }
    var revocations: [Revocation] { seen.withLock { $0.revocations } }

    func changes(of owner: String = "u1") -> [Change] {
        commits.joined().filter { $0.record.address.owner.text == owner }
    }

    func stories(of owner: String = "u1") -> [String] { changes(of: owner).map(\.record.story) }
}
