import Glibc

/// The sockets of one thread and which of them are ready: epoll, level-triggered.
final class Poller {
    private enum Interest {
        static let read: UInt32 = 0x001
        static let write: UInt32 = 0x004
    }

    private enum Operation {
        static let add: Int32 = 1
        static let remove: Int32 = 2
        static let change: Int32 = 3
    }

    // The kernel packs `struct epoll_event` on x86-64 only.
    #if arch(x86_64)
        private static let eventSize = 12
        private static let tokenOffset = 4
    #else
        private static let eventSize = 16
        private static let tokenOffset = 8
    #endif
    private static let eventsMax = 512

    /// Returns of `wait` so far, and the ready sockets they counted.
    private(set) var waits = 0
    private(set) var readySockets = 0
    private let calls: LinuxCalls
    private let descriptor: Int32
    private let events: UnsafeMutableRawPointer

    init() throws {
        calls = try LinuxCalls()
        descriptor = calls.epollCreate(O_CLOEXEC)
        events = UnsafeMutableRawPointer.allocate(byteCount: Self.eventsMax * Self.eventSize, alignment: 16)
        guard descriptor >= 0 else { throw BenchError.system("epoll_create1") }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        events.deallocate()
    }

    /// Watches a socket for bytes to read; `token` comes back when it is ready.
    func add(_ socket: Socket, token: Int) throws {
        try control(Operation.add, socket, token, Interest.read)
    }

    /// Also reports when the socket can be written to, or no longer does.
    func watch(_ socket: Socket, token: Int, forWriting: Bool) throws {
        let interest = forWriting ? Interest.read | Interest.write : Interest.read
        try control(Operation.change, socket, token, interest)
    }

    /// Watches a socket no more.
    func remove(_ socket: Socket) throws {
        try control(Operation.remove, socket, 0, 0)
    }

    /// Waits until a socket is ready, at most `milliseconds`, and says how many are (0 after a timeout).
    func wait(milliseconds: Int32) throws -> Int {
        let count = calls.epollWait(descriptor, events, Int32(Self.eventsMax), milliseconds)
        guard count >= 0 || errno == EINTR else { throw BenchError.system("epoll_wait") }
        waits += 1
        readySockets += Int(max(0, count))
        return Int(max(0, count))
    }

    /// The token of one of the sockets that the last `wait` counted.
    func token(_ index: Int) -> Int {
        let stored = events.loadUnaligned(fromByteOffset: index * Self.eventSize + Self.tokenOffset, as: UInt64.self)
        return Int(stored)
    }

    private func control(_ operation: Int32, _ socket: Socket, _ token: Int, _ interest: UInt32) throws {
        var event: (UInt64, UInt64) = (0, 0)
        let outcome = withUnsafeMutableBytes(of: &event) { raw in
            raw.storeBytes(of: interest, as: UInt32.self)
            raw.storeBytes(of: UInt64(token), toByteOffset: Self.tokenOffset, as: UInt64.self)
            return calls.epollControl(descriptor, operation, socket.descriptor, raw.baseAddress)
        }
        guard outcome == 0 else { throw BenchError.system("epoll_ctl") }
    }
}
