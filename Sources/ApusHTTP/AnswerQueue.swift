import ApusProtocol
import NIOCore

/// The answers to a socket's frames, in the order of the frames, whichever is known first.
struct AnswerQueue {
    /// One answer's place.
    struct Ticket: Sendable {
        fileprivate let number: Int
    }

    private var answers = CircularBuffer<ServerMessage?>()
    /// The number of the first place in `answers`.
    private var first = 0

    /// Answers that are not known yet, or stand behind one that is not.
    var count: Int { answers.count }

    mutating func take() -> Ticket {
        answers.append(nil)
        return Ticket(number: first + answers.count - 1)
    }

    mutating func fill(_ ticket: Ticket, with answer: ServerMessage) {
        answers[answers.index(answers.startIndex, offsetBy: ticket.number - first)] = answer
    }

    /// The next answer, if it is known.
    mutating func next() -> ServerMessage? {
        guard let answer = answers.first, let answer else { return nil }
        answers.removeFirst()
        first += 1
        return answer
    }
}
