internal import ApusCore
internal import NIOCore

extension SQLiteReader {
    func user(_ id: OwnerID) throws(ApusError) -> User? {
        let statement = try connection.prepared(.userByID)
        defer { statement.finish() }
        statement.bind(id.text, at: 1)
        return try statement.step() ? user(in: statement) : nil
    }

    func users(after: OwnerID?, limit: Int) throws(ApusError) -> [User] {
        let statement = try connection.prepared(.usersAfter)
        defer { statement.finish() }
        statement.bind(after?.text ?? "", at: 1)
        statement.bind(Int64(limit), at: 2)
        var users: [User] = []
        while try statement.step() { users.append(user(in: statement)) }
        return users
    }

    func tokens(user: OwnerID, expiringAfter moment: Timestamp, limit: Int) throws(ApusError) -> [TokenGrant] {
        let statement = try connection.prepared(.tokensOfUser)
        defer { statement.finish() }
        statement.bind(user.text, at: 1)
        statement.bind(moment, at: 2)
        statement.bind(Int64(limit), at: 3)
        var grants: [TokenGrant] = []
        while try statement.step() { grants.append(grant(in: statement)) }
        return grants
    }

    func token(id: String) throws(ApusError) -> TokenGrant? {
        let statement = try connection.prepared(.tokenByID)
        defer { statement.finish() }
        statement.bind(id, at: 1)
        return try statement.step() ? grant(in: statement) : nil
    }

    func revocations() throws(ApusError) -> [TokenRevocation] {
        let statement = try connection.prepared(.revocations)
        defer { statement.finish() }
        var revocations: [TokenRevocation] = []
        while try statement.step() {
            revocations.append(TokenRevocation(tokenID: statement.text(0), keepUntil: statement.moment(1)))
        }
        return revocations
    }

    func cutoffs() throws(ApusError) -> [TokenCutoff] {
        let statement = try connection.prepared(.cutoffs)
        defer { statement.finish() }
        var cutoffs: [TokenCutoff] = []
        while try statement.step() {
            let cutoff = TokenCutoff(
                user: OwnerID(stored: statement.text(0)), generation: statement.number(1),
                issuedThrough: statement.moment(2))
            cutoffs.append(cutoff)
        }
        return cutoffs
    }

    func storedAnswer(owner: OwnerID, key: String) throws(ApusError) -> StoredAnswer? {
        guard let ownerNumber = try number(of: owner) else { return nil }
        let statement = try connection.prepared(.answerByKey)
        defer { statement.finish() }
        statement.bind(ownerNumber, at: 1)
        statement.bind(key, at: 2)
        guard try statement.step() else { return nil }
        return StoredAnswer(
            owner: owner, key: key, fingerprint: Array(statement.bytes(1).readableBytesView),
            body: statement.bytes(2), storedAt: statement.moment(0))
    }

    func auditEntries(limit: Int) throws(ApusError) -> [AuditEntry] {
        let statement = try connection.prepared(.newestAudit)
        defer { statement.finish() }
        statement.bind(Int64(limit), at: 1)
        var entries: [AuditEntry] = []
        while try statement.step() {
            let origin = RequestOrigin(
                actor: statement.text(1), ip: statement.text(2), requestID: statement.text(3))
            let entry = AuditEntry(
                at: statement.moment(0), origin: origin, action: statement.text(4), target: statement.text(5),
                outcome: statement.text(6), detail: statement.text(7))
            entries.append(entry)
        }
        return entries
    }

    private func user(in row: Statement) -> User {
        User(id: OwnerID(stored: row.text(0)), displayName: row.optionalText(1), createdAt: row.moment(2))
    }

    private func grant(in row: Statement) -> TokenGrant {
        TokenGrant(
            user: OwnerID(stored: row.text(1)), id: row.text(0), issuedAt: row.moment(2), expiresAt: row.moment(3),
            generation: row.number(4), claims: row.isNull(5) ? nil : JSONText(validated: row.bytes(5)))
    }
}
