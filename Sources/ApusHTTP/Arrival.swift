import NIOCore
import NIOHTTP1

/// What came from the client of an ``HTTPConnection``, in the order it came.
enum Arrival {
    case part(HTTPServerRequestPart)
    case failure(HTTPParserError)
    case endOfInput

    /// About what it takes in memory.
    var bytes: Int {
        switch self {
        case .part(.head(let head)): 512 + head.uri.utf8.count + head.headers.count * 96
        case .part(.body(let bytes)): 64 + bytes.readableBytes
        case .part(.end), .failure, .endOfInput: 64
        }
    }
}
