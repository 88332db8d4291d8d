import ApusCore
import NIOCore

/// What an administrator may only read if the audit log says so.
struct AuditedRead: Sendable {
    /// `admin.read`, `export`.
    var action = "admin.read"
    /// What is read: a path below the route's own, such as `u1/settings`.
    var target: String
    /// What narrows it.
    var detail = ""

    fileprivate func entry(by exchange: Exchange, outcome: String = "ok") -> AuditEntry {
        AuditEntry(
            at: exchange.service.now(), origin: exchange.origin, action: action, target: target, outcome: outcome,
            detail: detail)
    }
}

extension Exchange {
    /// Like ``answer(_:)``, but the answer, good or bad, waits until its entry in the audit log is durable; where that
    /// fails, the answer is that.
    func answer<Answer: Sendable>(
        audited read: AuditedRead, _ encode: @escaping @Sendable (Answer, Exchange) throws(ApusError) -> HTTPReply
    ) -> Completion<Answer> {
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        let good = read.entry(by: self)
        return { [lane, service] result in
            var entry = good
            if case .failure(let error) = result { entry.outcome = error.code.rawValue }
            service.noteAudit(entry) { noted in
                lane.post {
                    let exchange = bound.value
                    do throws(ApusError) {
                        try noted.get()
                        exchange.reply(try encode(try result.get(), exchange))
                    } catch {
                        exchange.refuse(error)
                    }
                }
            }
        }
    }

    /// Goes on with `then`, on the event loop, once the entry in the audit log is durable; refuses the request where
    /// that fails.
    func audit(_ read: AuditedRead, then: @escaping @Sendable (Exchange) throws(ApusError) -> Void) {
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        service.noteAudit(read.entry(by: self)) { [lane] noted in
            lane.post {
                let exchange = bound.value
                do throws(ApusError) {
                    try noted.get()
                    try then(exchange)
                } catch {
                    exchange.refuse(error)
                }
            }
        }
    }
}
