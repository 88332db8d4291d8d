import ApusCore
import Logging
import Synchronization

/// The one thread that writes: it takes everything that waits, decides it in one transaction, commits once for all,
/// tells the observers, and only then answers.
///
/// After a disk error it acknowledges nothing more: a later fsync that succeeds says nothing about what an earlier one
/// lost.
final class Committer: Sendable {
    private let mailbox: Mailbox<Command>
    private let context: CommitContext
    private let thread: Mutex<WorkerThread?> = Mutex(nil)
    private let latched: Mutex<ApusError?> = Mutex(nil)

    /// Requests decided in one transaction: enough to share an fsync, few enough to keep its answers quick.
    private static let batchRequestsMax = 4096
    private static let batchBytesMax = 32 << 20

    /// - Throws: what the storage throws when it is asked for the end of its audit log.
    init(writer: sending any StorageWriter, context: CommitContext) throws(ApusError) {
        mailbox = Mailbox(
            countMax: context.settings.limits.commandsWaitingMax,
            costMax: context.settings.limits.commandBytesWaitingMax)
        self.context = context
        let chain = try AuditChain(of: writer)
        let writer = SendOnce(writer)
        thread.withLock { thread in
            thread = WorkerThread { [self] in run(writer.value, chain) }
        }
    }

    /// Set once the disk has failed.
    var fault: ApusError? { latched.withLock { $0 } }

    /// Commands that wait for their turn.
    var waitingCount: Int { mailbox.count }

    /// Puts `command` at the end of the queue; when it is full, fails it at once.
    func submit(_ command: Command) {
        guard mailbox.offer(command, cost: command.cost) else {
            command.fail(.overloaded("the write queue"))
            return
        }
    }

    /// Finishes what was accepted, leaves the files whole, and returns.
    func stop() {
        mailbox.close()
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        running?.join()
    }

    private func run(_ writer: any StorageWriter, _ chain: AuditChain) {
        var chain = chain
        while let commands = mailbox.take(upTo: Self.batchRequestsMax, costMax: Self.batchBytesMax) {
            var rest = commands[...]
            while let first = rest.first {
                let group = first.isWrite ? rest.prefix { $0.isWrite } : rest.prefix(1)
                rest = rest.dropFirst(group.count)
                commit(group, with: writer, chain: &chain)
            }
            if fault == nil { maintain(writer) }
        }
        writer.close()
    }

    private func commit(_ commands: ArraySlice<Command>, with writer: any StorageWriter, chain: inout AuditChain) {
        if let fault {
            for command in commands { command.fail(fault) }
            return
        }
        do throws(ApusError) {
            let start = ContinuousClock.now
            let (outcome, chained) = try writer.transaction {
                [chain] (transaction) throws(ApusError) -> (CommitOutcome, AuditChain) in
                let transaction = ChainingTransaction(transaction, chain: chain)
                let outcome = try Command.decide(commands, in: transaction, context: context)
                return (outcome, transaction.chain)
            }
            let duration = ContinuousClock.now - start
            chain = chained
            if !outcome.changes.isEmpty || commands.first?.isWrite == true {
                context.meters.committed(requests: commands.count, changes: outcome.changes.count, in: duration)
            }
            if !outcome.changes.isEmpty { context.observers.publish(outcome.changes) }
            for revocation in outcome.revocations { context.take(revocation) }
            for answer in outcome.answers { answer() }
        } catch {
            latch(error)
            for command in commands { command.fail(error) }
        }
    }

    private func maintain(_ writer: any StorageWriter) {
        do throws(ApusError) {
            try writer.maintain()
        } catch {
            latch(error)
        }
    }

    private func latch(_ error: ApusError) {
        guard error.code == .storageUnavailable, fault == nil else { return }
        latched.withLock { $0 = error }
        context.logger.critical(
            "the storage failed; no write is taken until the server is restarted",
            metadata: ["cause": "\(error.cause ?? error.message)"])
    }
}

/// What one transaction decided: whom to tell once it is durable.
struct CommitOutcome {
    var changes: [Change] = []
    var revocations: [Revocation] = []
    var answers: [@Sendable () -> Void] = []
}

/// What every commit needs besides its commands.
struct CommitContext: Sendable {
    let settings: EngineSettings
    let clock: any WallClock
    let revocations: RevocationList
    let observers: Observers
    let presence: Presence
    let makeTokenID: @Sendable () -> String
    let meters: EngineMeters
    let logger: Logger

    /// Makes a committed revocation take effect.
    func take(_ revocation: Revocation) {
        revocations.insert(revocation)
        observers.revoked(revocation)
    }
}

/// Hands a value that is not `Sendable` to the one thread that will own it.
struct SendOnce<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}
