import ApusCore

/// Writes a deleted record again with the value its tombstone keeps.
struct UndeleteRecord: LoneCommand {
    let address: RecordAddress
    let origin: RequestOrigin
    let then: Completion<Record>

    func decide(in transaction: any StorageTransaction, context: CommitContext) throws(ApusError) -> CommitOutcome {
        let owner = address.owner
        var planner = CommitPlanner(
            now: context.clock.now(), limits: context.settings.limits,
            rows: try transaction.stored([address], valueBytesMax: 0).compactMap(\.self),
            owners: [owner: try transaction.ownerState(owner)], answers: [])
        let value = try transaction.deletedValue(at: address)
        let record: Record
        do throws(ApusError) {
            record = try planner.undelete(address, value: value, origin: origin)
        } catch {
            return CommitOutcome(answers: [{ then(.failure(error)) }])
        }
        try transaction.apply(planner.batch)
        return CommitOutcome(changes: planner.changes, answers: [{ then(.success(record)) }])
    }

    func fail(_ error: ApusError) { then(.failure(error)) }
}
