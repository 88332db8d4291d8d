public import ApusCore

/// What one subscriber is sent, and in which order: hello, what it missed, then what happens. No I/O, no clock, no
/// transport: a WebSocket and an event stream carry out the same decisions.
///
/// A subscriber opens in this order: join the feed, read the storage, say hello, go live. What the storage already held
/// is skipped in the feed, and what is committed later is in the feed: no gap, no duplicate. One that resumes from
/// further back reads the storage page by page first, and joins for the last page only.
///
/// A change of scope waits until everything in the feed has been taken. Then the position is exact: the changes before
/// it have been sent to the old scopes, those after it are in the feed for the new ones.
public struct SessionStateMachine: Sendable {
    public enum Action: Sendable {
        case send(ServerMessage)
        /// Each as an event.
        case sendRecords([Record])
        /// Takes no part in the feed of other scopes any more; sees everything published for these from now on.
        case join(Set<StreamScope>)
        case leave
        /// The answer goes to ``stateRead(_:at:)``.
        case readState
        /// The answer goes to ``pageRead(_:)``; not before the client has taken what was sent.
        case read(ChangesQuery)
        case refuse(ApusError, id: JSONText?)
        case close(CloseCode)
    }

    private enum State {
        case opening(ResumePoint?)
        case catchingUp(CatchUp)
        case live
    }

    private enum Wish {
        case subscribe(StreamScope, ResumePoint?, reset: ResetReason? = nil, id: JSONText?)
        case unsubscribe(StreamScope?, id: JSONText?)
    }

    public let owner: OwnerID
    private let epoch: Epoch
    private let limits: Limits
    private var state: State
    private var scopes: [StreamScope]
    /// Whether nothing was ever subscribed to: the first scope takes the place of everything.
    private var isDefault: Bool
    /// The last change that was sent or told of.
    public private(set) var position = SequenceNumber.zero
    private var wishes: [Wish] = []
    private var expiresAt: Timestamp
    private var hasWarned = false

    /// Records looked at for one page of the storage.
    private static let pageRecords = 500
    private static let warningSeconds: Int64 = 60

    /// - Parameter scope: what the stream is narrowed to from the start.
    public init(
        owner: OwnerID, epoch: Epoch, scope: StreamScope?, resume: ResumePoint?, expiresAt: Timestamp, limits: Limits
    ) {
        self.owner = owner
        self.epoch = epoch
        self.limits = limits
        self.expiresAt = expiresAt
        scopes = [scope ?? .everything]
        isDefault = scope == nil
        state = .opening(resume)
    }

    public func start() -> [Action] {
        guard case .opening(nil) = state else { return [.readState] }
        return [.join(feedScopes), .readState]
    }

    /// The scopes whose events are sent.
    private var feedScopes: Set<StreamScope> {
        scopes.contains(.everything) ? [.everything] : Set(scopes)
    }
}

// MARK: - What the storage answers

extension SessionStateMachine {
    public mutating func stateRead(_ owner: OwnerState, at now: Timestamp) -> [Action] {
        switch state {
        case .opening(let resume): return greet(owner, resume, at: now)
        case .catchingUp: return []
        case .live:
            // A position beyond what has been published here was asked for: is it in the future, or only ahead of us?
            guard case .subscribe(let scope, let resume?, _, let id)? = wishes.first, resume.since > owner.lastSequence
            else { return [] }
            wishes[0] = .subscribe(scope, ResumePoint(since: .zero, epoch: nil), reset: .future, id: id)
            return []
        }
    }

    private mutating func greet(_ owner: OwnerState, _ resume: ResumePoint?, at now: Timestamp) -> [Action] {
        let hello = Action.send(
            .hello(
                Hello(
                    user: self.owner, epoch: epoch, sequence: owner.lastSequence, time: now,
                    heartbeatMilliseconds: limits.heartbeatSeconds * 1000, isCurrent: resume == nil)))
        guard let resume else {
            position = owner.lastSequence
            state = .live
            return [hello]
        }
        let reason = resetReason(resume, last: owner.lastSequence, purgedThrough: owner.purgedThrough)
        let start = reason == nil ? resume.since : .zero
        let catchUp = CatchUp(scope: scopes[0], id: nil, after: start, upTo: nil)
        return [hello] + (reason.map { [.send(.reset($0, id: nil))] } ?? []) + begin(catchUp)
    }

