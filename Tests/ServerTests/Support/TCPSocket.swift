import Glibc

/// How long a test waits before it calls something hung. No figure for speed.
let patience = 30.0

/// Seconds on a clock that never goes back.
func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func sleepSeconds(_ seconds: Double) {
    usleep(UInt32(seconds * 1e6))
}

/// Asks again and again until `condition` holds or patience ends.
func eventually(within seconds: Double = patience, _ condition: () throws -> Bool) rethrows -> Bool {
    let end = monotonicSeconds() + seconds
    while monotonicSeconds() < end {
        if try condition() { return true }
        sleepSeconds(0.02)
    }
    return try condition()
}

enum SocketFailure: Error {
    case notConnected(Int32)
    case timedOut(after: String)
    /// The server closed the connection where more was expected.
    case closed
    case malformed(String)
}

/// A blocking client connection to 127.0.0.1 with a buffer of what was received.
final class TCPSocket {
    let descriptor: Int32
    private var buffer: [UInt8] = []
    private var start = 0
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

    /// - Parameter receiveBytesMax: how much the system takes in before it is asked for; its own choice if `nil`.
    init(port: Int, receiveBytesMax: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if var receiveBytesMax {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBytesMax, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            let reason = errno
            throw SocketFailure.notConnected(reason)
        }
        var noDelay: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit {
        close(descriptor)
        scratch.deallocate()
    }

    var available: ArraySlice<UInt8> { buffer[start...] }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            guard poll(POLLOUT, within: patience) else { throw SocketFailure.timedOut(after: "send") }
            let count = bytes.withUnsafeBytes { raw in
                Glibc.send(
                    descriptor, raw.baseAddress?.advanced(by: sent), raw.count - sent,
                    Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if count < 0 && (errno == EAGAIN || errno == EINTR) { continue }
            guard count > 0 else { throw SocketFailure.closed }
            sent += count
        }
    }

    func send(_ text: String) throws {
        try send(Array(text.utf8))
    }

    /// Tells the server that nothing more comes.
    func finishSending() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Waits for more bytes; false when the server closed.
    func receive(within seconds: Double = patience) throws -> Bool {
        guard poll(POLLIN, within: seconds) else { throw SocketFailure.timedOut(after: "\(seconds) s") }
        if start == buffer.count || start > 1 << 20 {
            buffer.removeFirst(start)
            start = 0
        }
        let count = recv(descriptor, scratch.baseAddress, scratch.count, 0)
        if count > 0 { buffer.append(contentsOf: UnsafeRawBufferPointer(rebasing: scratch[..<count])) }
        return count > 0
    }

    func take(_ count: Int, within seconds: Double = patience) throws -> [UInt8] {
        let end = monotonicSeconds() + seconds
        while buffer.count - start < count {
            guard try receive(within: max(0, end - monotonicSeconds())) else { throw SocketFailure.closed }
        }
        defer { start += count }
        return Array(buffer[start..<start + count])
    }

    /// Passes over the next bytes if they are these; otherwise they are still to be read.
    func skip(_ expected: [UInt8]) throws -> Bool {
        while buffer.count - start < expected.count {
            guard try receive() else { return false }
        }
        let isEqual = buffer.withUnsafeBytes { held in
            expected.withUnsafeBytes { wanted in
                guard let left = held.baseAddress, let right = wanted.baseAddress else { return true }
                return memcmp(left + start, right, wanted.count) == 0
            }
        }
        guard isEqual else { return false }
        start += expected.count
        return true
    }

    /// The next line without its end.
    func takeLine(within seconds: Double = patience) throws -> String {
        let end = monotonicSeconds() + seconds
        var searched = start
        while true {
            if let newline = buffer[searched...].firstIndex(of: 0x0A) {
                var line = buffer[start..<newline]
                if line.last == 0x0D { line.removeLast() }
                start = newline + 1
                return String(decoding: line, as: UTF8.self)
            }
            let kept = buffer.count - start
            guard try receive(within: max(0, end - monotonicSeconds())) else { throw SocketFailure.closed }
            searched = start + kept
        }
    }

    /// Whether the server closes within `seconds`; what it still sends is kept.
    func isClosedByServer(within seconds: Double = patience) -> Bool {
        let end = monotonicSeconds() + seconds
        while monotonicSeconds() < end {
            guard let more = try? receive(within: max(0, end - monotonicSeconds())) else { return false }
            if !more { return true }
        }
        return false
    }

    private func poll(_ event: Int32, within seconds: Double) -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        let end = monotonicSeconds() + seconds
        while true {
            let left = max(0, end - monotonicSeconds())
            let ready = Glibc.poll(&request, 1, Int32((left * 1000).rounded(.up)))
            if ready > 0 { return true }
            if ready == 0 { return false }
            guard errno == EINTR else { return true }
        }
    }
}
