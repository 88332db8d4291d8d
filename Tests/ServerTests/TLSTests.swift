import Glibc
import Testing

/// A server with a certificate.
@Suite(.serialized) struct TLSTests {
    private let certificate: TestCertificate
    private let server: RunningServer
    private let user: TestUser

    init() throws {
        certificate = try TestCertificate()
        server = try RunningServer(certificate.settings)
        user = TestUser(server)
    }

    /// A connection without TLS to the port that wants it.
    private func inTheClear() throws -> TCPSocket { try TCPSocket(port: server.ownPort) }

    @Test func `requests, large values and refusals go over TLS`() throws {
        let connection = try HTTPConnection(port: server.port)
        for number in 0..<20 {
            #expect(try connection.call("GET", "/health").status == 200, "\(number)")
        }
        let value = "\"" + String(repeating: "v", count: 1_000_000) + "\""
        try user.mustSet("large", value)
        #expect(try user.get("large").json()["data"]["value"].raw == value)
        try expectProblem(try server.call("GET", user.path()), 401, "unauthenticated")
        let long = [("X-Long", String(repeating: "h", count: 17 << 10))]
        try expectProblem(try server.call("GET", "/health", headers: long), 431, "headers-too-large")
        try connection.send("POST", "/v1/data", headers: [user.authorization, ("Content-Length", "17000000")])
        try expectProblem(try connection.read(), 413, "body-too-large")
        #expect(connection.socket.isClosedByServer())
    }

