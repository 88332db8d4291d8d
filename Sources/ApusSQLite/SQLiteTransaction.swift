internal import ApusCore
internal import ApusStorageKit
internal import NIOCore

/// What may be done between BEGIN and COMMIT.
final class SQLiteTransaction: SQLiteReader, StorageTransaction {
    func stored(_ addresses: [RecordAddress], valueBytesMax: Int) throws(ApusError) -> [StoredRecord?] {
        var rows: [StoredRecord?] = []
        rows.reserveCapacity(addresses.count)
        var bytesLeft = valueBytesMax
        for address in addresses {
            let row = try stored(at: address, valueBytesMax: bytesLeft)
            bytesLeft -= row?.record.value?.byteCount ?? 0
            rows.append(row)
        }
        return rows
    }

    func expired(at moment: Timestamp, limit: Int) throws(ApusError) -> [RecordAddress] {
        let statement = try connection.prepared(.expiredRecords)
        defer { statement.finish() }
        statement.bind(moment, at: 1)
        statement.bind(Int64(limit), at: 2)
        var addresses: [RecordAddress] = []
        while try statement.step() { addresses.append(try address(in: statement)) }
        return addresses
    }

    func tombstones(committedBefore moment: Timestamp, limit: Int) throws(ApusError) -> [StoredRecord] {
        let statement = try connection.prepared(.oldTombstones)
        defer { statement.finish() }
        statement.bind(moment, at: 1)
        statement.bind(Int64(limit), at: 2)
        var rows = RecordRows()
        var locators: [Int64] = []
        while try statement.step() {
            rows.add(statement, scope: try scope(RecordRows.scopeNumber(in: statement)))
            locators.append(RecordRows.locator(in: statement))
        }
        return zip(rows.finished(), locators).map { StoredRecord(record: $0, locator: $1) }
    }

    func apply(_ batch: CommitBatch) throws(ApusError) {
        precondition(connection.isInTransaction, "the transaction is over")
        for write in batch.records { try apply(write) }
        for purge in batch.purges { try run(.deleteRecord) { $0.bind(purge.locator, at: 1) } }
        for address in batch.forgottenValues { try forgetValue(at: address) }
        for (owner, state) in batch.owners {
            let number = try makeNumber(of: owner)
            try run(.updateOwner) {
                $0.bind(number, at: 1)
                $0.bind(state.lastSequence.rawValue, at: 2)
                $0.bind(state.lastCommittedAt, at: 3)
                $0.bind(state.purgedThrough.rawValue, at: 4)
            }
        }
        try applyAccounts(of: batch)
        for answer in batch.answers { try apply(answer) }
        for entry in batch.audit { try apply(entry) }
        if let retention = batch.forgetting { try apply(retention) }
        for (name, text) in batch.notes { try note(name, text) }
        if let epoch = batch.epoch { try run(.updateEpoch) { $0.bind(epoch.text, at: 1) } }
    }

    private func apply(_ write: CommitBatch.RecordWrite) throws(ApusError) {
        if write.kept == .ofReplaced, let locator = write.replacing { return try bury(write.record, at: locator) }
        let record = write.record
        let statement = try connection.prepared(write.replacing == nil ? .insertRecord : .updateRecord)
        defer { statement.finish() }
        Self.bind(record, to: statement)
        if let locator = write.replacing {
            statement.bind(locator, at: 7)
        } else {
            let scope = Scope(owner: record.address.owner, collection: record.address.collection)
            let scopeNumber = try makeNumber(of: scope)
            statement.bind(try makeNumber(of: scope.owner), at: 7)
            statement.bind(scopeNumber, at: 8)
            statement.bind(record.address.key.text, at: 9)
        }
        var value = record.value
        if case .given(let kept) = write.kept { value = kept }
        try statement.run(binding: value?.bytes, at: 6)
        precondition(connection.rowsChanged == 1, "a locator must be one of this transaction's")
    }

    /// Writes everything of a tombstone but its value: the one of the row stays.
    private func bury(_ tombstone: Record, at locator: Int64) throws(ApusError) {
        try run(.buryRecord) {
            Self.bind(tombstone, to: $0)
            $0.bind(locator, at: 6)
        }
        precondition(connection.rowsChanged == 1, "a locator must be one of this transaction's")
    }

    private static func bind(_ record: Record, to statement: Statement) {
        statement.bind(record.sequence.rawValue, at: 1)
        statement.bind(record.committedAt, at: 2)
        statement.bind(record.updatedAt, at: 3)
        statement.bind(record.deletedAt, at: 4)
        statement.bind(record.expiresAt, at: 5)
    }

    private func forgetValue(at address: RecordAddress) throws(ApusError) {
        let scope = Scope(owner: address.owner, collection: address.collection)
        guard let scopeNumber = try number(of: scope) else { return }
        try run(.forgetValue) {
            $0.bind(scopeNumber, at: 1)
            $0.bind(address.key.text, at: 2)
        }
    }

