/// Makes the requests of one kind of work, ready to be sent.
protocol RequestSource: AnyObject {
    /// Room that a request of this kind needs at most.
    var requestBytesMax: Int { get }

    /// What the body of a good answer begins with; anything else fails the run.
    var expectedBeginning: String { get }

    /// What one answered request counts for in the result.
    var unitsPerRequest: Int { get }

    /// Writes the next request into empty bytes; leaves them empty when there is no more to ask.
    func makeRequest(in bytes: Bytes)
}

/// The records a run works on: every user has every collection, every collection every key.
struct KeySpace {
    static let userWidth = 4
    static let collectionWidth = 2
    static let keyWidth = 6
    /// Bytes of a record's value, and of a value that is written to be fanned out.
    static let valueBytes = 120
    static let eventValueBytes = 200

    let users: Int
    let collections: Int
    let keys: Int

    var records: Int { users * collections * keys }

    /// How many records a request of the load holds: as many as can be up to 1,000, and each request as many.
    var loadSize: Int {
        let perUser = collections * keys
        return stride(from: min(perUser, 1000), to: 0, by: -1).first { perUser % $0 == 0 } ?? 1
    }

    /// Room for so many changes to as many records of one user, and their number rounded up to whole requests.
    static func ofOneUser(changes: Int) -> (space: KeySpace, written: Int) {
        let size = min(changes, 1000)
        let written = (changes + size - 1) / size * size
        return (KeySpace(users: 1, collections: 10, keys: (written + 9) / 10), written)
    }

    /// All names of a kind have one length, so that a request differs from the next in digits only.
    static func user(_ number: Int) -> String { "u" + padded(number, width: userWidth) }

    static func collection(_ number: Int) -> String { "c" + padded(number, width: collectionWidth) }

    static func key(_ number: Int) -> String { "k" + padded(number, width: keyWidth) }

    private static func padded(_ number: Int, width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

/// Bytes of a request with places for digits: copied whole, then filled in.
struct RequestTemplate {
    private(set) var bytes: [UInt8] = []
    private(set) var collectionAt = 0
    private(set) var keyAt = 0
    private(set) var numberAt = 0

    mutating func add(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    mutating func addCollection() {
        add("c")
        collectionAt = bytes.count
        add(String(repeating: "0", count: KeySpace.collectionWidth))
    }

    mutating func addKey() {
        add("k")
        keyAt = bytes.count
        add(String(repeating: "0", count: KeySpace.keyWidth))
    }

    /// A JSON object of exactly `length` bytes (at least 40) with a number that differs from write to write.
    mutating func addValue(length: Int) {
        add(#"{"n":"#)
        numberAt = bytes.count
        add(String(repeating: "1", count: Self.numberWidth))
        let frame = #"{"n":,"text":""}"#.utf8.count + Self.numberWidth
        add(#","text":""# + String(repeating: "x", count: max(0, length - frame)) + #""}"#)
    }

    /// Copies the template to the end of `target` and fills in what it has places for.
    func write(to target: Bytes, collection: Int, key: Int, number: Int = 0) {
        let start = target.count
        target.append(bytes)
        if collectionAt > 0 { target.write(collection, width: KeySpace.collectionWidth, at: start + collectionAt) }
        if keyAt > 0 { target.write(key, width: KeySpace.keyWidth, at: start + keyAt) }
        // The first digit stays 1: JSON numbers begin with no zero.
        if numberAt > 0 { target.write(number, width: Self.numberWidth - 1, at: start + numberAt + 1) }
    }

    private static let numberWidth = 10

    /// The head of a request of a user to the server on this port.
    static func head(_ line: String, token: String, bodyLength: Int? = nil) -> String {
        var head = "\(line) HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \(token)\r\n"
        if let bodyLength { head += "Content-Type: application/json\r\nContent-Length: \(bodyLength)\r\n" }
        return head + "\r\n"
    }
}
