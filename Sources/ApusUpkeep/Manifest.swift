import ApusCore
import NIOCore

/// What a backup says of itself, in `manifest.json`.
public struct Manifest: Hashable, Sendable {
    /// Raised whenever a program of before could not restore such a backup any more.
    static let format = 1
    static let fileName = "manifest.json"
    static let dataName = "data"
    private static let bytesMax = 1 << 20

    public var apusVersion: String
    /// The kind of storage that `data` is a database of.
    public var backend: String
    public var schemaVersion: Int
    public var epoch: String
    public var createdAt: String
    public var counts: RowCounts
    var checksum: Checksum

    /// The size of `data`.
    public var bytes: Int { checksum.bytes }

    /// Of the backup at `path`.
    ///
    /// - Throws: `storage-unavailable`, naming the path, if there is none or it cannot be understood.
    static func read(from path: String) throws(ApusError) -> Manifest {
        let file = path + "/" + fileName
        let text = try Files.text(of: file, bytesMax: bytesMax)
        do throws(ApusError) {
            return try Manifest(parsing: text)
        } catch {
            throw ApusError(.storageUnavailable, "\(file) is no manifest of a backup: \(error.message)")
        }
    }

    /// One member a line.
    var json: String {
        var text = ByteBuffer()
        func member(_ name: String, _ value: String) {
            text.writeString("  \"\(name)\": ")
            text.writeJSON(value)
            text.writeString(",\n")
        }
        text.writeString("{\n  \"format\": \(Self.format),\n")
        member("apus_version", apusVersion)
        member("backend", backend)
        text.writeString("  \"schema_version\": \(schemaVersion),\n")
        member("epoch", epoch)
        member("created_at", createdAt)
        let counted = RowKind.allCases.map { "\"\($0.rawValue)\": \(counts[$0])" }.joined(separator: ", ")
        text.writeString("  \"counts\": {\(counted)},\n")
        text.writeString("  \"bytes\": \(checksum.bytes),\n")
        text.writeString("  \"sha256\": \"\(checksum.sha256)\"\n}\n")
        return String(buffer: text)
    }

    /// - Throws: whatever is wrong, its message without a path.
    init(parsing text: ByteBuffer) throws(ApusError) {
        var members = JSONMembers()
        try members.read(text)
        let format = try members.number("format")
        guard format == Self.format else {
            throw ApusError(.malformedJSON, "its format is \(format); this apus knows \(Self.format)")
        }
        apusVersion = try members.text("apus_version")
        backend = try members.text("backend")
        schemaVersion = try members.number("schema_version")
        epoch = try members.text("epoch")
        createdAt = try members.text("created_at")
        counts = RowCounts()
        for kind in RowKind.allCases { counts[kind] = try members.count(of: kind) }
        checksum = Checksum(bytes: try members.number("bytes"), sha256: try members.text("sha256"))
    }

    init(
        of storage: StorageDescription, counts: RowCounts, checksum: Checksum, apusVersion: String,
        createdAt: Timestamp
    ) {
        self.apusVersion = apusVersion
        backend = storage.name
        schemaVersion = storage.schemaVersion
        epoch = storage.epoch.text
        self.createdAt = createdAt.text
        self.counts = counts
        self.checksum = checksum
    }
}

/// The texts and whole numbers of an object, those of objects in it under `NAME/NAME`; everything else is passed over.
private struct JSONMembers {
    private var texts: [String: String] = [:]
    private var numbers: [String: Int] = [:]
    private static let depthMax = 4

    mutating func read(_ text: ByteBuffer) throws(ApusError) {
        var scanner = JSONScanner(depthMax: Self.depthMax)
        try object(in: text.readableBytesUInt8Span, with: &scanner, prefix: "", depth: 0)
        try scanner.end(in: text.readableBytesUInt8Span)
    }

    func text(_ name: String) throws(ApusError) -> String {
        guard let text = texts[name] else { throw ApusError(.malformedJSON, "\(name) is missing") }
        return text
    }

    func number(_ name: String) throws(ApusError) -> Int {
        guard let number = numbers[name] else { throw ApusError(.malformedJSON, "\(name) is missing") }
        return number
    }

    /// A backup that was made before there were devices does not count them.
    func count(of kind: RowKind) throws(ApusError) -> Int {
        let name = "counts/\(kind.rawValue)"
        return kind == .devices ? numbers[name] ?? 0 : try number(name)
    }

    private mutating func object(
        in text: Span<UInt8>, with scanner: inout JSONScanner, prefix: String, depth: Int
    ) throws(ApusError) {
        guard try scanner.peek(in: text) == .object, depth < Self.depthMax else {
            throw ApusError(.malformedJSON, "it is no object")
        }
        try scanner.beginObject(in: text)
        while let name = try scanner.nextMember(in: text) {
            switch try scanner.peek(in: text) {
            case .object: try object(in: text, with: &scanner, prefix: "\(prefix)\(name)/", depth: depth + 1)
            case .string: texts[prefix + name] = JSONString.decode(text, range: try scanner.value(in: text).range)
            case .number:
                numbers[prefix + name] = Int(JSONString.raw(text, range: try scanner.value(in: text).range))
            case .array, .boolean, .null: _ = try scanner.value(in: text)
            }
        }
    }
}
