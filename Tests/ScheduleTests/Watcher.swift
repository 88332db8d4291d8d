import ApusCore
import ApusProtocol
import NIOCore

/// Holds what one subscription is sent against what was committed.
final class Watcher {
    enum Request {
        /// - Parameter last: the owner's last change when it was asked.
        case subscribe(StreamScope, ResumePoint?, last: Int64)
        case unsubscribe(StreamScope?)
        case write(Set<RecordAddress>)
        case renew(Principal)
        case ping
    }

    /// What a message means to a client that keeps a copy.
    enum Meaning {
        case record(Record)
        /// Forget everything; a snapshot follows.
        case reset
        case current(Int64)
        case renewed(Principal)
        case nothing
    }

    private struct CatchUp {
        let scope: StreamScope
        let id: Int?
        let resume: ResumePoint
        /// A position beyond this one was in the future.
        let last: Int64
        /// Whether nothing else is told meanwhile.
        let isFirst: Bool
        var since: Int64
        var wasReset = false
        var heard: [Record] = []
    }

    private let owner: OwnerID
    private let epoch: String
    private let resume: ResumePoint?
    private let ledger: Ledger
    /// The owner's last change when the subscription was opened.
    private let lastAtOpening: Int64
    var violations: [String] = []
    private var scopes: [StreamScope]
    private var isDefault: Bool
    /// Everything up to here, of the scopes in force, has been told.
    private var cursor: Int64 = 0
    private var hello: Int64?
    private var catchUp: CatchUp?
    private var requests: [Int: Request] = [:]
    private var lastWriteAnswered = -1

    init(of owner: OwnerID, scope: StreamScope?, resume: ResumePoint?, epoch: Epoch, ledger: Ledger) {
        self.owner = owner
        self.epoch = epoch.text
        self.resume = resume
        self.ledger = ledger
        lastAtOpening = ledger.last(of: owner)
        scopes = [scope ?? .everything]
        isDefault = scope == nil
    }

    /// Whether hello has been heard.
    var isOpen: Bool { hello != nil }

    func ask(_ request: Request, id: Int) { requests[id] = request }

    func require(_ holds: Bool, _ complaint: @autoclosure () -> String) {
        if !holds { violations.append(complaint()) }
    }

    /// The subscription goes on, and everything that was under way has arrived.
    func end() {
        require(hello != nil && catchUp == nil, "it never became current")
        require(requests.isEmpty, "no answer came to \(requests)")
        requireNothingMissed(through: ledger.last(of: owner))
    }

    // MARK: Messages

    func hear(_ text: ByteBuffer, clock: Timestamp) -> Meaning {
        if let sequence = Message.eventSequence(in: text) { return event(sequence, text) }
        let message = Message(text)
        require(hello != nil || message.type == "hello", "\(message.type) before hello")
        let id = message.number("id").map { Int($0) }
        switch message.type {
        case "hello": greet(message)
        case "current": return current(message.number("seq") ?? -1, id, clock: clock)
        case "reset": return reset(message.string("reason") ?? "", id)
        case "ack": return acknowledged(message, id ?? -1)
        case "error": refused(message.string("code") ?? "", id)
        case "presence.online", "presence.offline":
            require(message.string("user_id") == owner.text, "the presence of somebody else: \(message.text)")
        case "auth.expiring": break
        default: require(false, "an unknown message: \(message.text)")
        }
        return .nothing
    }

    private func greet(_ message: Message) {
        let sequence = message.number("seq") ?? -1
        require(hello == nil, "hello twice")
        require(message.string("user_id") == owner.text && message.string("epoch") == epoch, "hello to somebody else")
        require(sequence >= lastAtOpening, "hello says \(sequence) when \(lastAtOpening) was committed")
        require(sequence <= ledger.last(of: owner), "hello says \(sequence), which is not committed")
        hello = sequence
        guard let resume else {
            cursor = sequence
            return
        }
        catchUp = CatchUp(
            scope: scopes[0], id: nil, resume: resume, last: sequence, isFirst: true, since: resume.since.rawValue)
    }

