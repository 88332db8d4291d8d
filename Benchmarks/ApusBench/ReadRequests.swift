/// Point reads, `GET /v1/data/{user}/{collection}/{key}`: a record at random each time.
final class PointReads: RequestSource {
    let expectedBeginning = #"{"data":{"#
    let unitsPerRequest = 1
    let requestBytesMax: Int
    private let templates: [RequestTemplate]
    private let space: KeySpace
    private var generator: SeededGenerator

    init(space: KeySpace, users: [String], signer: TokenSigner, seed: UInt64) {
        self.space = space
        generator = SeededGenerator(seed: seed)
        templates = users.map { user in
            var template = RequestTemplate()
            template.add("GET /v1/data/\(user)/")
            template.addCollection()
            template.add("/")
            template.addKey()
            template.add(RequestTemplate.head("", token: signer.token(user: user)))
            return template
        }
        requestBytesMax = templates.map(\.bytes.count).max() ?? 0
    }

    func makeRequest(in bytes: Bytes) {
        let template = templates[generator.next(below: templates.count)]
        let collection = generator.next(below: space.collections)
        template.write(to: bytes, collection: collection, key: generator.next(below: space.keys))
    }
}

/// First pages of a collection, `GET /v1/data/{user}/{collection}?limit=…`: a collection at random each time.
final class Lists: RequestSource {
    let expectedBeginning = #"{"data":[{"#
    let unitsPerRequest = 1
    let requestBytesMax: Int
    private let templates: [RequestTemplate]
    private let space: KeySpace
    private var generator: SeededGenerator

    init(space: KeySpace, users: [String], signer: TokenSigner, limit: Int, seed: UInt64) {
        self.space = space
        generator = SeededGenerator(seed: seed)
        templates = users.map { user in
            var template = RequestTemplate()
            template.add("GET /v1/data/\(user)/")
            template.addCollection()
            template.add(RequestTemplate.head("?limit=\(limit)", token: signer.token(user: user)))
            return template
        }
        requestBytesMax = templates.map(\.bytes.count).max() ?? 0
    }

    func makeRequest(in bytes: Bytes) {
        let template = templates[generator.next(below: templates.count)]
        template.write(to: bytes, collection: generator.next(below: space.collections), key: 0)
    }
}
