import ApusCore
import Synchronization

/// Remembers the newest changes of all owners, without their values.
final class LatestChanges: FeedObserver {
    private let countMax: Int
    private let kept: Mutex<[ChangeNotice]> = Mutex([])

    init(countMax: Int) {
        self.countMax = countMax
    }

    /// The newest first.
    var notices: [ChangeNotice] { kept.withLock { $0.reversed() } }

    func publish(_ changes: [Change]) {
        let latest = changes.suffix(countMax).map { ChangeNotice($0.record) }
        kept.withLock { kept in
            kept.removeFirst(max(0, kept.count + latest.count - countMax))
            kept += latest
        }
    }

    func revoked(_ revocation: Revocation) {}
    func presenceChanged(_ change: PresenceChange) {}
}
