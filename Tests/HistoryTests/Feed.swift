@testable import ServerTests

/// A connection that events come over.
protocol Feed: AnyObject {
    /// The next frame.
    ///
    /// - Throws: `SocketFailure.timedOut` when nothing came, ``FeedEnd`` when nothing will.
    func next(within seconds: Double) throws -> JSON
}

/// The connection has ended.
struct FeedEnd: Error {
    /// The code the server closed it with, if it said one.
    var code: Int?

    /// Codes that a client which keeps the rules can meet: goodbye, a stop of the server, too slow.
    var isRegular: Bool { code.map { [1000, 1001, 1013].contains($0) } ?? true }
}

/// Events over WebSocket.
final class SocketFeed: Feed {
    private let socket: WebSocket

    init(port: Int, query: String, token: String) throws {
        socket = try WebSocket(port: port, target: "/?token=\(token)\(query)")
    }

    func next(within seconds: Double) throws -> JSON {
        do {
            return try socket.next(within: seconds)
        } catch let closed as WebSocket.Closed {
            throw FeedEnd(code: closed.code)
        } catch SocketFailure.closed {
            throw FeedEnd()
        }
    }

    func send(_ text: String) throws {
        do {
            try socket.send(text)
        } catch SocketFailure.closed {
            throw FeedEnd()
        }
    }

    func sayGoodbye() throws {
        do {
            try socket.sendClose(1000)
        } catch SocketFailure.closed {
            throw FeedEnd()
        }
    }
}

/// Server-Sent Events (WHATWG HTML, section 9.2), whose data are the frames of a socket.
final class EventStreamFeed: Feed {
    private let connection: HTTPConnection
    private let isChunked: Bool
    private var text: [UInt8] = []

    /// - Parameter lastEventID: the position as the browser's own way to resume tells it.
    init(port: Int, path: String, token: String, lastEventID: Int?) throws {
        connection = try HTTPConnection(port: port)
        var headers = [("Authorization", "Bearer \(token)"), ("Accept", "text/event-stream")]
        if let lastEventID { headers.append(("Last-Event-ID", "\(lastEventID)")) }
        try connection.send("GET", path, headers: headers)
        let line = try connection.socket.takeLine()
        guard line.contains(" 200 ") else { throw SocketFailure.malformed(line) }
        var isChunked = false
        while case let line = try connection.socket.takeLine(), !line.isEmpty {
            if line.lowercased().hasPrefix("transfer-encoding:") { isChunked = line.contains("chunked") }
        }
        self.isChunked = isChunked
    }

    func next(within seconds: Double) throws -> JSON {
        do {
            while true {
                if let event = try takeEvent() { return event }
                try receive(within: seconds)
            }
        } catch SocketFailure.closed {
            throw FeedEnd()
        }
    }

    private func receive(within seconds: Double) throws {
        let socket = connection.socket
        guard isChunked else {
            if socket.available.isEmpty, try !socket.receive(within: seconds) { throw SocketFailure.closed }
            text += try socket.take(socket.available.count)
            return
        }
        let line = try socket.takeLine(within: seconds)
        guard let count = Int(line.prefix { $0 != ";" }, radix: 16) else { throw SocketFailure.malformed(line) }
        text += try socket.take(count)
        _ = try socket.takeLine()
        if count == 0 { throw SocketFailure.closed }
    }

    /// The next whole event; comments are passed over.
    private func takeEvent() throws -> JSON? {
        while let end = text.firstRange(of: [0x0A, 0x0A]) {
            let lines = String(decoding: text[..<end.lowerBound], as: UTF8.self).split(separator: "\n")
            text.removeSubrange(..<end.upperBound)
            let fields = lines.filter { !$0.hasPrefix(":") }
            guard !fields.isEmpty else { continue }
            let data = fields.compactMap { field($0, "data") }.joined(separator: "\n")
            guard !data.isEmpty else { continue }
            let json = try JSON(data)
            let type = fields.lazy.compactMap { self.field($0, "event") }.first
            let id = fields.lazy.compactMap { self.field($0, "id") }.first
            let isEvent = json["type"].text?.hasPrefix("data.") == true
            guard type == json["type"].text, !isEvent || id == json["seq"].raw else {
                throw SocketFailure.malformed(lines.joined(separator: "\\n"))
            }
            return json
        }
        return nil
    }

    private func field(_ line: Substring, _ name: String) -> String? {
        guard line.hasPrefix(name + ":") else { return nil }
        return String(line.dropFirst(name.count + 1).drop { $0 == " " })
    }
}
