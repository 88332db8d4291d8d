import ApusCore
import Synchronization

/// Those who are told of every commit.
final class Observers: Sendable {
    private let attached: Mutex<[any FeedObserver]> = Mutex([])

    func attach(_ observer: any FeedObserver) {
        attached.withLock { $0.append(observer) }
    }

    func publish(_ changes: [Change]) {
        for observer in attached.withLock({ $0 }) { observer.publish(changes) }
    }

    func revoked(_ revocation: Revocation) {
        for observer in attached.withLock({ $0 }) { observer.revoked(revocation) }
    }

    func presenceChanged(_ change: PresenceChange) {
        for observer in attached.withLock({ $0 }) { observer.presenceChanged(change) }
    }
}
