import ApusCore
import ApusProtocol
import NIOCore

@testable import ApusHTTP

/// One who connects, is told, and comes back where it left off.
final class Client {
    enum Kind {
        /// Keeps a copy of its scope.
        case follower(StreamScope?)
        /// Opens as it likes, and subscribes to this and that.
        case wanderer
    }

    let index: Int
    let user: OwnerID
    let kind: Kind
    let wire: Wire
    var token: Principal
    private(set) var connection: Connection?
    private(set) var watcher: Watcher?
    private(set) var copy: [RecordAddress: Record] = [:]
    /// Where it may go on.
    private(set) var position: Int64 = 0
    private(set) var violations: [String] = []
    /// The last of what it heard, for people.
    private(set) var story: [String] = []
    /// Why it may have been closed.
    var mayBeToldToComeBack = false
    var mayBeSlow = false
    private var isClosing = false
    private var heardGoodbye = false
    private var nextID = 0
    /// It asked to go on with one of these, and may not have heard yet that it does.
    private var renewals: [Principal] = []
    private let ledger: Ledger

    init(_ index: Int, of user: OwnerID, _ kind: Kind, wire: Wire, token: Principal, ledger: Ledger) {
        self.index = index
        self.user = user
        self.kind = kind
        self.wire = wire
        self.token = token
        self.ledger = ledger
    }

    /// Whether it can be sent what is new.
    var isConnected: Bool { connection.map { !$0.isGone } ?? false && !isClosing }

    var canAsk: Bool { wire == .frames && isConnected && watcher?.isOpen == true }

    func opened(_ connection: Connection, _ watcher: Watcher) {
        self.connection = connection
        self.watcher = watcher
        (isClosing, heardGoodbye) = (false, false)
        mayBeToldToComeBack = false
        mayBeSlow = false
        renewals = []
        tell("opened")
        if case .follower = kind, position == 0 { copy = [:] }
    }

    private func tell(_ line: String) { story.append("\(index): \(line)") }

    private func require(_ holds: Bool, _ complaint: @autoclosure () -> String) {
        if !holds { violations.append("client \(index) of \(user.text), \(wire): \(complaint())") }
    }

    // MARK: What it hears

    func listen(at clock: Timestamp) throws {
        guard let connection else { return }
        for sent in try connection.read() {
            switch sent {
            case .message(let text, let eventID):
                require(!heardGoodbye, "it was told more after goodbye")
                hear(text, eventID: eventID, at: clock)
            case .close(let code):
                tell("closed with \(code)")
                (isClosing, heardGoodbye) = (true, true)
                require(isRight(code, at: clock), "closed with \(code)")
            }
        }
        collect()
        if connection.isGone { gone() }
    }

    private func hear(_ text: ByteBuffer, eventID: Int64?, at clock: Timestamp) {
        guard let meaning = watcher?.hear(text, clock: clock) else { return }
        switch meaning {
        case .record(let record):
            tell("\(record.sequence.rawValue)")
            copy[record.address] = record.isTombstone ? nil : record
            go(to: record.sequence.rawValue, eventID)
        case .reset:
            tell("reset")
            copy = [:]
            // An event stream's client goes on sending the id it has, and is reset again.
            if wire == .frames { position = 0 }
        case .current(let reached):
            tell("current \(reached)")
            go(to: reached, eventID)
        case .renewed(let principal): token = principal
        case .nothing: tell(String(buffer: text.slice(0..<min(28, text.readableBytes))))
        }
    }

    private func go(to position: Int64, _ eventID: Int64?) {
        self.position = position
        if wire == .events { require(eventID == position, "the id of \(position) is \(eventID ?? -1)") }
    }

    private func isRight(_ code: UInt16, at clock: Timestamp) -> Bool {
        switch CloseCode(rawValue: code) {
        case .unauthenticated: ([token] + renewals).contains { ledger.revokes($0) || $0.expiresAt <= clock }
        case .tryAgainLater: mayBeToldToComeBack || mayBeSlow
        case .goingAway: mayBeToldToComeBack
        case .normal: true
        default: false
        }
    }

    private func collect() {
        for violation in watcher?.violations ?? [] { require(false, violation) }
        watcher?.violations = []
    }

    private func gone() {
        connection = nil
        watcher = nil
    }

    // MARK: What it does

    func ask(_ request: Watcher.Request, _ members: String) throws {
        nextID += 1
        watcher?.ask(request, id: nextID)
        if case .renew(let token) = request { renewals.append(token) }
        tell("asks \(members)")
        try connection?.send(.text, ByteBuffer(string: "{\"id\":\(nextID),\(members)}"))
    }

    /// Says goodbye, or answers one.
    func sayGoodbye() throws {
        var payload = ByteBuffer()
        payload.writeInteger(UInt16(1000))
        isClosing = true
        try connection?.send(.close, payload)
    }

    func hangUp() {
        tell("hangs up")
        connection?.hangUp()
        gone()
    }

    func halfClose() {
        connection?.halfClose()
        gone()
    }

    func stall() {
        connection?.stall()
    }

    /// Nothing more will come: holds the subscription to its end.
    func end() {
        watcher?.end()
        collect()
        require(!ledger.revokes(token), "its token was revoked, and it is still there")
        if let feed = connection?.subscriber?.feed {
            require(feed.bytesHeld == 0, "everyone has taken everything, and the feed holds \(feed.bytesHeld) bytes")
        }
    }

    /// The copy is what is stored.
    func compare(with stored: [RecordAddress: Record]) {
        guard case .follower(let scope) = kind else { return }
        let theirs = stored.filter { (scope ?? .everything).contains($0.key) }
        func numbers(_ records: [RecordAddress: Record]) -> [Int64] { records.values.map(\.sequence.rawValue).sorted() }
        require(copy == theirs, "it has \(numbers(copy)), stored are \(numbers(theirs))")
    }
}
