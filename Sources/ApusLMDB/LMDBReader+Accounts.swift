internal import ApusCore
internal import ApusStorageKit
internal import NIOCore

extension LMDBReader {
    func user(_ id: OwnerID) throws(ApusError) -> User? {
        try view { view throws(ApusError) in
            guard let bytes = try view.value(in: .users, at: keys.begin().add(id.text)) else { return nil }
            return try User(id, RowReader(bytes))
        }
    }

    func users(after: OwnerID?, limit: Int) throws(ApusError) -> [User] {
        try view { view throws(ApusError) in
            var users: [User] = []
            let start = after.map { keys.begin().add($0.text).add(byte: 0) }
            try view.scan(.users, from: start) { key, value throws(ApusError) in
                guard users.count < limit else { return false }
                users.append(try User(OwnerID(stored: key.text(from: 0)), RowReader(value)))
                return true
            }
            return users
        }
    }

    func tokens(user: OwnerID, expiringAfter moment: Timestamp, limit: Int) throws(ApusError) -> [TokenGrant] {
        try view { view throws(ApusError) in
            var numbers: [Int64] = []
            // One byte above the zero that ends the name: before it come all of the user's tokens.
            let end = keys.begin().add(user.text).add(byte: 1)
            let prefixBytes = user.text.utf8.count + 1
            try view.scanBack(.tokensOfUsers, before: end) { key, ending throws(ApusError) in
                guard numbers.count < limit, key.count == prefixBytes + 16,
                    key[..<(prefixBytes - 1)].elementsEqual(user.text.utf8)
                else { return false }
                if ending.keyNumber64(at: 0) > moment.milliseconds {
                    numbers.append(key.keyNumber64(at: prefixBytes + 8))
                }
                return true
            }
            var grants: [TokenGrant] = []
            for number in numbers { grants.append(try token(number: number, in: view)) }
            return grants
        }
    }

    func token(id: String) throws(ApusError) -> TokenGrant? {
        try view { view throws(ApusError) in
            guard let number = try view.value(in: .tokenIDs, at: keys.begin().add(tokenID: id)) else { return nil }
            return try token(number: number.keyNumber64(at: 0), in: view)
        }
    }

    func tokens(afterNumber number: Int64, limit: Int) throws(ApusError) -> [NumberedToken] {
        try view { view throws(ApusError) in
            var tokens: [NumberedToken] = []
            let start = keys.begin().add(number).add(byte: 0)
            try view.scan(.tokens, from: start) { key, value throws(ApusError) in
                guard tokens.count < limit else { return false }
                tokens.append(NumberedToken(number: key.keyNumber64(at: 0), token: try TokenGrant(RowReader(value))))
                return true
            }
            return tokens
        }
    }

    func token(number: Int64, in view: View) throws(ApusError) -> TokenGrant {
        guard let bytes = try view.value(in: .tokens, at: keys.begin().add(number)) else {
            throw .storageUnavailable(cause: "an index entry leads to no token")
        }
        return try TokenGrant(RowReader(bytes))
    }

    func revocations() throws(ApusError) -> [TokenRevocation] {
        try view { view throws(ApusError) in
            var revocations: [TokenRevocation] = []
            try view.scan(.revocations, from: nil) { key, value throws(ApusError) in
                let until = Timestamp(milliseconds: value.keyNumber64(at: 0))
                revocations.append(TokenRevocation(tokenID: key.text(from: 1), keepUntil: until))
                return true
            }
            return revocations
        }
    }

    func cutoffs() throws(ApusError) -> [TokenCutoff] {
        try view { view throws(ApusError) in
            var cutoffs: [TokenCutoff] = []
            try view.scan(.cutoffs, from: nil) { key, value throws(ApusError) in
                var row = RowReader(value)
                let cutoff = TokenCutoff(
                    user: OwnerID(stored: key.text(from: 0)), generation: try row.number(),
                    issuedThrough: try row.moment())
                cutoffs.append(cutoff)
                return true
            }
            return cutoffs
        }
    }

    func storedAnswer(owner: OwnerID, key: String) throws(ApusError) -> StoredAnswer? {
        try view { view throws(ApusError) in
            guard let number = try number(of: owner, in: view),
                let bytes = try view.value(in: .answers, at: keys.begin().add(number).add(key))
            else { return nil }
            return try StoredAnswer(owner, key: key, RowReader(bytes))
        }
    }

    func storedAnswers(owner: OwnerID, after: String?, bytesMax: Int) throws(ApusError) -> [StoredAnswer] {
        try view { view throws(ApusError) in
            var answers: [StoredAnswer] = []
            guard let number = try number(of: owner, in: view) else { return answers }
            var bytes = 0
            let first = keys.begin().add(number).add(after ?? "")
            let start = after == nil ? first : first.add(byte: 0)
            try view.scan(.answers, from: start) { key, value throws(ApusError) in
                guard key.keyNumber32(at: 0) == number else { return false }
                let answer = try StoredAnswer(owner, key: key.text(from: 4), RowReader(value))
                bytes += max(1, answer.body.readableBytes)
                guard answers.isEmpty || bytes <= bytesMax else { return false }
                answers.append(answer)
                return true
            }
            return answers
        }
    }

    func note(_ name: String) throws(ApusError) -> String? {
        try view { view throws(ApusError) in
            try view.value(in: .meta, at: keys.begin().add(note: name))?.text(from: 0)
        }
    }
}

extension LMDBReader {
    func epoch() throws(ApusError) -> Epoch {
        try view { view throws(ApusError) in
            guard let bytes = try view.value(in: .meta, at: keys.begin().add(Founding.epochName)) else {
                throw .storageUnavailable(cause: "the database has no epoch")
            }
            return Epoch(bytes.text(from: 0))
        }
    }
}

// MARK: - Keys

extension KeyBuffer {
    /// A key may not be empty, but a token's id may.
    func add(tokenID id: String) -> KeyBuffer {
        add(byte: 1).add(id)
    }

    func add(note name: String) -> KeyBuffer {
        add("note:").add(name)
    }

    /// The place of a token among the user's.
    func add(_ token: TokenGrant, number: Int64) -> KeyBuffer {
        add(token.user.text).add(byte: 0).add(token.issuedAt).add(number)
    }
}

// MARK: - Rows

extension User {
    init(_ id: OwnerID, _ row: consuming RowReader) throws(ApusError) {
        self.init(id: id, displayName: try row.optionalText(), createdAt: try row.moment())
    }

    var row: RowWriter {
        var row = RowWriter()
        row.add(displayName)
        row.add(createdAt)
        return row
    }
}

extension TokenGrant {
    init(_ row: consuming RowReader) throws(ApusError) {
        self.init(
            user: OwnerID(stored: try row.text()), id: try row.text(), issuedAt: try row.moment(),
            expiresAt: try row.moment(), generation: try row.number(), claims: try row.optionalJSON())
    }

    var row: RowWriter {
        var row = RowWriter()
        row.add(user.text)
        row.add(id)
        row.add(issuedAt)
        row.add(expiresAt)
        row.add(generation)
        row.add(claims)
        return row
    }
}

extension StoredAnswer {
    init(_ owner: OwnerID, key: String, _ row: consuming RowReader) throws(ApusError) {
        let storedAt = try row.moment()
        let fingerprint = Array(try row.bytes().readableBytesView)
        self.init(owner: owner, key: key, fingerprint: fingerprint, body: try row.bytes(), storedAt: storedAt)
    }

    var row: RowWriter {
        var row = RowWriter()
        row.add(storedAt)
        row.add(fingerprint)
        row.add(body.readableBytesView)
        return row
    }
}
