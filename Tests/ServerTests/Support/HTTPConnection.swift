/// An answer as it came over the wire.
struct HTTPAnswer: Sendable {
    var status: Int
    var headers: [(name: String, value: String)]
    var body: [UInt8]

    /// Whether the server means to go on with the connection.
    var keepsAlive: Bool { self["connection"]?.lowercased() != "close" }
    var text: String { String(decoding: body, as: UTF8.self) }

    /// The first header of that name, letters of either case.
    subscript(name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    func json() throws -> JSON {
        try JSON(body)
    }
}

/// A small HTTP/1.1 client that blocks: one connection, kept alive, and free to send any bytes at all.
final class HTTPConnection {
    let socket: TCPSocket

    init(port: Int, receiveBytesMax: Int32? = nil) throws {
        socket = try TCPSocket(port: port, receiveBytesMax: receiveBytesMax)
    }

    /// Sends a request and reads its answer.
    func call(
        _ method: String, _ target: String, headers: [(String, String)] = [], body: [UInt8]? = nil
    ) throws -> HTTPAnswer {
        try send(method, target, headers: headers, body: body)
        return try read(answeringTo: method)
    }

    func send(
        _ method: String, _ target: String, headers: [(String, String)] = [], body: [UInt8]? = nil
    ) throws {
        var head = "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        if let body { head += "Content-Length: \(body.count)\r\n" }
        try socket.send(Array((head + "\r\n").utf8) + (body ?? []))
    }

    /// The next final answer; interim ones (1xx) other than 101 are passed over.
    func read(answeringTo method: String = "GET", within seconds: Double = patience) throws -> HTTPAnswer {
        while true {
            let answer = try readHead(within: seconds)
            if answer.status == 101 { return answer }
            if (100...199).contains(answer.status) { continue }
            return method == "HEAD" ? answer : try readBody(behind: answer)
        }
    }

    /// The next answer without its body.
    func readHead(within seconds: Double = patience) throws -> HTTPAnswer {
        let line = try socket.takeLine(within: seconds)
        let parts = line.split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), let status = Int(parts[1]) else {
            throw SocketFailure.malformed(line)
        }
        var answer = HTTPAnswer(status: status, headers: [], body: [])
        while case let line = try socket.takeLine(within: seconds), !line.isEmpty {
            guard let colon = line.firstIndex(of: ":") else { throw SocketFailure.malformed(line) }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            answer.headers.append((String(line[..<colon]), String(value)))
        }
        return answer
    }

    func readBody(behind head: HTTPAnswer) throws -> HTTPAnswer {
        var answer = head
        if head.status != 204, head.status != 304 { answer.body = try readBody(of: head) }
        return answer
    }

    private func readBody(of answer: HTTPAnswer) throws -> [UInt8] {
        if answer["transfer-encoding"]?.lowercased() == "chunked" {
            var body: [UInt8] = []
            while true {
                let line = try socket.takeLine()
                guard let size = Int(line.prefix { $0 != ";" }, radix: 16) else { throw SocketFailure.malformed(line) }
                body += try socket.take(size)
                _ = try socket.takeLine()
                if size == 0 { return body }
            }
        }
        guard let length = answer["content-length"].flatMap({ Int($0) }) else {
            while try socket.receive() {}
            return try socket.take(socket.available.count)
        }
        return try socket.take(length)
    }
}

/// `text` percent-encoded so that it is one segment of a path or one value of a query.
func encoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            result.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            result += byte < 16 ? "%0" : "%"
            result += String(byte, radix: 16, uppercase: true)
        }
    }
    return result
}
