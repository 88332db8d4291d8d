internal import ApusCore

/// Writes everything in a batch but records and owners.
struct AccountWrites {
    private let transaction: LMDBTransaction
    private let view: View

    init(of transaction: LMDBTransaction, in view: View) {
        self.transaction = transaction
        self.view = view
    }

    private func key() -> KeyBuffer { transaction.keys.begin() }

    func apply(_ batch: CommitBatch) throws(ApusError) {
        for user in batch.users { try user.row.put(.users, at: key().add(user.id.text), in: view) }
        for device in batch.devices { try device.row.put(.devices, at: key().add(device.address), in: view) }
        for address in batch.forgottenDevices { try view.remove(.devices, at: key().add(address)) }
        for id in batch.deletedUsers {
            try view.remove(.users, at: key().add(id.text))
            try removeDevices(of: id)
        }
        for grant in batch.tokens { try apply(grant) }
        for revocation in batch.revocations { try apply(revocation) }
        for cutoff in batch.cutoffs {
            var row = RowWriter()
            row.add(cutoff.generation)
            row.add(cutoff.issuedThrough)
            try row.put(.cutoffs, at: key().add(cutoff.user.text), in: view)
        }
        for answer in batch.answers { try apply(answer) }
        for entry in batch.audit { try entry.row.put(.audit, at: key().add(entry.number), in: view) }
        if let retention = batch.forgetting { try Forgetting(through: transaction, in: view).apply(retention) }
        for (name, text) in batch.notes {
            guard let text else { try view.remove(.meta, at: key().add(note: name)); continue }
            try put(text, at: key().add(note: name))
        }
        if let epoch = batch.epoch { try put(epoch.text, at: key().add(Founding.epochName)) }
    }

    private func removeDevices(of owner: OwnerID) throws(ApusError) {
        var addresses: [DeviceAddress] = []
        try view.scan(.devices, prefix: key().add(devicesOf: owner)) { key, _ in
            addresses.append(DeviceAddress(key))
            return true
        }
        for address in addresses { try view.remove(.devices, at: key().add(address)) }
    }

    private func put(_ text: String, at key: KeyBuffer) throws(ApusError) {
        try view.put(.meta, at: key, byteCount: text.utf8.count) { $0.copyBytes(from: text.utf8) }
    }

    private func apply(_ grant: TokenGrant) throws(ApusError) {
        if let former = try view.value(in: .tokenIDs, at: key().add(tokenID: grant.id))?.keyNumber64(at: 0) {
            let token = try transaction.token(number: former, in: view)
            try view.remove(.tokens, at: key().add(former))
            try view.remove(.tokensOfUsers, at: key().add(token, number: former))
            try view.remove(.tokenEnds, at: key().add(token.expiresAt).add(former))
        }
        var number: Int64 = 1
        try view.scanBack(.tokens, before: nil) { key, _ in
            number = key.keyNumber64(at: 0) + 1
            return false
        }
        try grant.row.put(.tokens, at: key().add(number), in: view)
        try put(number, .tokenIDs, at: key().add(tokenID: grant.id))
        try put(grant.expiresAt.milliseconds, .tokensOfUsers, at: key().add(grant, number: number))
        try view.put(.tokenEnds, at: key().add(grant.expiresAt).add(number))
    }

    private func apply(_ revocation: TokenRevocation) throws(ApusError) {
        let id = revocation.tokenID
        if let former = try view.value(in: .revocations, at: key().add(tokenID: id))?.keyNumber64(at: 0) {
            try view.remove(.revocationEnds, at: key().add(former).add(id))
        }
        try put(revocation.keepUntil.milliseconds, .revocations, at: key().add(tokenID: id))
        try view.put(.revocationEnds, at: key().add(revocation.keepUntil).add(id))
    }

    private func apply(_ answer: StoredAnswer) throws(ApusError) {
        let owner = try transaction.makeNumber(of: answer.owner, in: view)
        if let bytes = try view.value(in: .answers, at: key().add(owner).add(answer.key)) {
            var former = RowReader(bytes)
            let storedAt = try former.moment()
            try view.remove(.answerAges, at: key().add(storedAt).add(owner).add(answer.key))
        }
        try answer.row.put(.answers, at: key().add(owner).add(answer.key), in: view)
        try view.put(.answerAges, at: key().add(answer.storedAt).add(owner).add(answer.key))
    }

    private func put(_ number: Int64, _ table: Table, at key: KeyBuffer) throws(ApusError) {
        try view.put(table, at: key, byteCount: 8) { $0.storeKeyNumber(number) }
    }
}

/// Drops what has run out.
struct Forgetting {
    private let transaction: LMDBTransaction
    private let view: View

    init(through transaction: LMDBTransaction, in view: View) {
        self.transaction = transaction
        self.view = view
    }

    private func key() -> KeyBuffer { transaction.keys.begin() }

    func apply(_ retention: Retention) throws(ApusError) {
        try each(.answerAges, before: retention.answersStoredBefore.milliseconds) { age throws(ApusError) in
            try view.remove(.answers, at: key().add(UnsafeRawBufferPointer(rebasing: age[8...])))
        }
        if retention.auditThrough > 0 { try each(.audit, before: retention.auditThrough + 1) { _ in } }
        try each(.tokenEnds, before: retention.tokensEndedBefore.milliseconds) { end throws(ApusError) in
            let number = end.keyNumber64(at: 8)
            let token = try transaction.token(number: number, in: view)
            try view.remove(.tokens, at: key().add(number))
            try view.remove(.tokenIDs, at: key().add(tokenID: token.id))
            try view.remove(.tokensOfUsers, at: key().add(token, number: number))
        }
        try each(.revocationEnds, before: retention.tokensEndedBefore.milliseconds) { end throws(ApusError) in
            try view.remove(.revocations, at: key().add(tokenID: end.text(from: 8)))
        }
    }

    /// Removes what stands in `table` under numbers below `end`, after `body` has removed what belongs to it.
    private func each(
        _ table: Table, before end: Int64, _ body: (UnsafeRawBufferPointer) throws(ApusError) -> Void
    ) throws(ApusError) {
        while let first = try firstKey(table) {
            let isOld = try first.withBytes { bytes throws(ApusError) in
                guard bytes.keyNumber64(at: 0) < end else { return false }
                try body(bytes)
                try view.remove(table, at: key().add(bytes))
                return true
            }
            guard isOld else { return }
        }
    }

    private func firstKey(_ table: Table) throws(ApusError) -> [UInt8]? {
        var first: [UInt8]?
        try view.scan(table, from: nil) { key, _ in
            first = Array(key)
            return false
        }
        return first
    }
}
