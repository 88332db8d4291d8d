import ApusCore
import ApusTesting
import Dispatch
import Logging
import NIOEmbedded

@testable import ApusEngine
@testable import ApusHTTP

/// One life of the server, without a network: the engine, the hub and two event loops.
final class House {
    let engine: Engine
    let hub = FeedHub()
    let desk = Desk()
    let loops: [HeldLoop]
    let lanes: [Lane]
    /// Of all channels.
    let embedded: EmbeddedEventLoop
    private let backend: LedgerBackend
    private let sweeper: Sweeper?
    private var wasStopped = false

    init(on backend: LedgerBackend, clock: ManualClock, embedded: EmbeddedEventLoop) throws(ApusError) {
        self.backend = backend
        self.embedded = embedded
        var settings = EngineSettings()
        settings.rateLimitPerMinute = 0
        // A few records a page; and who has a few waiting is behind.
        settings.limits.socketBufferBytesMax = 120
        settings.limits.scopesPerSocketMax = 4
        settings.limits.framesUnderWayMax = 3
        engine = try Engine(
            storage: backend, settings: settings, clock: clock,
            logger: Logger(label: "schedule-tests", factory: { _ in SwiftLogNoOpLogHandler() }))
        sweeper = engine.services.lazy.compactMap { $0 as? Sweeper }.first
        loops = (0..<2).map { _ in HeldLoop(embedded) }
        var lanes: [Lane] = []
        for (index, loop) in loops.enumerated() {
            lanes.append(Lane(loop: loop, index: index, limits: settings.limits, hub: hub))
        }
        self.lanes = lanes
        hub.open(lanes)
        engine.attach(HeldObserver(observer: hub, desk: desk, ledger: backend.ledger))
        // The committer waits at the storage's gate after its first round, and after every other.
        wait { done in sweep(done) }
    }

    func service(for asker: Int) -> HeldService { HeldService(engine: engine, desk: desk, asker: asker) }

    /// What a connection works with.
    func context(for asker: Int) -> HTTPContext {
        let service = service(for: asker)
        return HTTPContext(
            service: service, auth: SpokenTokens(),
            settings: HTTPSettings(isAdministratorKey: { _ in false }, cursorSecret: Secret(""), version: "test"),
            cursors: CursorSealer(secret: [], epoch: service.epoch), hub: hub, log: { _, _ in })
    }

    func askForSweep() {
        desk.addCommand(of: 0) { [sweeper] done in Self.sweep(sweeper, done) }
    }

    private func sweep(_ done: @escaping Work) { Self.sweep(sweeper, done) }

    private static func sweep(_ sweeper: Sweeper?, _ done: @escaping Work) {
        sweeper?.committer.submit(.alone(Sweep { _ in done() }))
    }

    private func wait(for count: Int = 1, _ body: (@escaping Work) -> Void) {
        let semaphore = DispatchSemaphore(value: 0)
        body { semaphore.signal() }
        for _ in 0..<count { semaphore.wait() }
    }

    /// Has the next `count` commands decided, in one round of the committer.
    func commit(_ count: Int) {
        let semaphore = DispatchSemaphore(value: 0)
        let submitted = desk.submit(count) { semaphore.signal() }
        guard submitted > 0 else { return }
        backend.letCommit()
        for _ in 0..<submitted { semaphore.wait() }
    }

    func ask(_ question: Desk.Question) {
        wait { question.ask($0) }
    }

    func stop() {
        guard !wasStopped else { return }
        wasStopped = true
        backend.letFinish()
        engine.stop()
    }

    deinit { stop() }
}

/// A token that says itself who it is for: `user/id/end/generation`.
private struct SpokenTokens: AuthProvider {
    func remembered(_ token: String) -> Principal? {
        let parts = token.split(separator: "/")
        guard parts.count == 4, let end = Int64(parts[2]) else { return nil }
        return Principal(
            user: OwnerID(stored: String(parts[0])), tokenID: String(parts[1]), issuedAt: nil,
            expiresAt: Timestamp(milliseconds: end), generation: Int64(parts[3]))
    }

    func verify(_ token: String) async throws(ApusError) -> Principal { throw ApusError(.unauthenticated, "nobody") }
    func sign(_ grant: TokenGrant) async throws(ApusError) -> String { throw ApusError(.unauthenticated, "nobody") }
}
