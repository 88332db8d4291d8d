public import ApusCore
import NIOCore
import NIOSSL
import Synchronization

/// Whom the server proves to be on every TLS connection. It can be replaced at any time: connections that are open stay
/// as they are.
public final class TLSIdentity: Sendable {
    private let context: Mutex<NIOSSLContext>

    public init(_ credentials: TLSCredentials) {
        context = Mutex(credentials.context)
    }

    /// Proves itself with `credentials` from the next connection on.
    public func replace(with credentials: TLSCredentials) {
        context.withLock { $0 = credentials.context }
    }

    /// The TLS end of a new connection.
    func makeHandler() -> NIOSSLServerHandler {
        var configuration = NIOSSLServerHandler.Configuration()
        // What one large answer took is not kept for the rest of the connection's life.
        configuration.maximumPreservedOutboundBufferCapacity = 32 << 10
        return NIOSSLServerHandler(context: context.withLock { $0 }, configuration: configuration)
    }
}

/// A certificate chain and its private key, checked to be of use.
public struct TLSCredentials: Sendable {
    /// Which of the two is at fault, and why, in words that follow its name.
    public enum Fault: Error {
        case certificate(String)
        case key(String)
    }

    /// When the server's own certificate ends.
    public let expiresAt: Timestamp
    fileprivate let context: NIOSSLContext

    /// How long the other side has to say goodbye after we have.
    private static let shutdownTime = TimeAmount.seconds(2)

    /// - Parameters:
    ///   - chain: PEM, the server's own certificate first.
    ///   - key: PEM, without a passphrase.
    ///   - now: a certificate that has ended by then is refused.
    public init(chain: [UInt8], key: [UInt8], at now: Timestamp) throws(Fault) {
        guard !chain.isEmpty, let certificates = try? NIOSSLCertificate.fromPEMBytes(chain),
            let own = certificates.first
        else { throw .certificate("holds no PEM certificate") }
        guard !key.isEmpty, let privateKey = try? NIOSSLPrivateKey(bytes: key, format: .pem) else {
            throw .key("holds no PEM private key without a passphrase")
        }
        expiresAt = Timestamp(milliseconds: Int64(own.notValidAfter) * 1000)
        guard expiresAt > now else { throw .certificate("holds a certificate that ended \(expiresAt.text)") }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(privateKey))
        configuration.minimumTLSVersion = .tlsv12
        // Of TLS 1.2 only what keeps past sessions secret and HTTP/2 allows (RFC 9113, appendix A).
        configuration.cipherSuiteValues = [
            .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ]
        configuration.applicationProtocols = TLSHandshake.protocols
        configuration.shutdownTimeout = Self.shutdownTime
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch NIOSSLError.failedToLoadPrivateKey {
            throw .key("holds another key than the certificate's")
        } catch {
            throw .certificate("cannot be used for TLS")
        }
    }
}
