import ApusCore
import ApusEngine
import ApusHTTP
import Glibc
import Logging
import ServiceLifecycle
import UnixSignals

/// The files behind `TLS_CERT_PATH` and `TLS_KEY_PATH`.
struct TLSFiles: Sendable {
    let certificatePath: String
    let keyPath: String

    /// Reads both and checks them.
    ///
    /// - Throws: `bad-parameter`, whose message names the setting and the file.
    func read() throws(ApusError) -> TLSCredentials {
        let chain = try Self.bytes(of: certificatePath, "TLS_CERT_PATH")
        let key = try Self.bytes(of: keyPath, "TLS_KEY_PATH")
        do throws(TLSCredentials.Fault) {
            return try TLSCredentials(chain: chain, key: key, at: SystemClock().now())
        } catch {
            switch error {
            case .certificate(let reason): throw Self.fault("TLS_CERT_PATH", certificatePath, reason)
            case .key(let reason): throw Self.fault("TLS_KEY_PATH", keyPath, reason)
            }
        }
    }

    private static func bytes(of path: String, _ setting: String) throws(ApusError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw fault(setting, path, "cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        do throws(SettingsError) {
            return try SettingsFile(path: path).bytes(of: descriptor)
        } catch {
            throw ApusError(.badParameter, "\(setting): \(error.message)")
        }
    }

    private static func fault(_ setting: String, _ path: String, _ reason: String) -> ApusError {
        ApusError(.badParameter, "\(setting) \(path) \(reason)")
    }
}

extension Settings {
    /// `nil` if there is no TLS.
    var tlsFiles: TLSFiles? {
        guard let tlsCertificatePath, let tlsKeyPath else { return nil }
        return TLSFiles(certificatePath: tlsCertificatePath, keyPath: tlsKeyPath)
    }
}

/// The server's TLS, and the files it is read from anew whenever the process gets SIGHUP. Files that cannot be used
/// change nothing.
struct TLSReload: Service {
    let hangups: UnixSignalsSequence
    let files: TLSFiles?
    let identity: TLSIdentity?
    let logger: Logger

    func run() async throws {
        for try await _ in hangups.cancelOnGracefulShutdown() { reload() }
    }

    private func reload() {
        guard let files, let identity else {
            logger.info("SIGHUP: there are no TLS files to read")
            return
        }
        do throws(ApusError) {
            let credentials = try files.read()
            identity.replace(with: credentials)
            logger.notice(
                "new connections get the TLS certificate that was read now",
                metadata: ["file": "\(files.certificatePath)", "expires_at": "\(credentials.expiresAt.text)"])
        } catch {
            logger.error("the TLS certificate stays as it was", metadata: ["cause": "\(error.message)"])
        }
    }
}
