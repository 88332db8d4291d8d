/// A client of Server-Sent Events that blocks, reading as the HTML standard has it.
final class EventSource {
    struct Event: Sendable {
        var type = "message"
        var id: String?
        var data = ""

        func json() throws -> JSON { try JSON(Array(data.utf8)) }
    }

    /// The stream's head.
    let head: HTTPAnswer
    private let socket: TCPSocket

    /// - Throws: ``WebSocket/Refused`` with the answer unless it is 200.
    init(port: Int, target: String, headers: [(String, String)] = [], receiveBytesMax: Int32? = nil) throws {
        let connection = try HTTPConnection(port: port, receiveBytesMax: receiveBytesMax)
        try connection.send("GET", target, headers: headers)
        // What follows the head of a stream has no end yet.
        let opened = try connection.readHead()
        guard opened.status == 200 else {
            throw WebSocket.Refused(answer: try connection.readBody(behind: opened))
        }
        head = opened
        socket = connection.socket
    }

    /// The next event; comments and fields that are not an event's are passed over.
    ///
    /// - Throws: ``SocketFailure/closed`` when the server ended the stream.
    func next(within seconds: Double = patience) throws -> Event {
        let end = monotonicSeconds() + seconds
        var event = Event()
        var data: [String] = []
        while true {
            let line = try socket.takeLine(within: max(0, end - monotonicSeconds()))
            guard !line.isEmpty else {
                if data.isEmpty { continue }
                event.data = data.joined(separator: "\n")
                return event
            }
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
            switch parts[0] {
            case "event": event.type = value
            case "id": event.id = value
            case "data": data.append(value)
            default: continue
            }
        }
    }

    /// Events up to and with the first one that `isLast` accepts.
    func events(until isLast: (Event) -> Bool) throws -> [Event] {
        var events: [Event] = []
        repeat { events.append(try next()) } while !(events.last.map(isLast) ?? true)
        return events
    }

    func isClosedByServer(within seconds: Double = patience) -> Bool { socket.isClosedByServer(within: seconds) }
}

extension TestUser {
    func stream(_ query: String = "", headers: [(String, String)] = []) throws -> EventSource {
        try EventSource(
            port: server.port, target: "/v1/stream/\(encoded(id))\(query)", headers: [authorization] + headers)
    }
}
