import ApusCore
import ApusProtocol
import NIOCore

/// Consecutive events of one owner as final WebSocket frames, shared by every socket they go to.
struct FeedRun: Sendable {
    /// The last event's change number.
    var last: SequenceNumber
    var bytes: ByteBuffer
}

/// Encodes events into runs small enough that many sockets take turns.
struct FeedRunWriter {
    private static let runBytes = 64 << 10

    private var runs: [FeedRun] = []
    private var message = ByteBuffer()

    mutating func append(_ change: Change) {
        message.clear()
        message.writeMessage(.event(change))
        if runs.isEmpty || runs[runs.count - 1].bytes.readableBytes + message.readableBytes > Self.runBytes {
            runs.append(FeedRun(last: change.record.sequence, bytes: ByteBuffer()))
        }
        runs[runs.count - 1].last = change.record.sequence
        runs[runs.count - 1].bytes.writeFrame(Opcode.text, message)
    }

    func finish() -> [FeedRun] { runs }
}

/// The newest events of one owner on one event loop: kept until every socket has taken them.
///
/// Each socket reads along at its own pace; the bytes are kept once for all. A socket that is far behind and takes
/// nothing is closed, and resumes from the storage when it comes back.
final class OwnerFeed {
    private struct Entry {
        let run: FeedRun
        /// Sockets that take this run next.
        var readers = 0
    }

    private var entries: [Entry] = []
    /// Runs trimmed so far: the absolute number of `entries[0]`.
    private var firstRun = 0
    private(set) var bytesHeld = 0
    private var bytesTrimmed = 0
    private var sessions: [ObjectIdentifier: WebSocketSession] = [:]
    /// Sockets that have taken everything.
    private var readersAtEnd = 0

    var isEmpty: Bool { sessions.isEmpty }

    /// Where a socket stands that has everything up to now.
    private var end: FeedCursor { FeedCursor(run: firstRun + entries.count, bytesBefore: bytesTrimmed + bytesHeld) }

    func join(_ session: WebSocketSession) {
        guard sessions.updateValue(session, forKey: ObjectIdentifier(session)) == nil else { return }
        session.cursor = end
        readersAtEnd += 1
    }

    func leave(_ session: WebSocketSession) {
        guard sessions.removeValue(forKey: ObjectIdentifier(session)) != nil else { return }
        countReader(at: session.cursor.run, -1)
        trim()
    }

    func append(_ arrived: [FeedRun]) {
        for run in arrived {
            entries.append(Entry(run: run, readers: readersAtEnd))
            readersAtEnd = 0
            bytesHeld += run.bytes.readableBytes
        }
        for session in Array(sessions.values) { session.pump() }
        trim()
    }

    /// The next run after `cursor`, the place of a socket that has joined, which moves past it; `nil` at the end.
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

    /// Bytes of events that a socket standing at `cursor` has not taken.
    func bytesBehind(_ cursor: FeedCursor) -> Int { end.bytesBefore - cursor.bytesBefore }

    /// Forgets what every socket has taken. It looks at what it forgets only: many sockets may leave one by one.
    func trim() {
        let count = entries.firstIndex { $0.readers > 0 } ?? entries.count
        guard count > 0 else { return }
        let bytes = entries.prefix(count).reduce(0) { $0 + $1.run.bytes.readableBytes }
        entries.removeFirst(count)
        firstRun += count
        bytesHeld -= bytes
        bytesTrimmed += bytes
    }

    /// Closes the sockets that are further behind than one may be, whatever the reason: the room is needed.
    func closeLaggards() {
        for session in Array(sessions.values) where session.isFarBehind { session.close(.tryAgainLater) }
        trim()
    }
}

/// How far a socket has read in its owner's feed.
struct FeedCursor {
    /// The absolute number of the run to take next.
    var run = 0
    /// Bytes of all runs before it.
    var bytesBefore = 0
}
