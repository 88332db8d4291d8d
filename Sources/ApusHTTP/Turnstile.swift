import Glibc

/// Lets one thread through each time it is opened, and keeps it waiting until then.
final class Turnstile: @unchecked Sendable {
    // Guarded by `mutex`; a condition variable needs the pthread one.
    private var isOpen = true
    private var isBroken = false
    private let mutex: UnsafeMutablePointer<pthread_mutex_t> = .allocate(capacity: 1)
    private let opened: UnsafeMutablePointer<pthread_cond_t> = .allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(opened, nil)
    }

    deinit {
        pthread_cond_destroy(opened)
        pthread_mutex_destroy(mutex)
        opened.deallocate()
        mutex.deallocate()
    }

    /// Waits until it is open, and closes it behind itself; `false` at once if it is broken.
    func pass() -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !isOpen, !isBroken { pthread_cond_wait(opened, mutex) }
        isOpen = false
        return !isBroken
    }

    var isWhole: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return !isBroken
    }

    func open() {
        pthread_mutex_lock(mutex)
        isOpen = true
        pthread_mutex_unlock(mutex)
        pthread_cond_signal(opened)
    }

    /// Nobody passes any more, and nobody waits.
    func breakDown() {
        pthread_mutex_lock(mutex)
        isBroken = true
        pthread_mutex_unlock(mutex)
        pthread_cond_broadcast(opened)
    }
}
