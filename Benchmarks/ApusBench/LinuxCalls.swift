import Glibc

/// Calls of glibc that Swift's module of it leaves out; they are looked up by name, once.
struct LinuxCalls {
    typealias EpollCreate = @convention(c) (Int32) -> Int32
    typealias EpollControl = @convention(c) (Int32, Int32, Int32, UnsafeMutableRawPointer?) -> Int32
    typealias EpollWait = @convention(c) (Int32, UnsafeMutableRawPointer, Int32, Int32) -> Int32
    typealias SetAffinity = @convention(c) (pid_t, Int, UnsafeRawPointer) -> Int32

    let epollCreate: EpollCreate
    let epollControl: EpollControl
    let epollWait: EpollWait
    let setAffinity: SetAffinity

    init() throws {
        epollCreate = unsafeBitCast(try Self.address(of: "epoll_create1"), to: EpollCreate.self)
        epollControl = unsafeBitCast(try Self.address(of: "epoll_ctl"), to: EpollControl.self)
        epollWait = unsafeBitCast(try Self.address(of: "epoll_wait"), to: EpollWait.self)
        setAffinity = unsafeBitCast(try Self.address(of: "sched_setaffinity"), to: SetAffinity.self)
    }

    /// Keeps the calling thread, and the threads and processes it starts from now on, on one core (0 to 63).
    func pin(toCore core: Int) throws {
        precondition((0..<64).contains(core))
        var mask = UInt64(1) << UInt64(core)
        guard setAffinity(0, MemoryLayout<UInt64>.size, &mask) == 0 else {
            throw BenchError.system("sched_setaffinity to core \(core)")
        }
    }

    private static func address(of name: String) throws -> UnsafeMutableRawPointer {
        guard let address = dlsym(dlopen(nil, RTLD_NOW), name) else { throw BenchError("no \(name) on this system") }
        return address
    }
}
