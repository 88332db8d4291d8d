import ApusCore
import NIOCore
import NIOHTTP1

/// NIO's HTTP decoder, under the connection's eyes: it hears when bytes come, has them dropped unread after its last
/// answer, and keeps what follows an upgrade out of the parser.
final class RequestDecoder: ByteToMessageDecoder {
    typealias InboundOut = HTTPServerRequestPart

    private let parser: HTTPRequestDecoder
    private let connection: HTTPConnection

    init(connection: HTTPConnection, headerBytesMax: Int) {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderListSize = headerBytesMax
        limits.maxHeaderFieldSize = headerBytesMax
        limits.maxHeaderFieldCount = connection.context.service.limits.headersMax
        parser = HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)
        self.connection = connection
    }

    func decoderAdded(context: ChannelHandlerContext) {
        parser.decoderAdded(context: context)
    }

    func decoderRemoved(context: ChannelHandlerContext) {
        parser.decoderRemoved(context: context)
    }

    func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        switch connection.bytesArrived(isBlank: buffer.isBlank) {
        case .parse:
            let start = buffer.readerIndex
            do {
                return try parser.decode(context: context, buffer: &buffer)
            } catch {
                let bytes = buffer.viewBytes(at: start, length: buffer.writerIndex - start)
                connection.malformed = bytes.map { MalformedRequest($0) }
                throw error
            }
        case .drop: buffer.moveReaderIndex(to: buffer.writerIndex)
        case .handOver: break
        }
        return .needMoreData
    }

    func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        switch connection.bytesArrived(isBlank: buffer.isBlank) {
        case .parse: return try parser.decodeLast(context: context, buffer: &buffer, seenEOF: seenEOF)
        case .drop: buffer.moveReaderIndex(to: buffer.writerIndex)
        case .handOver:
            connection.handOver()
            guard let rest = buffer.readSlice(length: buffer.readableBytes), rest.readableBytes > 0 else { break }
            context.fireChannelRead(NIOAny(rest))
        }
        return .needMoreData
    }
}

extension ByteBuffer {
    /// Whether it is a few line ends and nothing else.
    fileprivate var isBlank: Bool {
        readableBytes <= 8 && readableBytesView.allSatisfy { $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") }
    }
}

extension HTTPRequestHead {
    /// The same with no space behind values, where the parser leaves it (RFC 9110, section 5.5).
    var trimmed: HTTPRequestHead {
        guard headers.contains(where: { $0.value.utf8.last.map(Self.isSpace) ?? false }) else { return self }
        var trimmed = self
        trimmed.headers = HTTPHeaders(
            headers.map { name, value in
                let end = value.utf8.lastIndex { !Self.isSpace($0) }.map { value.utf8.index(after: $0) }
                return (name, String(value[..<(end ?? value.startIndex)]))
            })
        return trimmed
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    }
}
