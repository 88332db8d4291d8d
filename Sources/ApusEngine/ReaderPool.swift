import ApusCore

/// A few threads, each with a reader of its own, that answer reads.
final class ReaderPool: Sendable {
    typealias Job = @Sendable (any StorageReader) -> Void

    private let mailbox: Mailbox<Job>
    private let threads: [WorkerThread]

    /// Jobs a thread takes at once: more share a wake-up, fewer share the work evenly.
    private static let jobsAtOnce = 32

    init(readers: sending [any StorageReader], waitingMax: Int) {
        let mailbox = Mailbox<Job>(countMax: waitingMax, costMax: .max)
        self.mailbox = mailbox
        threads = readers.map { reader in
            let reader = SendOnce(reader)
            return WorkerThread {
                while let jobs = mailbox.take(upTo: Self.jobsAtOnce) {
                    for job in jobs { job(reader.value) }
                }
            }
        }
    }

    /// Answers with what `body` reads, or `overloaded` at once.
    func read<Answer: Sendable>(
        then: @escaping Completion<Answer>, _ body: @escaping @Sendable (any StorageReader) throws(ApusError) -> Answer
    ) {
        let isQueued = mailbox.offer { reader in
            do throws(ApusError) {
                then(.success(try body(reader)))
            } catch {
                then(.failure(error))
            }
        }
        if !isQueued { then(.failure(.overloaded("the read queue"))) }
    }

    /// Finishes what was accepted and returns.
    func stop() {
        mailbox.close()
        for thread in threads { thread.join() }
    }
}
