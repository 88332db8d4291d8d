import Testing

/// Certificates that keep a server from starting.
@Suite struct TLSStartTests {
    private let certificate: TestCertificate
    private let directory = ScratchDirectory()

    init() throws { certificate = try TestCertificate() }

    /// What `serve` says before it ends for a wrong setting.
    private func refused(
        _ settings: [String: String], arguments: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let plain = RunningServer.defaults.filter { !$0.key.hasPrefix("TLS_") }
        let run = try Program.run(
            ["serve"] + arguments, environment: plain.merging(settings) { $1 }, in: directory.path)
        #expect(run.ending == Program.Ending(code: 78), "\(run.errors)", sourceLocation: sourceLocation)
        #expect(run.errors.split(separator: "\n").count == 1, "\(run.errors)", sourceLocation: sourceLocation)
        return run.errors
    }

    @Test func `one of the two without the other is refused`() throws {
        #expect(try refused(["TLS_CERT_PATH": certificate.chain]).contains("TLS_KEY_PATH is not"))
        #expect(try refused([:], arguments: ["--tls-key-path", certificate.key]).contains("TLS_CERT_PATH is not"))
    }

    @Test func `a file that is not there or holds something else is named with its setting`() throws {
        var settings = certificate.settings
        settings["TLS_CERT_PATH"] = "/nowhere/chain.pem"
        let missing = try refused(settings)
        #expect(missing.contains("TLS_CERT_PATH /nowhere/chain.pem") && missing.contains("No such file"))
        settings["TLS_CERT_PATH"] = certificate.key
        #expect(try refused(settings).contains("TLS_CERT_PATH \(certificate.key) holds no PEM certificate"))
        settings = certificate.settings
        for text in ["", "no key at all\n"] {
            writeFile(certificate.key, text)
            #expect(try refused(settings).contains("TLS_KEY_PATH \(certificate.key) holds no PEM private key"))
        }
        settings["TLS_KEY_PATH"] = directory.path
        #expect(try refused(settings).contains("TLS_KEY_PATH"))
    }

    @Test func `a key of another certificate, or with a passphrase, is refused`() throws {
        let other = try TestCertificate()
        let settings = certificate.settings.merging(["TLS_KEY_PATH": other.key]) { $1 }
        #expect(try refused(settings).contains("TLS_KEY_PATH \(other.key) holds another key than the certificate's"))
        try certificate.run("ec -in key.pem -aes128 -passout pass:secret -out locked.pem")
        let locked = certificate.key.replacing("key.pem", with: "locked.pem")
        #expect(try refused(["TLS_CERT_PATH": certificate.chain, "TLS_KEY_PATH": locked]).contains("passphrase"))
    }

    @Test func `a certificate that has ended is refused`() throws {
        try certificate.renew(days: -1)
        #expect(
            try refused(certificate.settings).contains(
                "TLS_CERT_PATH \(certificate.chain) holds a certificate that ended"))
    }
}
