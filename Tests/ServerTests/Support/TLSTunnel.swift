import NIOCore
import NIOPosix
import NIOSSL

/// A port on the loopback that speaks TLS with the server for clients that cannot: bytes and ends of input go through
/// unchanged, and what is not taken on one side is not read on the other.
final class TLSTunnel: Sendable {
    let port: Int
    private let server: any Channel

    private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    /// - Parameter authority: the PEM file of who vouches for the server's certificate.
    init(to target: Int, authority: String, protocol name: String = "http/1.1") throws {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file(authority)
        configuration.applicationProtocols = [name]
        let tls = try NIOSSLContext(configuration: configuration)
        server = try ServerBootstrap(group: Self.group)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // The kernel's own buffers would hide a client that takes nothing.
            .childChannelOption(.socketOption(.so_sndbuf), value: 64 << 10)
            .childChannelInitializer { near in
                ClientBootstrap(group: near.eventLoop)
                    .channelOption(.autoRead, value: false)
                    .channelOption(.allowRemoteHalfClosure, value: true)
                    .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .channelOption(.socketOption(.so_rcvbuf), value: 64 << 10)
                    .channelInitializer { far in
                        far.eventLoop.makeCompletedFuture {
                            let handler = try NIOSSLClientHandler(context: tls, serverHostname: "localhost")
                            let (one, other) = Pipe.pair()
                            try far.pipeline.syncOperations.addHandlers([handler, one])
                            try near.pipeline.syncOperations.addHandler(other)
                        }
                    }
                    .connect(host: "127.0.0.1", port: target)
                    .map { _ in }
            }
            .bind(host: "127.0.0.1", port: 0)
            .wait()
        port = server.localAddress?.port ?? 0
    }

    deinit {
        server.close(promise: nil)
    }
}

/// One end of a connection, whose other end gets what comes here.
private final class Pipe: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    private weak var other: Pipe?
    private var context: ChannelHandlerContext?
    private var isReadHeld = false

    static func pair() -> (Pipe, Pipe) {
        let (one, other) = (Pipe(), Pipe())
        one.other = other
        other.other = one
        return (one, other)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func read(context: ChannelHandlerContext) {
        if other?.context?.channel.isWritable ?? false { context.read() } else { isReadHeld = true }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        other?.context?.write(data, promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        other?.context?.flush()
        context.channel.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable, let other, other.isReadHeld else { return }
        other.isReadHeld = false
        other.context?.read()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { other?.context?.close(mode: .output, promise: nil) }
    }

    func channelActive(context: ChannelHandlerContext) {
        context.channel.read()
    }

    func channelInactive(context: ChannelHandlerContext) {
        other?.context?.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A channel that ends does so with `channelInactive`, and one that half-ends unclean goes on.
    }
}
