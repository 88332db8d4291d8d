import Glibc
import Synchronization

/// A thread of our own for work that blocks.
final class WorkerThread: Sendable {
    private let handle: Mutex<pthread_t?>

    /// Starts a thread that runs `body` once.
    init(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let start = Unmanaged.passRetained(Start(body: body))
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                start.body()
                return nil
            }, start.toOpaque())
        precondition(failure == 0, "no thread could be started: \(failure)")
        handle = Mutex(thread)
    }

    /// Waits until `body` has returned.
    func join() {
        let thread = handle.withLock { handle in
            defer { handle = nil }
            return handle
        }
        if let thread { pthread_join(thread, nil) }
    }
}

private final class Start: Sendable {
    let body: @Sendable () -> Void

    init(body: @escaping @Sendable () -> Void) {
        self.body = body
    }
}
