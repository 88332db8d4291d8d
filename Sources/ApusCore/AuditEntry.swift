public import NIOCore

/// Something that was done or refused, for the audit log. Never holds a token, secret or value.
///
/// Entries are a chain: each holds the hash of the one before, which holds that of the one before it, so that none can
/// be changed, taken out or moved without all later ones changing, too.
public struct AuditEntry: Hashable, Codable, Sendable {
    /// 1, 2, 3 … without holes, in the order of the commits; 0 until it is committed.
    public var number: Int64 = 0
    /// The hash of the entry before, ``AuditHash/zero`` for the first; `nil` until it is committed, and for entries
    /// that were written before there was a chain.
    public var previous: AuditHash?
    public var at: Timestamp
    public var origin: RequestOrigin
    /// `data.write`, `token.issue`, `token.rotate`, `token.revoke`, `user.revoke`, `user.delete`, `device.register`,
    /// `device.delete`, `request.refused`, `admin.read`, `export`, `connection.close`.
    public var action: String
    public var target: String
    /// `ok` or an error code.
    public var outcome: String
    public var detail: String

    public init(
        at: Timestamp, origin: RequestOrigin, action: String, target: String, outcome: String = "ok",
        detail: String = ""
    ) {
        self.at = at
        self.origin = origin
        self.action = action
        self.target = target
        self.outcome = outcome
        self.detail = detail
    }

    /// One that was encoded before entries had numbers has none.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        number = try values.decodeIfPresent(Int64.self, forKey: .number) ?? 0
        previous = try values.decodeIfPresent(AuditHash.self, forKey: .previous)
        at = try values.decode(Timestamp.self, forKey: .at)
        origin = try values.decode(RequestOrigin.self, forKey: .origin)
        action = try values.decode(String.self, forKey: .action)
        target = try values.decode(String.self, forKey: .target)
        outcome = try values.decode(String.self, forKey: .outcome)
        detail = try values.decode(String.self, forKey: .detail)
    }
}

/// The SHA-256 of an audit entry's row, as ``NIOCore/ByteBuffer/writeAuditRow(_:)`` writes it.
public struct AuditHash: Hashable, Codable, Sendable {
    public static let byteCount = 32
    /// What stands in for the entry before the first one: zeros.
    public static let zero = AuditHash(digest: [UInt8](repeating: 0, count: byteCount))

    /// ``byteCount`` of them.
    public let bytes: [UInt8]

    public init(digest: some Sequence<UInt8>) {
        bytes = Array(digest)
        precondition(bytes.count == Self.byteCount, "a SHA-256 has 32 bytes")
    }

    /// `nil` for bytes that are no hash.
    public init?(stored bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// `nil` for what ``text`` never is.
    public init?(_ text: some StringProtocol) {
        let digits = Array(text.utf8)
        guard digits.count == 2 * Self.byteCount else { return nil }
        var bytes: [UInt8] = []
        for index in 0..<Self.byteCount {
            guard let high = Self.value(of: digits[2 * index]), let low = Self.value(of: digits[2 * index + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        self.bytes = bytes
    }

    /// 64 hex digits.
    public var text: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

/// What is noted of the audit log, in the commit that changes it: how far it goes, and what was dropped for its age.
public struct AuditLedger: Hashable, Sendable {
    /// The note's.
    public static let noteName = "audit"

    /// The newest entry's; 0 if there never was one.
    public var number: Int64
    /// The newest entry's.
    public var hash: AuditHash
    /// Entries with numbers up to this one were dropped for their age.
    public var expiredThrough: Int64

    public init(number: Int64 = 0, hash: AuditHash = .zero, expiredThrough: Int64 = 0) {
        self.number = number
        self.hash = hash
        self.expiredThrough = expiredThrough
    }

    /// `NUMBER HASH EXPIRED`.
    public var text: String { "\(number) \(hash.text) \(expiredThrough)" }

    /// `nil` for what ``text`` never is.
    public init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, let number = Int64(words[0]), let hash = AuditHash(words[1]),
            let expired = Int64(words[2])
        else { return nil }
        self.init(number: number, hash: hash, expiredThrough: expired)
    }
}

extension StorageReader {
    /// Up to `limit` audit entries, the highest number first.
    public func auditEntries(limit: Int) throws(ApusError) -> [AuditEntry] {
        try auditEntries(before: nil, limit: limit)
    }
}

extension ByteBuffer {
    /// Appends the entry in the encoding that its hash, and the digest of all rows, is made of: one byte 8; number; one
    /// byte 0, or 1 and the hash of the entry before; time; actor, IP address, request's id, action, target, outcome,
    /// detail. Numbers, and times in milliseconds since 1970, take eight bytes, big-endian; texts and the hash their
    /// length in four, big-endian, and themselves.
    public mutating func writeAuditRow(_ entry: AuditEntry) {
        writeInteger(UInt8(8))
        writeInteger(entry.number)
        writeInteger(UInt8(entry.previous == nil ? 0 : 1))
        if let previous = entry.previous {
            writeInteger(UInt32(previous.bytes.count))
            writeBytes(previous.bytes)
        }
        writeInteger(entry.at.milliseconds)
        for text in [
            entry.origin.actor, entry.origin.ip, entry.origin.requestID, entry.action, entry.target, entry.outcome,
            entry.detail,
        ] {
            writeInteger(UInt32(text.utf8.count))
            writeString(text)
        }
    }
}
