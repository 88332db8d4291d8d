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

    func device(_ address: DeviceAddress) throws(ApusError) -> Device? {
        let statement = try connection.prepared(.deviceByID)
        defer { statement.finish() }
        statement.bind(address.owner.text, at: 1)
        statement.bind(address.id.text, at: 2)
        return try statement.step() ? device(in: statement) : nil
    }

    func devices(of owner: OwnerID, after: DeviceID?, limit: Int) throws(ApusError) -> [Device] {
        try devices(.devicesOfOwner, owner.text, after?.text, limit: limit)
    }

    func devices(after: DeviceAddress?, limit: Int) throws(ApusError) -> [Device] {
        try devices(.devicesAfter, after?.owner.text, after?.id.text, limit: limit)
    }

    private func devices(
        _ query: Query, _ owner: String?, _ after: String?, limit: Int
    ) throws(ApusError) -> [Device] {
        let statement = try connection.prepared(query)
        defer { statement.finish() }
        statement.bind(owner ?? "", at: 1)
        statement.bind(after ?? "", at: 2)
        statement.bind(Int64(limit), at: 3)
        var devices: [Device] = []
        while try statement.step() { devices.append(device(in: statement)) }
        return devices
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

    func tokens(afterNumber number: Int64, limit: Int) throws(ApusError) -> [NumberedToken] {
        let statement = try connection.prepared(.tokensAfter)
        defer { statement.finish() }
        statement.bind(number, at: 1)
        statement.bind(Int64(limit), at: 2)
        var tokens: [NumberedToken] = []
        while try statement.step() {
            tokens.append(NumberedToken(number: statement.number(6), token: grant(in: statement)))
        }
        return tokens
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
        return try statement.step() ? answer(of: owner, key: key, in: statement) : nil
    }

    func storedAnswers(owner: OwnerID, after: String?, bytesMax: Int) throws(ApusError) -> [StoredAnswer] {
        guard let ownerNumber = try number(of: owner) else { return [] }
        let statement = try connection.prepared(.answersAfter)
        defer { statement.finish() }
        statement.bind(ownerNumber, at: 1)
        statement.bind(after ?? "", at: 2)
        var answers: [StoredAnswer] = []
        var bytes = 0
        while try statement.step() {
            bytes += max(1, statement.byteCount(2))
            guard answers.isEmpty || bytes <= bytesMax else { break }
            answers.append(answer(of: owner, key: statement.text(3), in: statement))
        }
        return answers
    }

    func note(_ name: String) throws(ApusError) -> String? {
        let statement = try connection.prepared(.noteByName)
        defer { statement.finish() }
        statement.bind(name, at: 1)
        return try statement.step() ? statement.text(0) : nil
    }

    private func answer(of owner: OwnerID, key: String, in row: Statement) -> StoredAnswer {
        StoredAnswer(
            owner: owner, key: key, fingerprint: Array(row.bytes(1).readableBytesView), body: row.bytes(2),
            storedAt: row.moment(0))
    }

    private func user(in row: Statement) -> User {
        User(id: OwnerID(stored: row.text(0)), displayName: row.optionalText(1), createdAt: row.moment(2))
    }

    private func device(in row: Statement) -> Device {
        Device(
            owner: OwnerID(stored: row.text(0)), id: DeviceID(stored: row.text(1)), name: row.optionalText(2),
            platform: row.optionalText(3), registeredAt: row.moment(4), lastSeenAt: row.optionalMoment(5))
    }

    private func grant(in row: Statement) -> TokenGrant {
        TokenGrant(
            user: OwnerID(stored: row.text(1)), id: row.text(0), issuedAt: row.moment(2), expiresAt: row.moment(3),
            generation: row.number(4), claims: row.isNull(5) ? nil : JSONText(validated: row.bytes(5)))
    }
}
