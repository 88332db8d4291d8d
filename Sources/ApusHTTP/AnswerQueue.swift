import ApusProtocol
import NIOCore

/// The answers to a socket's frames, in the order of the frames, whichever is known first.
struct AnswerQueue {
    /// One answer's place.
    struct Ticket: Sendable {
        fileprivate let number: Int
    }

    private struct Place {
        /// The final frame.
        var answer: ByteBuffer?
        /// The room that the request takes until it is answered.
        var room: BodyRoom.Share?
    }

    // Most sockets never ask for anything.
    private var places = CircularBuffer<Place>(initialCapacity: 1)
    /// The number of the first place in `places`.
    private var first = 0
    /// Bytes of the answers that are known and have not been given.
    private(set) var bytesReady = 0

    /// Answers that are not known, or have not been given yet.
    var count: Int { places.count }

    mutating func take(holding room: BodyRoom.Share? = nil) -> Ticket {
        places.append(Place(answer: nil, room: room))
        return Ticket(number: first + places.count - 1)
    }

    /// Nothing happens if the place has been dropped.
    mutating func fill(_ ticket: Ticket, with answer: ServerMessage) {
        guard ticket.number >= first else { return }
        var frame = ByteBuffer()
        Wire.frames.write(answer, to: &frame)
        bytesReady += frame.readableBytes
        places[places.index(places.startIndex, offsetBy: ticket.number - first)] = Place(answer: frame)
    }

    /// The next answer's frame, if it is known.
    mutating func next() -> ByteBuffer? {
        guard let frame = places.first?.answer else { return nil }
        places.removeFirst()
        first += 1
        bytesReady -= frame.readableBytes
        return frame
    }

    /// Forgets all answers, known or not: they will not be sent.
    mutating func drop() {
        first += places.count
        places.removeAll()
        bytesReady = 0
    }
}
