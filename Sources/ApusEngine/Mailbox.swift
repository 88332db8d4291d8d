import Glibc

/// A bounded queue from many threads to a few that take all that waits, or a part of it, at once.
///
/// Bounded twice: by the number of elements and by the sum of their costs.
final class Mailbox<Element: Sendable>: @unchecked Sendable {
    // Guarded by `mutex`; a condition variable needs the pthread one.
    private var waiting: [(element: Element, cost: Int)] = []
    private var costWaiting = 0
    private var takersAsleep = 0
    private var isClosed = false
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let arrived: UnsafeMutablePointer<pthread_cond_t>
    private let countMax: Int
    private static var countPerTaker: Int { 32 }
    private let costMax: Int

    init(countMax: Int, costMax: Int) {
        self.countMax = countMax
        self.costMax = costMax
        mutex = .allocate(capacity: 1)
        arrived = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(arrived, nil)
    }

    deinit {
        pthread_cond_destroy(arrived)
        pthread_mutex_destroy(mutex)
        arrived.deallocate()
        mutex.deallocate()
    }

    /// Elements that wait.
    var count: Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return waiting.count
    }

    /// Puts `element` at the end; `false`, and nothing happens, when there is no room or the mailbox is closed.
    func offer(_ element: Element, cost: Int = 0) -> Bool {
        pthread_mutex_lock(mutex)
        guard !isClosed, waiting.count < countMax, costWaiting == 0 || costWaiting + cost <= costMax else {
            pthread_mutex_unlock(mutex)
            return false
        }
        waiting.append((element, cost))
        costWaiting += cost
        // One taker takes a whole lot; a second is worth waking only for what the first will not get to soon.
        let wakes = takersAsleep > 0 && (waiting.count == 1 || waiting.count % Self.countPerTaker == 0)
        if wakes { takersAsleep -= 1 }
        pthread_mutex_unlock(mutex)
        if wakes { pthread_cond_signal(arrived) }
        return true
    }

    /// Waits for elements and takes up to `count` of them, the first whole; `nil` when it is closed and empty.
    func take(upTo count: Int, costMax: Int = .max) -> [Element]? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while waiting.isEmpty {
            if isClosed { return nil }
            // Whoever wakes a taker counts it as awake; one that wakes for no reason counts itself asleep once more,
            // which costs a needless signal at most.
            takersAsleep += 1
            pthread_cond_wait(arrived, mutex)
        }
        var taken: [Element] = []
        var cost = 0
        for entry in waiting.prefix(count) {
            guard taken.isEmpty || cost + entry.cost <= costMax else { break }
            taken.append(entry.element)
            cost += entry.cost
        }
        waiting.removeFirst(taken.count)
        costWaiting -= cost
        return taken
    }

    /// Refuses what comes from now on; what waits is still taken.
    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_mutex_unlock(mutex)
        pthread_cond_broadcast(arrived)
    }
}
