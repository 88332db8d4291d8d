import ApusCore
import ApusProtocol
import NIOCore

/// The newest messages to the subscribers of one owner with the same scopes, on one event loop: kept until everyone has
/// taken them.
///
/// Each reads along at its own pace; the bytes are kept once for all. A subscriber that is far behind and takes nothing
/// is closed, and resumes from the storage when it comes back.
final class OwnerFeed {
    private struct Entry {
        let run: FeedRun
        /// Subscribers that take this run next.
        var readers = 0
    }

    /// What is told here.
    let scopes: Set<StreamScope>
    private var entries: [Entry] = []
    /// Runs trimmed so far: the absolute number of `entries[0]`.
    private var firstRun = 0
    private(set) var bytesHeld = 0
    private var bytesTrimmed = 0
    private var subscribers: [ObjectIdentifier: Subscriber] = [:]
    /// Subscribers that have taken everything.
    private var readersAtEnd = 0

    init(scopes: Set<StreamScope>) {
        self.scopes = scopes
    }

    var isEmpty: Bool { subscribers.isEmpty }

    /// Where a subscriber stands that has everything up to now.
    private var end: FeedCursor { FeedCursor(run: firstRun + entries.count, bytesBefore: bytesTrimmed + bytesHeld) }

    func join(_ subscriber: Subscriber) {
        guard subscribers.updateValue(subscriber, forKey: ObjectIdentifier(subscriber)) == nil else { return }
        subscriber.cursor = end
        readersAtEnd += 1
    }

    /// - Parameter cursor: where the subscriber stood.
    func leave(_ subscriber: Subscriber, at cursor: FeedCursor) {
        guard subscribers.removeValue(forKey: ObjectIdentifier(subscriber)) != nil else { return }
        countReader(at: cursor.run, -1)
        trim()
    }

    /// Puts `run` at the end; nobody hears of it before ``pump()``.
    func append(_ run: FeedRun) {
        entries.append(Entry(run: run, readers: readersAtEnd))
        readersAtEnd = 0
        bytesHeld += run.bytes.readableBytes
    }

    /// Has everyone take what they can take now.
    func pump() {
        for subscriber in Array(subscribers.values) { subscriber.pump() }
        trim()
    }

    /// The next run after `cursor`, the place of a subscriber that has joined, which moves past it; `nil` at the end.
    func next(after cursor: inout FeedCursor) -> FeedRun? {
        let index = cursor.run - firstRun
        guard entries.indices.contains(index) else { return nil }
        let run = entries[index].run
        countReader(at: cursor.run, -1)
        cursor.run += 1
        cursor.bytesBefore += run.bytes.readableBytes
        countReader(at: cursor.run, 1)
        return run
    }

    private func countReader(at run: Int, _ change: Int) {
        let index = run - firstRun
        if entries.indices.contains(index) { entries[index].readers += change } else { readersAtEnd += change }
    }

    /// Bytes of messages that a subscriber standing at `cursor` has not taken.
    func bytesBehind(_ cursor: FeedCursor) -> Int { end.bytesBefore - cursor.bytesBefore }

    /// Forgets what everyone has taken. It looks at what it forgets only: many may leave one by one.
    func trim() {
        let count = entries.firstIndex { $0.readers > 0 } ?? entries.count
        guard count > 0 else { return }
        let bytes = entries.prefix(count).reduce(0) { $0 + $1.run.bytes.readableBytes }
        entries.removeFirst(count)
        firstRun += count
        bytesHeld -= bytes
        bytesTrimmed += bytes
    }

    /// Closes the subscribers that are further behind than one may be, whatever the reason: the room is needed.
    func closeLaggards() {
        for subscriber in Array(subscribers.values) where subscriber.isFarBehind { subscriber.closeSlow() }
        trim()
    }
}

/// How far a subscriber has read in its feed.
struct FeedCursor {
    /// The absolute number of the run to take next.
    var run = 0
    /// Bytes of all runs before it.
    var bytesBefore = 0
}