    private func applyAccounts(of batch: CommitBatch) throws(ApusError) {
        for user in batch.users {
            try run(.upsertUser) {
                $0.bind(user.id.text, at: 1)
                $0.bind(user.displayName, at: 2)
                $0.bind(user.createdAt, at: 3)
            }
        }
        try applyDevices(of: batch)
        for id in batch.deletedUsers {
            try run(.deleteUser) { $0.bind(id.text, at: 1) }
            try run(.deleteDevicesOfOwner) { $0.bind(id.text, at: 1) }
        }
        for grant in batch.tokens { try apply(grant) }
        for revocation in batch.revocations {
            try run(.upsertRevocation) {
                $0.bind(revocation.tokenID, at: 1)
                $0.bind(revocation.keepUntil, at: 2)
            }
        }
        for cutoff in batch.cutoffs {
            try run(.upsertCutoff) {
                $0.bind(cutoff.user.text, at: 1)
                $0.bind(cutoff.generation, at: 2)
                $0.bind(cutoff.issuedThrough, at: 3)
            }
        }
    }

    private func applyDevices(of batch: CommitBatch) throws(ApusError) {
        for device in batch.devices {
            try run(.upsertDevice) {
                $0.bind(device.owner.text, at: 1)
                $0.bind(device.id.text, at: 2)
                $0.bind(device.name, at: 3)
                $0.bind(device.platform, at: 4)
                $0.bind(device.registeredAt, at: 5)
                $0.bind(device.lastSeenAt, at: 6)
            }
        }
        for address in batch.forgottenDevices {
            try run(.deleteDevice) {
                $0.bind(address.owner.text, at: 1)
                $0.bind(address.id.text, at: 2)
            }
        }
    }

    private func apply(_ grant: TokenGrant) throws(ApusError) {
        let statement = try connection.prepared(.upsertToken)
        defer { statement.finish() }
        statement.bind(grant.id, at: 1)
        statement.bind(grant.user.text, at: 2)
        statement.bind(grant.issuedAt, at: 3)
        statement.bind(grant.expiresAt, at: 4)
        statement.bind(grant.generation, at: 5)
        try statement.run(binding: grant.claims?.bytes, at: 6)
    }

    private func apply(_ answer: StoredAnswer) throws(ApusError) {
        let owner = try makeNumber(of: answer.owner)
        let statement = try connection.prepared(.upsertAnswer)
        defer { statement.finish() }
        statement.bind(owner, at: 1)
        statement.bind(answer.key, at: 2)
        statement.bind(answer.storedAt, at: 3)
        statement.bind(answer.fingerprint, at: 4)
        try statement.run(binding: answer.body, at: 5)
    }

    private func apply(_ entry: AuditEntry) throws(ApusError) {
        try run(.insertAudit) {
            $0.bind(entry.at, at: 1)
            $0.bind(entry.origin.actor, at: 2)
            $0.bind(entry.origin.ip, at: 3)
            $0.bind(entry.origin.requestID, at: 4)
            $0.bind(entry.action, at: 5)
            $0.bind(entry.target, at: 6)
            $0.bind(entry.outcome, at: 7)
            $0.bind(entry.detail, at: 8)
            $0.bind(entry.number, at: 9)
            if let previous = entry.previous { $0.bind(previous.bytes, at: 10) }
        }
    }

    private func apply(_ retention: Retention) throws(ApusError) {
        try run(.forgetAnswers) { $0.bind(retention.answersStoredBefore, at: 1) }
        try run(.forgetAudit) { $0.bind(retention.auditThrough, at: 1) }
        try run(.forgetTokens) { $0.bind(retention.tokensEndedBefore, at: 1) }
        try run(.forgetRevocations) { $0.bind(retention.tokensEndedBefore, at: 1) }
    }

    private func note(_ name: String, _ text: String?) throws(ApusError) {
        try run(text == nil ? .deleteNote : .upsertNote) {
            $0.bind(name, at: 1)
            if let text { $0.bind(text, at: 2) }
        }
    }

    private func run(_ query: Query, binding bind: (Statement) -> Void) throws(ApusError) {
        let statement = try connection.prepared(query)
        defer { statement.finish() }
        bind(statement)
        try statement.run()
    }
}

// MARK: - Names

extension SQLiteTransaction {
    private func makeNumber(of owner: OwnerID) throws(ApusError) -> Int64 {
        if let known = try number(of: owner) { return known }
        try run(.insertOwner) { $0.bind(owner.text, at: 1) }
        connection.names.remember(connection.lastRowNumber, of: owner)
        return connection.lastRowNumber
    }

    private func makeNumber(of scope: Scope) throws(ApusError) -> Int64 {
        if let known = try number(of: scope) { return known }
        let owner = try makeNumber(of: scope.owner)
        try run(.insertScope) {
            $0.bind(owner, at: 1)
            $0.bind(scope.collection.text, at: 2)
        }
        connection.names.remember(connection.lastRowNumber, of: scope)
        return connection.lastRowNumber
    }
}
