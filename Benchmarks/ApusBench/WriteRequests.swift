/// Single writes, `POST /v1/data`: a record at random each time.
final class SingleWrites: RequestSource {
    let expectedBeginning = #"{"applied":true"#
    let unitsPerRequest = 1
    let requestBytesMax: Int
    private let templates: [RequestTemplate]
    private let space: KeySpace
    private var generator: SeededGenerator
    private var number = 0

    init(space: KeySpace, users: [String], signer: TokenSigner, valueBytes: Int, seed: UInt64) {
        self.space = space
        generator = SeededGenerator(seed: seed)
        templates = users.map { user in
            var body = RequestTemplate()
            Self.addBody(to: &body, user: user, valueBytes: valueBytes)
            var whole = RequestTemplate()
            let token = signer.token(user: user)
            whole.add(RequestTemplate.head("POST /v1/data", token: token, bodyLength: body.bytes.count))
            Self.addBody(to: &whole, user: user, valueBytes: valueBytes)
            return whole
        }
        requestBytesMax = templates.map(\.bytes.count).max() ?? 0
    }

    func makeRequest(in bytes: Bytes) {
        number += 1
        let template = templates[generator.next(below: templates.count)]
        let collection = generator.next(below: space.collections)
        template.write(
            to: bytes, collection: collection, key: generator.next(below: space.keys), number: number)
    }

    private static func addBody(to template: inout RequestTemplate, user: String, valueBytes: Int) {
        template.add(#"{"user_id":"\#(user)","collection":""#)
        template.addCollection()
        template.add(#"","key":""#)
        template.addKey()
        template.add(#"","value":"#)
        template.addValue(length: valueBytes)
        template.add("}")
    }
}

/// Bulk writes, `POST /v1/data/bulk`: each request holds records of one user.
final class BulkWrites: RequestSource {
    /// Which records a request writes.
    enum Order {
        /// One user at random; distinct records from all of the user's collections, in a shuffled order.
        case random
        /// Every record of the key space once, in key order, then no more.
        case everyRecordOnce
        /// The first user's records in turn; after `changes` of them no more.
        case inTurn(changes: Int)
    }

    let expectedBeginning: String
    let unitsPerRequest: Int
    let requestBytesMax: Int
    private let heads: [[UInt8]]
    private let item: RequestTemplate
    private let space: KeySpace
    private let order: Order
    private var generator: SeededGenerator
    private var written = 0

    /// `size` is the number of items a request.
    init(
        space: KeySpace, users: [String], signer: TokenSigner, size: Int, valueBytes: Int, order: Order, seed: UInt64
    ) {
        self.space = space
        self.order = order
        generator = SeededGenerator(seed: seed)
        unitsPerRequest = size
        expectedBeginning = #"{"applied":\#(size),"#
        var item = RequestTemplate()
        item.add(#"{"collection":""#)
        item.addCollection()
        item.add(#"","key":""#)
        item.addKey()
        item.add(#"","value":"#)
        item.addValue(length: valueBytes)
        item.add("}")
        self.item = item
        let itemsLength = size * (item.bytes.count + 1) - 1
        heads = users.map { user in
            let opening = #"{"user_id":"\#(user)","items":["#
            let length = opening.utf8.count + itemsLength + "]}".utf8.count
            let token = signer.token(user: user)
            return Array((RequestTemplate.head("POST /v1/data/bulk", token: token, bodyLength: length) + opening).utf8)
        }
        requestBytesMax = (heads.map(\.count).max() ?? 0) + itemsLength + 2
    }

    func makeRequest(in bytes: Bytes) {
        let perUser = space.collections * space.keys
        var user = 0
        var first = written
        var step = 1
        switch order {
        case .random:
            user = generator.next(below: heads.count)
            first = generator.next(below: perUser)
            step = generator.shuffleStep(below: perUser)
        case .everyRecordOnce:
            user = written / perUser
            guard user < heads.count else { return }
        case .inTurn(let changes):
            guard written < changes else { return }
        }
        bytes.append(heads[user])
        for place in 0..<unitsPerRequest {
            if place > 0 { bytes.append(UInt8(ascii: ",")) }
            written += 1
            let record = (first + place * step) % perUser
            writeItem(record, to: bytes)
        }
        bytes.append(UInt8(ascii: "]"))
        bytes.append(UInt8(ascii: "}"))
    }

    private func writeItem(_ record: Int, to bytes: Bytes) {
        item.write(to: bytes, collection: record / space.keys, key: record % space.keys, number: written)
    }
}
