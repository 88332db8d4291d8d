import ApusCore

/// Makes or renames a user and issues a token.
struct IssueToken: LoneCommand {
    let request: TokenRequest
    let then: Completion<IssuedToken>

    func decide(in transaction: any StorageTransaction, context: CommitContext) throws(ApusError) -> CommitOutcome {
        let now = context.clock.now()
        let known = try transaction.user(request.user)
        var user = known ?? User(id: request.user, displayName: nil, createdAt: now)
        user.displayName = request.displayName ?? user.displayName
        let grant = context.grant(
            to: user.id, generation: context.revocations.generation(of: user.id), claims: request.claims,
            ttlSeconds: request.ttlSeconds, at: now)
        var batch = CommitBatch()
        batch.users = [user]
        batch.tokens = [grant]
        batch.audit = [.token("token.issue", grant, origin: request.origin, at: now)]
        try transaction.apply(batch)
        let issued = IssuedToken(user: user, grant: grant, isNewUser: known == nil)
        return CommitOutcome(answers: [{ then(.success(issued)) }])
    }

    func fail(_ error: ApusError) { then(.failure(error)) }
}

/// Revokes every token of a user and issues one with the same claims as the last.
struct RotateTokens: LoneCommand {
    let user: OwnerID
    let ttlSeconds: Int64?
    let origin: RequestOrigin
    let then: Completion<IssuedToken>

    func decide(in transaction: any StorageTransaction, context: CommitContext) throws(ApusError) -> CommitOutcome {
        let now = context.clock.now()
        guard let known = try transaction.user(user) else {
            return CommitOutcome(answers: [{ then(.failure(.unknownUser)) }])
        }
        let last = try transaction.tokens(user: user, expiringAfter: Timestamp(milliseconds: 0), limit: 1).first
        let cutoff = context.revocations.nextCutoff(of: user, at: now)
        let grant = context.grant(
            to: user, generation: cutoff.generation, claims: last?.claims, ttlSeconds: ttlSeconds, at: now)
        var batch = CommitBatch()
        batch.cutoffs = [cutoff]
        batch.tokens = [grant]
        batch.audit = [.token("token.rotate", grant, origin: origin, at: now)]
        try transaction.apply(batch)
        let issued = IssuedToken(user: known, grant: grant, isNewUser: false)
        return CommitOutcome(revocations: [.user(cutoff)], answers: [{ then(.success(issued)) }])
    }

    func fail(_ error: ApusError) { then(.failure(error)) }
}

/// Revokes one token by its `jti`.
struct RevokeToken: LoneCommand {
    let tokenID: String
    let expiresAt: Timestamp?
    let origin: RequestOrigin
    let then: Completion<Void>

    func decide(in transaction: any StorageTransaction, context: CommitContext) throws(ApusError) -> CommitOutcome {
        let now = context.clock.now()
        let limits = context.settings.limits
        // An end that is past cannot be this token's, or there would be nothing to revoke: keep it as if unknown.
        let given = expiresAt.flatMap { $0 > now ? $0 : nil }
        let issued = try transaction.token(id: tokenID)?.expiresAt
        let end = [given, issued].compactMap(\.self).max() ?? now.advanced(bySeconds: limits.ttlSecondsMax)
        let keepUntil = end.advanced(bySeconds: limits.tokenLeewaySeconds + 1)
        let before = context.revocations.keptUntil(tokenID) ?? keepUntil
        let revocation = TokenRevocation(tokenID: tokenID, keepUntil: max(before, keepUntil))
        var batch = CommitBatch()
        batch.revocations = [revocation]
        batch.audit = [AuditEntry(at: now, origin: origin, action: "token.revoke", target: tokenID)]
        try transaction.apply(batch)
        return CommitOutcome(revocations: [.token(revocation)], answers: [{ then(.success(())) }])
    }

    func fail(_ error: ApusError) { then(.failure(error)) }
}

/// Revokes every token of a user who was made here, ever wrote or has a device, for a deletion: who has anything left
/// to delete.
struct RevokeUser: LoneCommand {
    let user: OwnerID
    /// Whether the user's records and entry go next.
    let isDeletion: Bool
    let origin: RequestOrigin
    let then: Completion<Void>