    // MARK: Events

    private func event(_ sequence: Int64, _ text: ByteBuffer) -> Meaning {
        let entries = ledger.entries(of: owner)
        guard sequence >= 1, sequence <= Int64(entries.count),
            entries[Int(sequence) - 1].texts.contains(text)
        else {
            require(false, "never committed: \(String(buffer: text))")
            return .nothing
        }
        let record = entries[Int(sequence) - 1].record
        require(hello != nil, "an event before hello")
        if let under = catchUp {
            let last = under.heard.last?.sequence.rawValue ?? under.since
            require(sequence > last, "stored \(sequence) after \(last)")
            require(under.scope.contains(record.address), "stored \(sequence) is of another scope")
            catchUp?.heard.append(record)
            return .record(record)
        }
        require(scopes.contains { $0.contains(record.address) }, "\(sequence) is of another scope")
        require(sequence > cursor, "\(sequence) after \(cursor): twice, or out of order")
        requireNothingMissed(through: sequence - 1)
        cursor = max(cursor, sequence)
        return .record(record)
    }

    private func requireNothingMissed(through sequence: Int64) {
        guard cursor < sequence else { return }
        let entries = ledger.entries(of: owner)
        let missed = entries[Int(cursor)..<min(Int(sequence), entries.count)].first { entry in
            scopes.contains { $0.contains(entry.record.address) }
        }
        require(missed == nil, "\(missed?.record.sequence.rawValue ?? 0) was never told, after \(cursor)")
    }

    // MARK: Catching up

    private func reset(_ reason: String, _ id: Int?) -> Meaning {
        guard let under = catchUp, under.id == id else {
            require(false, "a reset of nothing")
            return .nothing
        }
        let isNeeded =
            switch reason {
            case "other-epoch": under.resume.epoch.map { $0 != epoch } ?? false
            case "future": under.resume.since.rawValue > under.last
            case "purged": ledger.purgedThrough(of: owner) > under.since
            default: false
            }
        require(isNeeded, "\(under.resume) was reset for no reason: \(reason)")
        catchUp?.since = 0
        catchUp?.heard = []
        catchUp?.wasReset = true
        return .reset
    }

    private func current(_ position: Int64, _ id: Int?, clock: Timestamp) -> Meaning {
        guard let done = catchUp, done.id == id else {
            require(false, "current, but of what?")
            return .nothing
        }
        catchUp = nil
        require(done.isFirst ? position >= cursor : position == cursor, "current at \(position), not \(cursor)")
        require(position >= hello ?? 0 && position <= ledger.last(of: owner), "current at \(position)")
        cursor = position
        let isOurs = done.resume.epoch.map { $0 == epoch } ?? true
        require(done.wasReset || isOurs && done.since <= position, "\(done.resume) was served up to \(position)")
        require(done.heard.last.map { $0.sequence.rawValue <= position } ?? true, "stored records beyond \(position)")
        requireComplete(done, through: position, clock: clock)
        return .current(position)
    }

    /// The latest state of each record was told, if it is newer than the position.
    private func requireComplete(_ done: CatchUp, through position: Int64, clock: Timestamp) {
        var latest: [RecordAddress: Record] = [:]
        for entry in ledger.entries(of: owner) where done.scope.contains(entry.record.address) {
            latest[entry.record.address] = entry.record
        }
        let heard = Dictionary(done.heard.map { ($0.address, $0.sequence) }, uniquingKeysWith: { $1 })
        for record in latest.values where record.sequence.rawValue > done.since {
            // It changed again; that is still to come.
            if record.sequence.rawValue > position || heard[record.address] == record.sequence { continue }
            if record.isExpired(at: clock) { continue }
            // One who started from nothing need not be told what was forgotten, unless of a record that was told of.
            let isForgotten = record.isTombstone && record.sequence.rawValue <= ledger.purgedThrough(of: owner)
            if isForgotten, done.since == 0, heard[record.address] == nil { continue }
            require(false, "\(record.sequence.rawValue) is missing from \(done.since) up to \(position)")
        }
    }

