import ApusCore
import ApusEngine
import Dispatch
import Synchronization

/// A question to the engine, and what a good answer to it counts.
struct EngineCall {
    enum Question {
        case write(WriteRequest)
        case read(RecordAddress)
        case list(ListQuery)
        case changes(ChangesQuery)
    }

    let question: Question
    /// Items applied, or records returned.
    let units: Int
}

/// Calls by clients that each have one under way: the next follows the answer at once, from one thread.
final class EngineLoad {
    private let subject: EngineSubject
    private let sources: [(weight: Int, next: () -> EngineCall?)]
    private let answers = AnswerBox()
    private let clients: Int
    private var generator: SeededGenerator
    private var latencies: [Latencies]
    private var amounts: [Int]
    private var underWay = 0

    init(
        _ subject: EngineSubject, clients: Int, seed: UInt64 = 1,
        sources: [(weight: Int, next: () -> EngineCall?)]
    ) {
        self.subject = subject
        self.clients = clients
        self.sources = sources
        generator = SeededGenerator(seed: seed)
        latencies = Array(repeating: Latencies(), count: sources.count)
        amounts = Array(repeating: 0, count: sources.count)
    }

    /// Measures for `seconds`, after as much of the same work for `warmUp` seconds, each source by itself.
    func run(warmUp: Double, seconds: Double) throws -> [Measurement] {
        for _ in 0..<clients { ask() }
        try serve(until: Moment.now.after(seconds: warmUp))
        latencies = Array(repeating: Latencies(), count: sources.count)
        amounts = Array(repeating: 0, count: sources.count)
        let meter = Meter(subject)
        try serve(until: Moment.now.after(seconds: seconds))
        let measurements = zip(amounts, latencies).map { meter.measurement(amount: $0, latencies: $1) }
        while underWay > 0 { _ = try take() }
        return measurements
    }

    /// Measures until the one source has no more calls.
    func runOut() throws -> Measurement {
        let meter = Meter(subject)
        for _ in 0..<clients { ask() }
        while underWay > 0 { for _ in 0..<(try take()) { ask() } }
        return meter.measurement(amount: amounts[0], latencies: latencies[0])
    }

    private func serve(until deadline: Moment) throws {
        while Moment.now < deadline { for _ in 0..<(try take()) { ask() } }
    }

    /// Waits for answers, counts them, and says how many there were.
    private func take() throws -> Int {
        let taken = try answers.take()
        for answer in taken {
            guard answer.isGood else { throw BenchError("the engine answered: \(answer.complaint)") }
            latencies[answer.kind].record(answer.at - answer.askedAt)
            amounts[answer.kind] += answer.units
        }
        underWay -= taken.count
        return taken.count
    }

    private func ask() {
        let kind = drawKind()
        guard let call = sources[kind].next() else { return }
        underWay += 1
        let receipt = Receipt(kind: kind, units: call.units, askedAt: .now, answers: answers)
        switch call.question {
        case .write(let request): subject.engine.write(request) { receipt.take($0) { $0.applied } }
        case .read(let address): subject.engine.record(at: address) { receipt.take($0) { _ in 1 } }
        case .list(let query): subject.engine.list(query) { receipt.take($0) { $0.records.count } }
        case .changes(let query): subject.engine.changes(query) { receipt.take($0) { $0.records.count } }
        }
    }

    private func drawKind() -> Int {
        guard sources.count > 1 else { return 0 }
        var rest = generator.next(below: sources.reduce(0) { $0 + $1.weight })
        for (kind, source) in sources.enumerated() {
            if rest < source.weight { return kind }
            rest -= source.weight
        }
        return 0
    }
}

/// Turns what the engine says, on a thread of its own, into an answer for the thread that asked.
private struct Receipt: Sendable {
    let kind: Int
    let units: Int
    let askedAt: Moment
    let answers: AnswerBox

    func take<Value>(_ result: Result<Value, ApusError>, _ count: (Value) -> Int) {
        var answer = EngineAnswer(kind: kind, units: units, askedAt: askedAt, at: .now)
        switch result {
        case .success(let value):
            let counted = count(value)
            if counted != units { answer.complaint = "\(counted) where \(units) were due" }
        case .failure(let error): answer.complaint = "\(error.code.rawValue): \(error.message) \(error.cause ?? "")"
        }
        answers.put(answer)
    }
}

private struct EngineAnswer: Sendable {
    let kind: Int
    let units: Int
    let askedAt: Moment
    let at: Moment
    var complaint = ""

    var isGood: Bool { complaint.isEmpty }
}

/// Answers on their way from the engine's threads to ours.
private final class AnswerBox: Sendable {
    private let waiting: Mutex<[EngineAnswer]> = Mutex([])
    private let arrived = DispatchSemaphore(value: 0)

    func put(_ answer: EngineAnswer) {
        let isFirst = waiting.withLock { waiting in
            waiting.append(answer)
            return waiting.count == 1
        }
        if isFirst { arrived.signal() }
    }

    /// Waits until there is at least one, at most 30 s, and takes all.
    func take() throws -> [EngineAnswer] {
        guard arrived.wait(timeout: .now() + 30) == .success else { throw BenchError("the engine was silent for 30 s") }
        return waiting.withLock { waiting in
            defer { waiting.removeAll(keepingCapacity: true) }
            return waiting
        }
    }
}

extension WriteAnswer {
    fileprivate var applied: Int {
        guard case .decided(let results) = self else { return 0 }
        return results.count { if case .applied = $0 { true } else { false } }
    }
}