    @Test func `curl takes it for what the certificate says, in TLS 1.2 and 1.3 but nothing older`() throws {
        let body = #"-o /dev/null -w '%{http_version} %{response_code}'"#
        for version in ["1.2", "1.3"] {
            let options = "--http1.1 --tlsv\(version) --tls-max \(version) \(body)"
            #expect(try certificate.curl(options, port: server.ownPort) == "1.1 200")
        }
        #expect(
            try certificate.curl("--tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0", port: server.ownPort).contains(
                "curl: (35)"))
        let weak = "--tls-max 1.2 --ciphers AES128-SHA:AES128-GCM-SHA256"
        #expect(try certificate.curl(weak, port: server.ownPort).contains("curl: (35)"))
        let unsure = try Shell.run("curl -sS https://127.0.0.1:\(server.ownPort)/health", in: "/")
        #expect(unsure.contains("curl: (60)"))
    }

    @Test func `a socket and a stream tell of changes over TLS`() throws {
        let socket = try user.listening("&since=0")
        let stream = try user.stream()
        #expect(try stream.next().type == "hello")
        let value = "\"" + String(repeating: "v", count: 300_000) + "\""
        try socket.send("{\"type\":\"set\",\"id\":1,\"collection\":\"things\",\"key\":\"k\",\"value\":\(value)}")
        #expect(try socket.next(ofType: "data.updated")["data"]["value"].raw == value)
        #expect(try stream.next().json()["data"]["value"].raw == value)
        try socket.sendClose(1000)
        #expect(try socket.closeCode() == 1000)
    }

    @Test func `whoever speaks HTTP without TLS is told so in the clear`() throws {
        let socket = try inTheClear()
        try socket.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(try socket.takeLine() == "HTTP/1.1 400 Bad Request")
        #expect(socket.isClosedByServer())
        #expect(String(decoding: socket.available, as: UTF8.self).contains("this port takes TLS only"))
        let noise = try inTheClear()
        try noise.send([UInt8](repeating: 7, count: 4096))
        #expect(noise.isClosedByServer())
        #expect(try server.call("GET", "/health").status == 200)
    }

    @Test func `a handshake that does not go on counts as a connection and is ended`() throws {
        let before = try server.call("GET", "/health").json()["connections"].int ?? 0
        let silent = try (0..<20).map { _ in try inTheClear() }
        let half = try inTheClear()
        try half.send([0x16, 3, 1, 2, 0, 1, 0])
        #expect(try server.call("GET", "/health").json()["connections"].int ?? 0 >= before + 21)
        for socket in silent + [half] { #expect(socket.isClosedByServer()) }
        #expect(try eventually { try server.call("GET", "/health").json()["connections"].int ?? 0 <= before })
    }

    @Test func `a client that ends its side properly after a request still gets the answer`() throws {
        let connection = try HTTPConnection(port: server.port)
        try connection.send("GET", "/health")
        connection.socket.finishSending()
        #expect(try connection.read().status == 200)
        #expect(connection.socket.isClosedByServer())
    }

    @Test func `whoever asks without reading does not fill the memory`() throws {
        let value = "\"" + String(repeating: "v", count: 1_000_000) + "\""
        for key in ["a", "b"] { try user.mustSet(key, value) }
        let connection = try HTTPConnection(port: server.port, receiveBytesMax: 4096)
        let request = "GET \(user.path("things")) HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(user.token)\r\n\r\n"
        let before = try memory()
        try connection.socket.send(String(repeating: request, count: 150))
        sleepSeconds(2)
        #expect(try memory() - before < 100 << 20)
        withExtendedLifetime(connection) {}
    }

    private func memory() throws -> Int {
        let status = String(decoding: readFile("/proc/\(server.program.pid)/statm"), as: UTF8.self)
        let pages = try #require(status.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        return pages * 4096
    }

    @Test func `SIGHUP brings the new certificate to new connections and leaves open ones alone`() throws {
        let socket = try user.listening()
        let old = try certificate.serial()
        #expect(try certificate.serial(shownAt: server.ownPort) == old)
        let new = try certificate.renew()
        #expect(old != new)
        #expect(try certificate.serial(shownAt: server.ownPort) == old)
        server.program.signal(SIGHUP)
        #expect(try eventually { try certificate.serial(shownAt: server.ownPort) == new })
        try user.mustSet("after", "1")
        #expect(try socket.next()["data"]["key"].text == "after")
    }

    @Test func `a new certificate that is of no use is told, and the old one stays`() throws {
        let socket = try user.listening()
        let old = try certificate.serial()
        try certificate.renew(days: -1)
        server.program.signal(SIGHUP)
        #expect(eventually { server.errors.contains("stays as it was") && server.errors.contains(certificate.chain) })
        writeFile(certificate.key, "no key")
        server.program.signal(SIGHUP)
        #expect(eventually { server.errors.split(separator: "\n").count { $0.contains("stays as it was") } == 2 })
        #expect(try certificate.serial(shownAt: server.ownPort) == old)
        try user.mustSet("after", "1")
        #expect(try socket.next()["data"]["key"].text == "after")
    }

    @Test func `SIGHUP does a server without TLS no harm`() throws {
        let server = try RunningServer(["TLS_CERT_PATH": "", "TLS_KEY_PATH": "", "LOG_LEVEL": "info"])
        server.program.signal(SIGHUP)
        #expect(eventually { server.errors.contains("SIGHUP") })
        #expect(try server.call("GET", "/health").status == 200)
        #expect(server.terminate() == Program.Ending(code: 0))
    }

    @Test func `a stopped server says goodbye over TLS and ends with 0`() throws {
        let sockets = try (0..<5).map { _ in try user.listening() }
        let idle = try HTTPConnection(port: server.port)
        #expect(try idle.call("GET", "/health").status == 200)
        let half = try inTheClear()
        try half.send([0x16])
        #expect(server.terminate() == Program.Ending(code: 0))
        for socket in sockets { #expect(try socket.closeCode() == 1001) }
        #expect(idle.socket.isClosedByServer())
    }

    @Test func `the first lines name https and wss, and what newcomers could paste is left out`() throws {
        #expect(server.program.printed.contains("https://127.0.0.1:\(server.ownPort)/v1"))
        #expect(server.program.printed.contains("wss://127.0.0.1:\(server.ownPort)/v1/realtime"))
        #expect(!server.program.printed.contains("curl"))
    }
}
