import Foundation
import Synchronization

@testable import ServerTests

/// Where the clients of a run meet: which server is up, how far the writers are, what the time is.
final class Stage: Sendable {
    /// A server that can be called.
    struct Place: Sendable {
        /// Servers are counted from 0.
        var life: Int
        var era: Int
        var epoch: String
        var port: Int
    }

    private struct State: Sendable {
        var place: Place?
        /// Operations done in this life.
        var done = 0
        var writersLeft = 0
        var finals: [Final] = []
        var isOver = false
    }

    private let ticks = Atomic(0)
    private let state: Mutex<State>
    private let condition = NSCondition()

    init(writers: Int) {
        state = Mutex(State(writersLeft: writers))
    }

    /// A number higher than all before.
    func tick() -> Int {
        ticks.add(1, ordering: .sequentiallyConsistent).newValue
    }

    // MARK: For clients

    /// The server that is up, once there is one; `nil` if there will be none.
    ///
    /// - Parameter life: not this one or an earlier one, unless everything is at its end.
    func server(after life: Int = -1) throws -> Place? {
        try wait { state -> Place?? in
            if state.isOver { return .some(nil) }
            guard let place = state.place, place.life > life || !state.finals.isEmpty else { return nil }
            return .some(place)
        }
    }

    func noteOperation() {
        change { $0.done += 1 }
    }

    func noteEndOfWriter() {
        change { $0.writersLeft -= 1 }
    }

    /// What is there at the end; empty before it.
    var finals: [Final] { state.withLock { $0.finals } }

    // MARK: For the conductor

    func open(_ place: Place) {
        change { state in
            state.place = place
            state.done = 0
        }
    }

    /// The server is about to be stopped.
    func close() {
        change { $0.place = nil }
    }

    /// Ends the run; with `finals` unless it failed.
    func end(_ finals: [Final]) {
        change { state in
            state.finals = finals
            state.isOver = finals.isEmpty
        }
    }

    /// Until `operations` were done in this life, or all there are.
    func waitForOperations(_ operations: Int) throws {
        try wait { $0.done >= operations || $0.writersLeft == 0 ? true : nil }
    }

    func waitForWriters() throws {
        try wait { $0.writersLeft == 0 ? true : nil }
    }

    private func change(_ body: (inout State) -> Void) {
        condition.lock()
        state.withLock { body(&$0) }
        condition.broadcast()
        condition.unlock()
    }

    @discardableResult
    private func wait<Value: Sendable>(for answer: (State) -> Value?) throws -> Value {
        let end = Date(timeIntervalSinceNow: patience)
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let value = state.withLock({ answer($0) }) { return value }
            guard condition.wait(until: end) else { throw SocketFailure.timedOut(after: "the other clients") }
        }
    }
}
