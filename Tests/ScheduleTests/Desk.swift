import ApusCore
import ApusTesting
import Dispatch
import NIOCore
import NIOEmbedded
import Synchronization

@testable import ApusEngine

typealias Work = @Sendable () -> Void

/// Where everything between the event loops and the engine waits for its turn, which the schedule gives.
///
/// What is asked within one step is put in the order of those who ask: in which order an event loop gets to its
/// subscribers is not the schedule's to decide.
final class Desk: Sendable {
    /// Something to be read, of whom.
    struct Question: Sendable {
        let asker: Int
        let owner: OwnerID
        /// Reads, and puts the answer on the desk.
        let ask: @Sendable (_ done: @escaping Work) -> Void
        /// Answers with an error instead.
        let fail: Work
    }

    private struct Command: Sendable {
        let asker: Int
        let submit: @Sendable (_ done: @escaping Work) -> Void
    }

    private struct State {
        var fresh: (questions: [Question], commands: [Command]) = ([], [])
        var questions: [Question] = []
        var commands: [Command] = []
        var answers: [Work] = []
        var news: [Work] = []
    }

    private let state = Mutex(State())

    // MARK: What comes in

    func add(_ question: Question) { state.withLock { $0.fresh.questions.append(question) } }

    /// - Parameter submit: gives the command to the engine, and has `done` called once it is decided.
    func addCommand(of asker: Int, _ submit: @escaping @Sendable (_ done: @escaping Work) -> Void) {
        state.withLock { $0.fresh.commands.append(Command(asker: asker, submit: submit)) }
    }

    /// An answer to a question, on its way.
    func addAnswer(_ work: @escaping Work) { state.withLock { $0.answers.append(work) } }

    /// What the committer says: changes, revocations, answers, one after the other.
    func addNews(_ work: @escaping Work) { state.withLock { $0.news.append(work) } }

    /// Called after each step.
    func sort() {
        state.withLock { state in
            state.questions += Self.sorted(state.fresh.questions, by: \.asker)
            state.commands += Self.sorted(state.fresh.commands, by: \.asker)
            state.fresh = ([], [])
        }
    }

    private static func sorted<Element>(_ list: [Element], by key: (Element) -> Int) -> [Element] {
        guard list.count > 1 else { return list }
        return list.enumerated().sorted { (key($0.element), $0.offset) < (key($1.element), $1.offset) }.map(\.element)
    }

    // MARK: What goes out

    var isEmpty: Bool {
        state.withLock { state in
            state.questions.isEmpty && state.commands.isEmpty && state.answers.isEmpty && state.news.isEmpty
                && state.fresh.questions.isEmpty && state.fresh.commands.isEmpty
        }
    }

    func takeQuestion(_ random: inout SplitMix64) -> Question? {
        state.withLock { state in
            state.questions.indices.randomElement(using: &random).map { state.questions.remove(at: $0) }
        }
    }

    func takeAnswer(_ random: inout SplitMix64) -> Work? {
        state.withLock { state in
            state.answers.indices.randomElement(using: &random).map { state.answers.remove(at: $0) }
        }
    }

    func takeNews() -> Work? {
        state.withLock { $0.news.isEmpty ? nil : $0.news.removeFirst() }
    }

    /// Gives the engine the next `count` commands; how many there were.
    func submit(_ count: Int, done: @escaping Work) -> Int {
        let commands = state.withLock { state in
            let commands = Array(state.commands.prefix(count))
            state.commands.removeFirst(commands.count)
            return commands
        }
        for command in commands { command.submit(done) }
        return commands.count
    }
}

/// The hub, told what the schedule lets it be told.
struct HeldObserver: FeedObserver {
    let observer: any FeedObserver
    let desk: Desk
    let ledger: Ledger

    func publish(_ changes: [Change]) {
        ledger.hear(changes)
        desk.addNews { observer.publish(changes) }
    }

    func revoked(_ revocation: Revocation) { desk.addNews { observer.revoked(revocation) } }
    func presenceChanged(_ change: PresenceChange) { desk.addNews { observer.presenceChanged(change) } }
}

/// An event loop that runs what it is given when the schedule says so.
final class HeldLoop: EventLoop {
    private let tasks: Mutex<[Work]> = Mutex([])
    /// Of the same thread.
    private let embedded: EmbeddedEventLoop

    init(_ embedded: EmbeddedEventLoop) {
        self.embedded = embedded
    }

    var isIdle: Bool { tasks.withLock { $0.isEmpty } }

    func run() {
        let work = tasks.withLock { tasks in
            defer { tasks = [] }
            return tasks
        }
        for task in work { task() }
    }

    var inEventLoop: Bool { embedded.inEventLoop }
    func execute(_ task: @escaping Work) { tasks.withLock { $0.append(task) } }

    func submit<T>(_ task: @escaping @Sendable () throws -> T) -> EventLoopFuture<T> { embedded.submit(task) }

    func scheduleTask<T>(deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        embedded.scheduleTask(deadline: deadline, task)
    }

    func scheduleTask<T>(in delay: TimeAmount, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        embedded.scheduleTask(in: delay, task)
    }

    func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
        embedded.shutdownGracefully(queue: queue, callback)
    }
}