    // MARK: Answers

    private func acknowledged(_ message: Message, _ id: Int) -> Meaning {
        guard let request = requests.removeValue(forKey: id) else {
            require(false, "an answer too many: \(message.text)")
            return .nothing
        }
        switch request {
        case .ping: break
        case .renew(let principal): return .renewed(principal)
        case .write(let addresses):
            require(id > lastWriteAnswered, "the answer to \(id) came after that to \(lastWriteAnswered)")
            lastWriteAnswered = id
            guard addresses.count == 1, message.text.contains(#""applied":true"#) else { break }
            let entries = ledger.entries(of: owner)
            let sequence = Int(message.number("seq") ?? 0)
            let isThere =
                entries.indices.contains(sequence - 1) && addresses.contains(entries[sequence - 1].record.address)
            require(isThere, "acknowledged, and not committed: \(message.text)")
        case .subscribe(let scope, let resume, let last):
            streams(after: message.number("seq") ?? -1)
            let isFirst = isDefault || scopes.isEmpty
            if isDefault { scopes = [] }
            isDefault = false
            if !scopes.contains(scope) { scopes.append(scope) }
            guard let resume else { break }
            catchUp = CatchUp(
                scope: scope, id: id, resume: resume, last: last, isFirst: isFirst, since: resume.since.rawValue)
        case .unsubscribe(let scope):
            streams(after: message.number("seq") ?? -1)
            scopes.removeAll { scope == nil || $0 == scope }
            isDefault = false
        }
        return .nothing
    }

    /// The scopes change after this change.
    private func streams(after position: Int64) {
        require(catchUp == nil, "scopes change before all is current")
        require(position >= cursor && position <= ledger.last(of: owner), "scopes change at \(position), not \(cursor)")
        requireNothingMissed(through: position)
        cursor = max(cursor, position)
    }

    private func refused(_ code: String, _ id: Int?) {
        guard let request = id.flatMap({ requests.removeValue(forKey: $0) }) else {
            require(false, "a refusal of nothing: \(code)")
            return
        }
        let isOrdinary =
            switch (request, code) {
            case (_, "token-revoked"), (_, "token-expired"), (.write, _): true
            case (.subscribe, "too-many-items"): scopes.count >= 4
            case (.subscribe, "overloaded"), (.unsubscribe, "overloaded"): requests.count >= 4
            case (.unsubscribe(let scope?), "not-found"): isDefault || !scopes.contains(scope)
            default: false
            }
        require(isOrdinary, "\(request) was refused: \(code)")
    }
}

/// A message as far as it is looked at; members are found where they stand first.
private struct Message {
    let text: String

    init(_ bytes: ByteBuffer) {
        text = String(buffer: bytes)
    }

    /// The change number of an event; `nil` for any other message.
    static func eventSequence(in bytes: ByteBuffer) -> Int64? {
        let start = #"{"type":"data.updated","seq":"#.utf8.count
        guard bytes.readableBytes > start, bytes.getString(at: bytes.readerIndex, length: 14) == #"{"type":"data."#
        else {
            return nil
        }
        return bytes.readableBytesView.dropFirst(start).prefix { $0 != UInt8(ascii: ",") }.reduce(0) { number, digit in
            number * 10 + Int64(digit &- UInt8(ascii: "0"))
        }
    }

    var type: String { string("type") ?? "" }

    func string(_ name: String) -> String? {
        rest(after: "\"\(name)\":\"").map { String($0.prefix { $0 != "\"" }) }
    }

    func number(_ name: String) -> Int64? {
        rest(after: "\"\(name)\":").flatMap { Int64($0.prefix { $0 != "," && $0 != "}" }) }
    }

    private func rest(after mark: String) -> Substring? {
        text.firstRange(of: mark).map { text[$0.upperBound...] }
    }
}
