import Glibc

/// A TCP connection to the server on this machine.
struct Socket {
    let descriptor: Int32

    /// Connects to 127.0.0.1; until `makeNonBlocking`, every call waits for at most `secondsMax`.
    static func connect(port: UInt16, secondsMax: Int = 10) throws -> Socket {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_INET, kind, 0)
        guard descriptor >= 0 else { throw BenchError.system("socket") }
        let new = Socket(descriptor: descriptor)
        var limit = timeval(tv_sec: secondsMax, tv_usec: 0)
        let limitSize = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, limitSize)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, limitSize)
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))

        var address = loopback(port: port)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let outcome = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, size) }
        }
        guard outcome == 0 else {
            let error = BenchError.system("connect to port \(port)")
            new.close()
            throw error
        }
        return new
    }

    /// Listens on a free port of 127.0.0.1, without blocking.
    static func listen() throws -> Socket {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let new = Socket(descriptor: socket(AF_INET, kind, 0))
        guard new.descriptor >= 0 else { throw BenchError.system("socket") }
        var address = loopback(port: 0)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let outcome = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(new.descriptor, $0, size) }
        }
        guard outcome == 0, Glibc.listen(new.descriptor, 4096) == 0 else { throw BenchError.system("listen") }
        return new
    }

    /// The next connection that waits, without blocking; `nil` when none does.
    func accept() throws -> Socket? {
        let taken = Socket(descriptor: Glibc.accept(descriptor, nil, nil))
        guard taken.descriptor >= 0 else {
            if errno == EAGAIN { return nil }
            throw BenchError.system("accept")
        }
        var on: Int32 = 1
        setsockopt(taken.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        try taken.makeNonBlocking()
        return taken
    }

    /// The port this end has.
    func port() throws -> UInt16 {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let outcome = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        guard outcome == 0 else { throw BenchError.system("getsockname") }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    func makeNonBlocking() throws {
        guard fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0 else {
            throw BenchError.system("fcntl")
        }
    }

    /// Makes `close` leave nothing behind, not even the port's name in the kernel's table.
    func resetOnClose() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    }

    /// Sends what the kernel takes and says how much that was; 0 when it takes nothing now.
    func send(_ start: UnsafePointer<UInt8>, count: Int) throws -> Int {
        while true {
            let sent = Glibc.send(descriptor, start, count, Int32(MSG_NOSIGNAL))
            if sent >= 0 { return sent }
            if errno == EINTR { continue }
            if errno == EAGAIN { return 0 }
            throw BenchError.system("send")
        }
    }

    /// Reads into `start` and says how much; `nil` when nothing is there (yet).
    func receive(into start: UnsafeMutablePointer<UInt8>, count: Int) throws -> Int? {
        while true {
            let received = recv(descriptor, start, count, 0)
            if received > 0 { return received }
            if received == 0 { throw BenchError("the server closed the connection") }
            if errno == EINTR { continue }
            if errno == EAGAIN { return nil }
            throw BenchError.system("recv")
        }
    }

    func close() {
        Glibc.close(descriptor)
    }
}
