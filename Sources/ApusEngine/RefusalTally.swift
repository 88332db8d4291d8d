import ApusCore
import Synchronization

/// Counts refused requests by minute, source and reason, so that a flood of them is one audit entry a minute.
final class RefusalTally: Sendable {
    /// What the audit log calls it.
    enum Kind: String {
        case refusal = "request.refused"
        case failedLogin = "login.failed"
    }

    private struct Key: Hashable {
        var minute: Int64
        var kind: Kind
        var actor: String
        var ip: String
        var action: String
        var code: ApusError.Code
    }

    private let sourcesMax: Int
    private let counts: Mutex<[Key: Int]> = Mutex([:])

    init(sourcesMax: Int = 10_000) {
        self.sourcesMax = sourcesMax
    }

    func note(
        _ code: ApusError.Code, of action: String, as kind: Kind = .refusal, origin: RequestOrigin, at now: Timestamp
    ) {
        counts.withLock { counts in
            var key = Key(
                minute: now.milliseconds / 60_000, kind: kind, actor: origin.actor, ip: origin.ip, action: action,
                code: code)
            if counts.count >= sourcesMax, counts[key] == nil {
                key.actor = "many"
                key.ip = ""
                key.action = "many"
            }
            counts[key, default: 0] += 1
        }
    }

    /// Takes out the minutes that ended before `moment`, or all of them, one entry a source and reason.
    func drain(minutesEndedBefore moment: Timestamp?) -> [AuditEntry] {
        let ended = counts.withLock { counts in
            let minute = moment.map { $0.milliseconds / 60_000 } ?? .max
            let ended = counts.filter { $0.key.minute < minute }
            if !ended.isEmpty { counts = counts.filter { $0.key.minute >= minute } }
            return ended
        }
        return ended.map { key, count in
            AuditEntry(
                at: Timestamp(milliseconds: key.minute * 60_000),
                origin: RequestOrigin(actor: key.actor, ip: key.ip, requestID: ""),
                action: key.kind.rawValue, target: key.action, outcome: key.code.rawValue,
                detail: "\(count) in this minute")
        }
    }
}
