import ApusCore
import ApusProtocol
import ApusTesting
import NIOCore

// What is written, and what clients ask.
extension Schedule {
    static let collections = ["a", "b"].map { CollectionName(stored: $0) }
    static let keys = ["k", "k1", "k12", "x"].map { RecordKey(stored: $0) }

    func scope() -> StreamScope {
        let collection = pick(Self.collections)
        return switch Int.random(in: 0..<3, using: &random) {
        case 0: .collection(collection)
        case 1: .key(collection, pick(Self.keys))
        default: .prefix(collection, KeyPrefix(stored: "k1"))
        }
    }

    /// From nothing, the past, the present or the future; of this storage or of another one.
    func resume(of owner: OwnerID) -> ResumePoint? {
        let last = ledger.last(of: owner)
        guard let since = pick([nil, 0, Int64.random(in: 0...last, using: &random), last, last + 2]) else { return nil }
        return ResumePoint(since: SequenceNumber(since), epoch: chance(8) ? "other" : chance(2) ? "e" : nil)
    }

    // MARK: Over REST

    func askForWrite() {
        let isBulk = chance(4)
        // Two of its values are more than one run of a feed holds.
        let isLarge = isBulk && chance(30)
        let items = (0..<(isBulk ? Int.random(in: 1...5, using: &random) : 1)).map { _ in item(isLarge: isLarge) }
        let request = WriteRequest(
            owner: pick(users), items: items, isAtomic: chance(2), isBulk: isBulk, origin: .system)
        house.service(for: 0).write(request) { _ in }
    }

    private func item(isLarge: Bool) -> Result<WriteItem, ApusError> {
        if chance(40) { return .failure(ApusError(.invalidField, "the schedule", at: "/value")) }
        let policy: ConflictPolicy =
            switch Int.random(in: 0..<8, using: &random) {
            case 0: .serverTime
            case 1: JSONPointer("").map { .maxNumeric($0) } ?? .serverTime
            default: .lastWriteWins
            }
        let operation: WriteItem.Operation = chance(4) ? .delete : .set(value(isLarge: isLarge), expiry())
        let ahead = Int64.random(in: -3000...3000, using: &random)
        let precondition: Precondition = chance(12) ? pick([.absent, .present]) : .none
        return .success(
            WriteItem(
                collection: pick(Self.collections), key: pick(Self.keys), operation: operation,
                updatedAt: chance(6) ? clock.now().advanced(byMilliseconds: ahead) : nil, policy: policy,
                precondition: precondition))
    }

    private func value(isLarge: Bool) -> JSONText {
        guard chance(3) || isLarge else {
            return JSONText(validated: ByteBuffer(string: "\(Int.random(in: 0..<20, using: &random))"))
        }
        let count = isLarge ? 34_000 : Int.random(in: 0...60, using: &random)
        return JSONText(validated: ByteBuffer(string: "\"" + String(repeating: "x", count: count) + "\""))
    }

    private func expiry() -> Expiry {
        chance(5) ? .afterSeconds(Int64.random(in: 1...30, using: &random)) : .never
    }

    // MARK: Over sockets

    func askAsClient() throws {
        guard let client = clients.filter(\.canAsk).randomElement(using: &random) else { return }
        switch client.kind {
        case .wanderer where !chance(4): try askForScope(client)
        case .wanderer, .follower:
            switch Int.random(in: 0..<10, using: &random) {
            case 0: try client.ask(.ping, #""type":"ping""#)
            case 1: try renew(client)
            default: try write(client)
            }
        }
    }

    private func askForScope(_ client: Client) throws {
        let scope: StreamScope = chance(5) ? .everything : scope()
        if chance(4) {
            guard !chance(4) else {
                try client.ask(.unsubscribe(nil), #""type":"unsubscribe""#)
                return
            }
            guard scope != .everything else { return }
            try client.ask(.unsubscribe(scope), #""type":"unsubscribe""# + members(scope))
            return
        }
        let resume = resume(of: client.user)
        var text = #""type":"subscribe""# + members(scope)
        if let resume {
            text += ",\"since\":\(resume.since.rawValue)"
            if let epoch = resume.epoch { text += ",\"epoch\":\"\(epoch)\"" }
        }
        try client.ask(.subscribe(scope, resume, last: ledger.last(of: client.user)), text)
    }

    private func members(_ scope: StreamScope) -> String {
        switch scope {
        case .everything: ""
        case .collection(let collection): ",\"collection\":\"\(collection.text)\""
        case .key(let collection, let key): ",\"collection\":\"\(collection.text)\",\"key\":\"\(key.text)\""
        case .prefix(let collection, let prefix):
            ",\"collection\":\"\(collection.text)\",\"prefix\":\"\(prefix.text)\""
        }
    }

    private func renew(_ client: Client) throws {
        let token = token(for: client.user)
        let text = [
            token.user.text, token.tokenID ?? "", "\(token.expiresAt.milliseconds)", "\(token.generation ?? 0)",
        ].joined(separator: "/")
        try client.ask(.renew(token), "\"type\":\"auth\",\"token\":\"\(text)\"")
    }

    private func write(_ client: Client) throws {
        func place() -> (RecordAddress, String) {
            let (collection, key) = (pick(Self.collections), pick(Self.keys))
            return (
                RecordAddress(owner: client.user, collection: collection, key: key),
                "\"collection\":\"\(collection.text)\",\"key\":\"\(key.text)\""
            )
        }
        let number = Int.random(in: 0..<20, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            let (first, second) = (place(), place())
            try client.ask(
                .write([first.0, second.0]),
                "\"type\":\"bulk\",\"items\":[{\(first.1),\"value\":\(number)},{\(second.1),\"delete\":true}]")
        case 1:
            let (address, text) = place()
            try client.ask(.write([address]), "\"type\":\"delete\",\(text)")
        default:
            let (address, text) = place()
            let end = chance(5) ? ",\"ttl_seconds\":\(Int.random(in: 1...30, using: &random))" : ""
            try client.ask(.write([address]), "\"type\":\"set\",\(text),\"value\":\(number)\(end)")
        }
    }
}
