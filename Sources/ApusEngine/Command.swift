import ApusCore

/// One thing the committer is asked to do.
enum Command: Sendable {
    case write(WriteRequest, Completion<WriteAnswer>)
    /// Decided in a transaction of its own.
    case alone(any LoneCommand)

    var isWrite: Bool {
        switch self {
        case .write: true
        case .alone: false
        }
    }

    /// Bytes held while it waits.
    var cost: Int {
        switch self {
        case .write(let request, _):
            request.items.reduce(into: 0) { bytes, item in
                bytes += 256
                if case .success(let item) = item, case .set(let value, _) = item.operation { bytes += value.byteCount }
            }
        case .alone: 0
        }
    }

    func fail(_ error: ApusError) {
        switch self {
        case .write(_, let then): then(.failure(error))
        case .alone(let command): command.fail(error)
        }
    }

    /// Decides `commands`, which are one lone command or writes only, and applies what was decided.
    static func decide(
        _ commands: ArraySlice<Command>, in transaction: any StorageTransaction, context: CommitContext
    ) throws(ApusError) -> CommitOutcome {
        if case .alone(let command)? = commands.first { return try command.decide(in: transaction, context: context) }
        var planner = try touched(by: commands, in: transaction, context: context)
        var outcome = CommitOutcome()
        outcome.answers.reserveCapacity(commands.count)
        for case .write(let request, let then) in commands {
            // Judged here, after every revocation that was committed before, not only where the request came in.
            let isRevoked = request.principal.map { context.revocations.revokes($0) } ?? false
            let answer = isRevoked ? .failure(.tokenRevoked) : planner.decide(request)
            outcome.answers.append { then(answer) }
        }
        if !planner.batch.isEmpty { try transaction.apply(planner.batch) }
        outcome.changes = planner.changes
        return outcome
    }

    /// Reads everything the writes name.
    private static func touched(
        by commands: ArraySlice<Command>, in transaction: any StorageTransaction, context: CommitContext
    ) throws(ApusError) -> CommitPlanner {
        var addresses = (withValue: [RecordAddress](), without: [RecordAddress]())
        var seen: Set<RecordAddress> = []
        var valued: Set<RecordAddress> = []
        var owners: [OwnerID: OwnerState] = [:]
        var answers: [StoredAnswer] = []
        for case .write(let request, _) in commands {
            if owners[request.owner] == nil {
                owners[request.owner] = try transaction.ownerState(request.owner)
            }
            if let claim = request.idempotency,
                let stored = try transaction.storedAnswer(owner: request.owner, key: claim.key)
            {
                answers.append(stored)
            }
            for case .success(let item) in request.items {
                let address = RecordAddress(owner: request.owner, collection: item.collection, key: item.key)
                if CommitPlanner.needsStoredValue(item) {
                    if valued.insert(address).inserted { addresses.withValue.append(address) }
                } else if seen.insert(address).inserted {
                    addresses.without.append(address)
                }
            }
        }
        addresses.without.removeAll { valued.contains($0) }
        let bytesMax = context.settings.limits.storedBytesMax
        let rows =
            try transaction.stored(addresses.withValue, valueBytesMax: bytesMax)
            + transaction.stored(addresses.without, valueBytesMax: 0)
        return CommitPlanner(
            now: context.clock.now(), limits: context.settings.limits, rows: rows.compactMap(\.self), owners: owners,
            answers: answers)
    }
}

/// A command that is decided in a transaction of its own.
protocol LoneCommand: Sendable {
    /// Reads, decides and applies; what it returns happens once the commit is durable.
    func decide(in transaction: any StorageTransaction, context: CommitContext) throws(ApusError) -> CommitOutcome

    /// Answers that nothing was done.
    func fail(_ error: ApusError)
}
