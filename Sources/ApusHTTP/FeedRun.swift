import ApusCore
import ApusProtocol
import NIOCore

/// How a subscriber's transport writes what it is told.
enum Wire {
    /// WebSocket text frames.
    case frames
    /// `text/event-stream`.
    case events

    static let all: [Wire] = [.frames, .events]

    func write(_ message: ServerMessage, to bytes: inout ByteBuffer) {
        var text = ByteBuffer()
        text.writeMessage(message)
        write(message, text: text, to: &bytes)
    }

    /// - Parameter text: the message as JSON.
    func write(_ message: ServerMessage, text: ByteBuffer, to bytes: inout ByteBuffer) {
        switch self {
        case .frames: bytes.writeFrame(.text, text)
        case .events: bytes.writeServerSentEvent(message, text: text)
        }
    }
}

/// Consecutive messages to subscribers of one owner in their final form, shared by everyone they go to.
struct FeedRun: Sendable {
    /// The last event's change number; `nil` for what is no change.
    var last: SequenceNumber?
    var bytes: ByteBuffer
    /// How many changes it tells of.
    var changeCount = 0
}

/// A run, and where each of its events is: subscribers of a part of the owner's records get the slices that are theirs.
struct MarkedRun: Sendable {
    struct Mark: Sendable {
        var address: RecordAddress
        var sequence: SequenceNumber
        /// Its place in the run's bytes.
        var range: Range<Int>
    }

    var run: FeedRun
    var marks: [Mark]
}

/// Encodes events into runs small enough that many subscribers take turns.
struct FeedRunWriter {
    private static let runBytes = 64 << 10

    private let wire: Wire
    private var runs: [MarkedRun] = []
    private var text = ByteBuffer()

    init(wire: Wire) {
        self.wire = wire
    }

    mutating func append(_ change: Change) {
        let record = change.record
        text.clear()
        text.writeMessage(.event(change))
        if runs.isEmpty || runs[runs.count - 1].run.bytes.readableBytes + text.readableBytes > Self.runBytes {
            runs.append(MarkedRun(run: FeedRun(last: nil, bytes: ByteBuffer()), marks: []))
        }
        let index = runs.count - 1
        let start = runs[index].run.bytes.readableBytes
        wire.write(.event(change), text: text, to: &runs[index].run.bytes)
        runs[index].run.last = record.sequence
        runs[index].run.changeCount += 1
        runs[index].marks.append(
            MarkedRun.Mark(
                address: record.address, sequence: record.sequence,
                range: start..<runs[index].run.bytes.readableBytes))
    }

    func finish() -> [MarkedRun] { runs }
}
