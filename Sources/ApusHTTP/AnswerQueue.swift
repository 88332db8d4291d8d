import ApusProtocol
import NIOCore

/// The answers to a socket's frames, in the order of the frames, whichever is known first.
struct AnswerQueue {
    /// One answer's place.
    struct Ticket: Sendable {
        fileprivate let number: Int
    }

    private struct Place {
        var answer: ServerMessage?
        /// The room that the request takes until it is answered.
        var room: BodyRoom.Share?
    }

    private var places = CircularBuffer<Place>()
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
        places[places.index(places.startIndex, offsetBy: ticket.number - first)] = Place(answer: answer)
        bytesReady += Self.bytes(of: answer)
    }

    /// The next answer, if it is known.
    mutating func next() -> ServerMessage? {
        guard let answer = places.first?.answer else { return nil }
        places.removeFirst()
        first += 1
        bytesReady -= Self.bytes(of: answer)
        return answer
    }

    /// Forgets all answers, known or not: they will not be sent.
    mutating func drop() {
        first += places.count
        places.removeAll()
        bytesReady = 0
    }

    private static func bytes(of answer: ServerMessage) -> Int {
        guard case .acknowledged(.answer(let body), _) = answer else { return 0 }
        return body.readableBytes
    }
}
