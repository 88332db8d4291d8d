import ApusCore
import NIOCore
import NIOHPACK
import NIOHTTP1

extension HTTPRequestHead {
    /// A request's fields as HTTP/1.1 has them, which is what requests are judged by (RFC 9113, section 8.3.1).
    ///
    /// - Parameter isWhole: whether nothing follows. A body of unknown length is what the older version calls chunked.
    init(_ fields: HPACKHeaders, isWhole: Bool) {
        var headers = HTTPHeaders()
        headers.reserveCapacity(fields.count)
        var (method, target, authority) = ("", "", String?.none)
        for (name, value, _) in fields {
            switch name {
            case ":method": method = value
            case ":path": target = value
            case ":authority": authority = value
            case _ where name.utf8.first == UInt8(ascii: ":"): break
            default: headers.add(name: name, value: value)
            }
        }
        if let authority { headers.replaceOrAdd(name: "host", value: authority) }
        if !isWhole, !headers.contains(name: "content-length") {
            headers.add(name: "transfer-encoding", value: "chunked")
        }
        self.init(version: .http1_1, method: HTTPMethod(rawValue: method), uri: target, headers: headers)
    }
}

extension HPACKHeaders {
    /// About what it would take as the head of an HTTP/1.1 request.
    var headBytes: Int { reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 } }

    /// Takes the head of an answer from the front of `bytes`, where it stands as HTTP/1.1 has it, so that both versions
    /// answer the same. What is about the connection is left out (RFC 9113, section 8.2.2).
    init(takingHeadFrom bytes: inout ByteBuffer) {
        self.init()
        let status = bytes.takeLine()?.split(separator: " ", maxSplits: 2).dropFirst().first ?? "500"
        add(name: ":status", value: String(status))
        while let line = bytes.takeLine(), !line.isEmpty {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let name = line[..<colon].lowercased()
            guard !["connection", "upgrade", "transfer-encoding", "keep-alive"].contains(name) else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            add(name: name, value: String(value))
        }
    }
}

extension ByteBuffer {
    /// The next line without its CRLF; `nil` if there is none.
    fileprivate mutating func takeLine() -> String? {
        guard let end = readableBytesView.firstIndex(of: UInt8(ascii: "\r")) else { return nil }
        let line = readString(length: end - readerIndex)
        moveReaderIndex(forwardBy: 2)
        return line
    }
}
