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
        switch connection.bytesArrived() {
        case .parse: return try parser.decode(context: context, buffer: &buffer)
        case .drop: buffer.moveReaderIndex(to: buffer.writerIndex)
        case .handOver: break
        }
        return .needMoreData
    }

    func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        switch connection.bytesArrived() {
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
