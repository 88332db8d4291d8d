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
        committer.submit(.alone(AppendAudit(entries: [entry], then: then)))
    }
}