    /// Why the position cannot be served, as far as that is known without reading changes.
    private func resetReason(
        _ resume: ResumePoint, last: SequenceNumber, purgedThrough: SequenceNumber
    ) -> ResetReason? {
        if let epoch = resume.epoch, epoch != self.epoch.text { return .otherEpoch }
        if resume.since > last { return .future }
        if resume.since != .zero, resume.since < purgedThrough { return .purged }
        return nil
    }

    private mutating func begin(_ catchUp: CatchUp) -> [Action] {
        state = .catchingUp(catchUp)
        return [.read(query(for: catchUp))]
    }

    private func query(for catchUp: CatchUp) -> ChangesQuery {
        ChangesQuery(
            owner: owner, scope: catchUp.scope, start: .position(catchUp.position), limit: Self.pageRecords,
            bytesMax: limits.socketBufferBytesMax / 2)
    }

    public mutating func pageRead(_ page: ChangesPage) -> [Action] {
        guard case .catchingUp(var catchUp) = state else { return [] }
        catchUp.position = page.reached
        guard let upTo = catchUp.upTo else {
            let sent = Action.sendRecords(page.records)
            if page.hasMore { return [sent] + begin(catchUp) }
            guard catchUp.hasJoined else {
                // Everything committed from here on is in the feed; what was committed until here is in one more page.
                catchUp.hasJoined = true
                return [sent, .join(feedScopes)] + begin(catchUp)
            }
            return [sent] + end(catchUp, at: page.reached.after)
        }
        let sent = Action.sendRecords(page.records.filter { $0.sequence <= upTo })
        return [sent] + (page.hasMore && page.reached.after < upTo ? begin(catchUp) : end(catchUp, at: upTo))
    }

    private mutating func end(_ catchUp: CatchUp, at sequence: SequenceNumber) -> [Action] {
        position = sequence
        state = .live
        return [.send(.current(sequence, id: catchUp.id))]
    }

    public mutating func readFailed(_ error: ApusError) -> [Action] {
        guard error.code == .resyncRequired, case .catchingUp(var catchUp) = state else {
            return [.close(.tryAgainLater)]
        }
        catchUp.position = ChangesPosition(after: .zero, baseline: .zero)
        return [.send(.reset(.purged, id: catchUp.id))] + begin(catchUp)
    }
}

/// How far a subscriber has come in what was stored before it went live.
private struct CatchUp {
    let scope: StreamScope
    let id: JSONText?
    var position: ChangesPosition
    /// Set if the subscriber has joined the feed at this change, and what is later comes from there.
    let upTo: SequenceNumber?
    /// Whether the subscriber, who has not to miss anything yet, sees the feed by now.
    var hasJoined = false

    init(scope: StreamScope, id: JSONText?, after: SequenceNumber, upTo: SequenceNumber?) {
        self.scope = scope
        self.id = id
        self.upTo = upTo
        position = ChangesPosition(after: after, baseline: .zero)
    }
}

// MARK: - Live

extension SessionStateMachine {
    /// Whether what the feed holds may be sent.
    public var isLive: Bool {
        switch state {
        case .live: true
        case .opening, .catchingUp: false
        }
    }

    /// Whether hello has been said.
    public var isOpen: Bool {
        switch state {
        case .opening: false
        case .catchingUp, .live: true
        }
    }

    /// Whether events up to `last` are new to the subscriber; from now on they are not. They are all of one commit.
    public mutating func take(upTo last: SequenceNumber) -> Bool {
        guard last > position else { return false }
        position = last
        return true
    }

    /// Whether ``drained(published:)`` would do anything.
    public var waitsForDrain: Bool { isLive && !wishes.isEmpty }

