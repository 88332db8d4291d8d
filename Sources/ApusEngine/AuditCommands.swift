public import ApusCore

/// Writes audit entries that belong to no other commit.
struct AppendAudit: LoneCommand {
    let entries: [AuditEntry]
    let then: Completion<Void>

    init(entries: [AuditEntry], then: @escaping Completion<Void>) {
        self.entries = entries
        self.then = then
    }

    func decide(in transaction: any StorageTransaction, context: CommitContext) throws(ApusError) -> CommitOutcome {
        var batch = CommitBatch()
        batch.audit = entries
        try transaction.apply(batch)
        return CommitOutcome(answers: [{ then(.success(())) }])
    }

    func fail(_ error: ApusError) { then(.failure(error)) }
}

extension Engine {
    public func noteAudit(_ entry: AuditEntry, then: @escaping Completion<Void>) {
        let command = AppendAudit(entries: [entry]) { written in then(written.mapError { $0.asUnaudited }) }
        committer.submit(.alone(command))
    }
}

extension ApusError {
    /// What it means for what was to be audited that its entry could not be written.
    fileprivate var asUnaudited: ApusError {
        guard code != .overloaded else { return self }
        var refusal = ApusError(
            .storageUnavailable, "the audit log cannot be written, so nothing is shown", cause: cause)
        refusal.retryAfterSeconds = retryAfterSeconds ?? 5
        return refusal
    }
}
