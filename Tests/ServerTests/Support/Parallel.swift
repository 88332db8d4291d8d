import Foundation
import Synchronization

/// Runs `body` at once on `count` threads of its own, and gives back what each returned, in order.
func inParallel<Answer: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (Int) throws -> Answer
) throws -> [Answer] {
    let background = (0..<count).map { index in Background { try body(index) } }
    return try background.map { try $0.wait() }
}

/// Work on a thread of its own, so that it may block.
final class Background<Answer: Sendable>: Sendable {
    private let result = Mutex<Result<Answer, any Error>?>(nil)
    private let finished = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () throws -> Answer) {
        Thread.detachNewThread { [self] in
            let outcome = Result { try body() }
            result.withLock { $0 = outcome }
            finished.signal()
        }
    }

    /// Waits without holding a thread of the test runner's.
    func value() async throws -> Answer {
        while !isFinished { try await Task.sleep(for: .milliseconds(50)) }
        return try wait()
    }

    var isFinished: Bool { result.withLock { $0 != nil } }

    /// Waits for the end of the work; at most four times as long as anything it waits for itself.
    func wait() throws -> Answer {
        guard finished.wait(timeout: .now() + 4 * patience) == .success else {
            throw SocketFailure.timedOut(after: "background work")
        }
        finished.signal()
        guard let outcome = result.withLock({ $0 }) else { throw SocketFailure.closed }
        return try outcome.get()
    }
}

/// Something that one thread at a time uses, handed over to another.
struct Sole<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