    /// The subscriber has taken everything in its feed.
    ///
    /// - Parameter published: the owner's last change that was told to the feed's event loop, whatever its scope.
    public mutating func drained(published: SequenceNumber) -> [Action] {
        guard isLive else { return [] }
        position = max(position, published)
        var actions: [Action] = []
        while isLive, let wish = wishes.first {
            if case .subscribe(_, let resume?, _, _) = wish, resume.since > position, isOurs(resume) {
                return actions + [.readState]
            }
            wishes.removeFirst()
            actions += grant(wish)
        }
        return actions
    }

    private func isOurs(_ resume: ResumePoint) -> Bool { resume.epoch == nil || resume.epoch == epoch.text }
}

// MARK: - Scopes

extension SessionStateMachine {
    /// Takes effect as soon as everything before it was sent.
    public mutating func subscribe(to scope: StreamScope, _ resume: ResumePoint?, id: JSONText?) -> [Action] {
        wish(.subscribe(scope, resume, id: id), id: id)
    }

    /// - Parameter scope: `nil` for all that was subscribed to.
    public mutating func unsubscribe(from scope: StreamScope?, id: JSONText?) -> [Action] {
        wish(.unsubscribe(scope, id: id), id: id)
    }

    private mutating func wish(_ wish: Wish, id: JSONText?) -> [Action] {
        guard wishes.count < limits.scopesPerSocketMax else {
            return [.refuse(.overloaded("the queue of this socket's subscriptions"), id: id)]
        }
        wishes.append(wish)
        return []
    }

    private mutating func grant(_ wish: Wish) -> [Action] {
        switch wish {
        case .subscribe(let scope, let resume, let reset, let id):
            guard isDefault || scopes.contains(scope) || scopes.count < limits.scopesPerSocketMax else {
                let max = limits.scopesPerSocketMax
                return [.refuse(ApusError(.tooManyItems, "a socket takes at most \(max) subscriptions"), id: id)]
            }
            guard let resume else {
                add(scope)
                return [.join(feedScopes), .send(.acknowledged(.streaming(after: position), id: id))]
            }
            let isOurs = isOurs(resume)
            return subscribe(
                to: scope, after: isOurs ? resume.since : .zero, reset: isOurs ? reset : .otherEpoch, id: id)
        case .unsubscribe(let scope, let id):
            guard let scope else {
                scopes = []
                isDefault = false
                return [.join([]), .send(.acknowledged(.streaming(after: position), id: id))]
            }
            guard !isDefault, let index = scopes.firstIndex(of: scope) else {
                return [.refuse(ApusError(.notFound, "this socket has no such subscription"), id: id)]
            }
            scopes.remove(at: index)
            return [.join(feedScopes), .send(.acknowledged(.streaming(after: position), id: id))]
        }
    }

    private mutating func add(_ scope: StreamScope) {
        if isDefault { scopes = [] }
        isDefault = false
        if !scopes.contains(scope) { scopes.append(scope) }
    }

    /// Adds the scope and begins to send what changed in it.
    private mutating func subscribe(
        to scope: StreamScope, after start: SequenceNumber, reset: ResetReason?, id: JSONText?
    ) -> [Action] {
        // Who had asked for nothing before misses nothing meanwhile, and need not hold up the feed.
        let isFirst = scopes.isEmpty || isDefault
        add(scope)
        let opening: [Action] = [
            isFirst ? .leave : .join(feedScopes), .send(.acknowledged(.streaming(after: position), id: id)),
        ]
        let catchUp = CatchUp(scope: scope, id: id, after: start, upTo: isFirst ? nil : position)
        return opening + (reset.map { [.send(.reset($0, id: id))] } ?? []) + begin(catchUp)
    }
}

// MARK: - The token's life

extension SessionStateMachine {
    public mutating func tick(at now: Timestamp) -> [Action] {
        guard now < expiresAt else { return [.close(.unauthenticated)] }
        guard isOpen, !hasWarned, now >= expiresAt.advanced(bySeconds: -Self.warningSeconds) else { return [] }
        hasWarned = true
        return [.send(.expiring(expiresAt))]
    }

    /// Another token of the same user has taken the place of the first.
    public mutating func renew(until moment: Timestamp) {
        expiresAt = moment
        hasWarned = false
    }
}