    func decide(in transaction: any StorageTransaction, context: CommitContext) throws(ApusError) -> CommitOutcome {
        let now = context.clock.now()
        guard try isKnown(in: transaction, at: now) else {
            return CommitOutcome(answers: [{ then(.failure(.unknownUser)) }])
        }
        let cutoff = context.revocations.nextCutoff(of: user, at: now)
        var batch = CommitBatch()
        batch.cutoffs = [cutoff]
        let action = isDeletion ? "user.delete" : "user.revoke"
        batch.audit = [AuditEntry(at: now, origin: origin, action: action, target: user.text)]
        try transaction.apply(batch)
        return CommitOutcome(revocations: [.user(cutoff)], answers: [{ then(.success(())) }])
    }

    private func isKnown(in transaction: any StorageTransaction, at now: Timestamp) throws(ApusError) -> Bool {
        if try transaction.user(user) != nil { return true }
        if try !transaction.devices(of: user, after: nil, limit: 1).isEmpty { return true }
        guard isDeletion else { return try transaction.ownerState(user).lastSequence > .zero }
        if try transaction.usage(owner: user, liveAt: now).records > 0 { return true }
        return try !transaction.tombstonesWithValue(owner: user, limit: 1).isEmpty
    }

    func fail(_ error: ApusError) { then(.failure(error)) }
}

/// Soft-deletes a part of a user's records and drops what their tombstones keep; answers where to go on, `nil` when
/// nothing is left.
///
/// The user's entry and devices go with the last part, so that a deletion cut short can be asked for again.
struct EraseUser: LoneCommand {
    let user: OwnerID
    let after: SequenceNumber
    /// Records changed later, the tombstones of this erasure among them, are left alone; `nil` for the first part.
    let through: SequenceNumber?
    let then: Completion<Reached?>

    struct Reached {
        var after: SequenceNumber
        var through: SequenceNumber
    }

    private static let recordsAtOnce = 500

    func decide(in transaction: any StorageTransaction, context: CommitContext) throws(ApusError) -> CommitOutcome {
        let now = context.clock.now()
        let state = try transaction.ownerState(user)
        let through = through ?? state.lastSequence
        let page = try transaction.changes(
            owner: user, collection: nil, after: after, limit: Self.recordsAtOnce,
            bytesMax: context.settings.limits.pageBytesMax, liveAt: now)
        let addresses = page.records.filter { $0.sequence <= through }.map(\.address)
        let rows = try transaction.stored(addresses, valueBytesMax: 0)
        var planner = CommitPlanner(
            now: now, limits: context.settings.limits, rows: rows.compactMap(\.self),
            owners: [user: state], answers: [])
        for address in addresses { planner.erase(address) }
        if !planner.batch.isEmpty { try transaction.apply(planner.batch) }
        let isThrough = !page.hasMore || page.reached.after >= through
        let isDone = isThrough ? try finish(in: transaction) : false
        let next = isDone ? nil : Reached(after: page.reached.after, through: through)
        return CommitOutcome(
            changes: planner.changes,
            answers: [
                {
                    if isDone { context.presence.forgetAll(of: user) }
                    then(.success(next))
                }
            ])
    }

    /// Drops what is kept of records that were deleted meanwhile and, when that was all, the user; whether it was.
    private func finish(in transaction: any StorageTransaction) throws(ApusError) -> Bool {
        var batch = CommitBatch()
        batch.forgottenValues = try transaction.tombstonesWithValue(owner: user, limit: Self.recordsAtOnce)
        let isDone = batch.forgottenValues.count < Self.recordsAtOnce
        if isDone { batch.deletedUsers = [user] }
        try transaction.apply(batch)
        return isDone
    }

    func fail(_ error: ApusError) { then(.failure(error)) }
}

extension CommitContext {
    func grant(
        to user: OwnerID, generation: Int64, claims: JSONText?, ttlSeconds: Int64?, at now: Timestamp
    ) -> TokenGrant {
        TokenGrant(
            user: user, id: makeTokenID(), issuedAt: now,
            expiresAt: now.advanced(bySeconds: ttlSeconds ?? settings.tokenTTLSeconds), generation: generation,
            claims: claims)
    }
}

extension AuditEntry {
    fileprivate static func token(
        _ action: String, _ grant: TokenGrant, origin: RequestOrigin, at now: Timestamp
    ) -> AuditEntry {
        AuditEntry(at: now, origin: origin, action: action, target: grant.user.text, detail: "jti \(grant.id)")
    }
}

extension ApusError {
    static var tokenRevoked: ApusError { ApusError(.tokenRevoked, "the token was revoked") }
    static var unknownUser: ApusError { ApusError(.notFound, "there is no such user") }
}
