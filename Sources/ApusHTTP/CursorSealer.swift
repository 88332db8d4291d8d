import ApusCore
import Crypto
import NIOCore

/// Cursors: a position bound to its scope and epoch, sealed with a MAC so that a changed one is noticed.
///
/// Base64url of `epoch mark (8) | kind (1) | content | MAC (16)`; the MAC covers the scope, too, which is not in it.
struct CursorSealer: Sendable {
    enum Cursor: Hashable {
        /// The last key of a page in key order.
        case key(RecordKey)
        case changes(ChangesPosition)
        /// The last id of a page of users.
        case user(OwnerID)
        /// The number of a page's last audit entry.
        case audit(before: Int64)
    }

    private let key: SymmetricKey
    /// Tells this database's cursors from those of one that was there before.
    private let epochMark: [UInt8]

    private static let macBytes = 16
    private static let markBytes = 8

    init(secret: [UInt8], epoch: Epoch) {
        key = SymmetricKey(
            data: HMAC<SHA256>.authenticationCode(for: Array("apus cursor".utf8), using: .init(data: secret)))
        epochMark = Array(SHA256.hash(data: Array(epoch.text.utf8)).prefix(Self.markBytes))
    }

    /// - Parameter scope: what the cursor pages through, names included.
    func seal(_ cursor: Cursor, scope: [String]) -> String {
        var payload: [UInt8]
        switch cursor {
        case .key(let key): payload = [UInt8(ascii: "k")] + Array(key.text.utf8)
        case .changes(let position):
            var numbers = ByteBuffer()
            numbers.writeInteger(position.after.rawValue)
            numbers.writeInteger(position.baseline.rawValue)
            payload = [UInt8(ascii: "c")] + Array(buffer: numbers)
        case .user(let user): payload = [UInt8(ascii: "u")] + Array(user.text.utf8)
        case .audit(let number): payload = [UInt8(ascii: "a")] + Array(buffer: ByteBuffer(integer: number))
        }
        payload = epochMark + payload
        return Base64.encodeURL(payload + mac(payload, scope))
    }

    /// - Throws: `bad-cursor` for one that was not sealed here for this scope; `resync-required` for one of another
    ///   epoch.
    func open(_ text: String, scope: [String]) throws(ApusError) -> Cursor {
        let bad = ApusError(.badCursor, "the cursor is not one that was given for this list")
        guard let bytes = Base64.decodeURL(text.utf8), bytes.count > Self.markBytes + Self.macBytes
        else { throw bad }
        let payload = Array(bytes.dropLast(Self.macBytes))
        guard Self.equal(mac(payload, scope), Array(bytes.suffix(Self.macBytes))) else { throw bad }
        guard payload.starts(with: epochMark) else {
            throw ApusError(.resyncRequired, "the cursor is of another database; start again without it")
        }
        let content = payload.dropFirst(Self.markBytes + 1)
        switch payload[Self.markBytes] {
        case UInt8(ascii: "k"): return .key(RecordKey(stored: String(decoding: content, as: UTF8.self)))
        case UInt8(ascii: "u"): return .user(OwnerID(stored: String(decoding: content, as: UTF8.self)))
        case UInt8(ascii: "c"):
            var numbers = ByteBuffer(bytes: content)
            guard let after: Int64 = numbers.readInteger(), let baseline: Int64 = numbers.readInteger() else {
                throw bad
            }
            return .changes(ChangesPosition(after: SequenceNumber(after), baseline: SequenceNumber(baseline)))
        case UInt8(ascii: "a"):
            var numbers = ByteBuffer(bytes: content)
            guard let number: Int64 = numbers.readInteger() else { throw bad }
            return .audit(before: number)
        default: throw bad
        }
    }

    private func mac(_ payload: [UInt8], _ scope: [String]) -> [UInt8] {
        var covered = ByteBuffer()
        for part in scope {
            covered.writeInteger(UInt32(part.utf8.count))
            covered.writeString(part)
        }
        covered.writeBytes(payload)
        let code = HMAC<SHA256>.authenticationCode(for: Array(buffer: covered), using: key)
        return Array(code.prefix(Self.macBytes))
    }

    private static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
