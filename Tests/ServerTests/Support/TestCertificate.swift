import Glibc
import Testing

/// A certificate for this machine and who vouches for it, made with the `openssl` command and good for nothing else.
final class TestCertificate: Sendable {
    private let directory = ScratchDirectory()

    /// The certificate's own PEM file.
    var chain: String { directory.path + "/chain.pem" }
    var key: String { directory.path + "/key.pem" }

    static let shared = Result { try TestCertificate() }

    /// The PEM file of who vouches for the certificate in the file `chain`.
    static func authority(of chain: String) -> String { chain.replacing("chain.pem", with: "authority.pem") }

    /// The settings of every server, if `APUS_TEST_TLS` is set: the tests then run over TLS.
    static let everywhere: [String: String] = getenv("APUS_TEST_TLS") == nil ? [:] : (try? shared.get().settings) ?? [:]

    init() throws {
        try run("req -x509 \(Self.newKey) -keyout authority.key -out authority.pem -days 2 -subj '/CN=Tests'")
        writeFile(directory.path + "/names", "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        try renew()
    }

    /// Settings that have a server use it.
    var settings: [String: String] { ["TLS_CERT_PATH": chain, "TLS_KEY_PATH": key] }

    /// Makes another certificate and key in the same files, as by the same authority; its serial number.
    @discardableResult
    func renew(days: Int = 2) throws -> String {
        try run("req \(Self.newKey) -keyout key.pem -out request.pem -subj '/CN=localhost'")
        try run(
            "x509 -req -in request.pem -CA authority.pem -CAkey authority.key -CAcreateserial -extfile names "
                + "-days \(days) -out chain.pem")
        return try serial()
    }

    /// The number of the certificate in the file.
    func serial() throws -> String {
        try Shell.run("openssl x509 -noout -serial -in chain.pem", in: directory.path)
    }

    /// The number of the certificate that the server at `port` shows.
    func serial(shownAt port: Int) throws -> String {
        try Shell.run(
            "openssl s_client -connect 127.0.0.1:\(port) </dev/null 2>/dev/null | openssl x509 -noout -serial",
            in: directory.path)
    }

    /// What `curl` prints of a call to the server at `port`; its own complaints too.
    func curl(_ arguments: String, port: Int, path: String = "/health") throws -> String {
        try Shell.run(
            "curl -sS --max-time 60 --cacert authority.pem \(arguments) 'https://127.0.0.1:\(port)\(path)'",
            in: directory.path)
    }

    func run(_ arguments: String) throws {
        let printed = try Shell.run("openssl \(arguments) && echo made", in: directory.path)
        try #require(printed.hasSuffix("made\n"), "\(printed)")
    }

    private static let newKey = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
}
