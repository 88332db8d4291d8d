import ApusCore
import ApusProtocol
import NIOCore
import Synchronization

/// The administrators who watch all owners' changes as they happen. While there are none, a commit costs one look at
/// a number.
final class ChangeTails: Sendable {
    private let count = Atomic<Int>(0)
    private let tails: Mutex<[ObjectIdentifier: ChangeTail]> = Mutex([:])

    static let countMax = 16

    var isFull: Bool { count.load(ordering: .relaxed) >= Self.countMax }

    /// Everything that is published from now on waits in the tail; `nil` if there are as many as there may be.
    ///
    /// - Parameter bytesMax: of events that may wait for its reader.
    func open(_ filter: TailFilter, bytesMax: Int) -> ChangeTail? {
        tails.withLock { tails in
            guard tails.count < Self.countMax else { return nil }
            let tail = ChangeTail(filter: filter, bytesMax: bytesMax)
            tails[ObjectIdentifier(tail)] = tail
            count.store(tails.count, ordering: .releasing)
            return tail
        }
    }

    func close(_ tail: ChangeTail) {
        tails.withLock { tails in
            tails[ObjectIdentifier(tail)] = nil
            count.store(tails.count, ordering: .releasing)
        }
        tail.stop()
    }

    func publish(_ changes: [Change]) {
        guard count.load(ordering: .acquiring) > 0 else { return }
        let tails = tails.withLock { Array($0.values) }
        for change in changes {
            // Encoded at most once, whoever gets it.
            var event: ByteBuffer?
            for tail in tails where tail.filter.contains(change.record.address) {
                var bytes = event ?? ByteBuffer()
                if event == nil { bytes.writeServerSentChange(change) }
                event = bytes
                tail.offer(bytes)
            }
        }
    }
}

/// Which changes a tail is about.
struct TailFilter: Hashable, Sendable {
    var owner: OwnerID?
    var collection: CollectionName?
    var prefix: KeyPrefix?

    func contains(_ address: RecordAddress) -> Bool {
        if let owner, owner != address.owner { return false }
        if let collection, collection != address.collection { return false }
        guard let prefix else { return true }
        return address.key.text.utf8.starts(with: prefix.text.utf8)
    }

    /// For the audit log: `*` stands for all.
    var text: String { "\(owner?.text ?? "*")/\(collection?.text ?? "*")/\(prefix?.text ?? "")*" }
}

/// What waits for one administrator, from the committer's thread to an event loop.
final class ChangeTail: Sendable {
    private struct State {
        var buffer: TailBuffer
        var wake: (@Sendable () -> Void)?
    }

    let filter: TailFilter
    private let state: Mutex<State>

    init(filter: TailFilter, bytesMax: Int) {
        self.filter = filter
        state = Mutex(State(buffer: TailBuffer(bytesMax: bytesMax)))
    }

    /// Has `wake` called, on any thread, when there is something after ``next()`` has had nothing.
    func start(_ wake: @escaping @Sendable () -> Void) {
        state.withLock { $0.wake = wake }
    }

    func stop() {
        state.withLock { $0.wake = nil }
    }

    func offer(_ event: ByteBuffer) {
        let wake = state.withLock { state in state.buffer.offer(event) ? state.wake : nil }
        wake?()
    }

    func next() -> ByteBuffer? { state.withLock { $0.buffer.next() } }
}

/// Events for a reader that may be slower than they come. What does not fit is counted, and its place is told.
struct TailBuffer {
    private let bytesMax: Int
    private var events = CircularBuffer<ByteBuffer>(initialCapacity: 4)
    private var bytes = 0
    private var droppedCount = 0
    private var isIdle = false

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// Puts the event at the end; one is always taken, however large, if none waits. After one that was dropped, all
    /// are until the reader has been told, so that what it misses is missing in one place.
    ///
    /// - Returns: whether the reader has to be woken.
    mutating func offer(_ event: ByteBuffer) -> Bool {
        guard droppedCount == 0, bytes == 0 || bytes + event.readableBytes <= bytesMax else {
            droppedCount += 1
            return false
        }
        events.append(event)
        bytes += event.readableBytes
        defer { isIdle = false }
        return isIdle
    }

    /// The next event, or that some were dropped; `nil` if nothing waits.
    mutating func next() -> ByteBuffer? {
        if let event = events.popFirst() {
            bytes -= event.readableBytes
            return event
        }
        guard droppedCount > 0 else {
            isIdle = true
            return nil
        }
        var notice = ByteBuffer()
        notice.writeServerSentDropped(count: droppedCount)
        droppedCount = 0
        return notice
    }
}
