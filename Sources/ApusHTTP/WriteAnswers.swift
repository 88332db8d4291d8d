import ApusCore
import ApusProtocol
import Crypto
import NIOCore

extension WriteAnswer {
    /// The body of the answer, the same over REST and in a frame.
    func encoded(isBulk: Bool, requestID: String) -> ByteBuffer {
        switch self {
        case .replayed(let body): return body
        case .decided(let results):
            var body = ByteBuffer()
            if isBulk {
                body.writeBulkAnswer(results, requestID: requestID)
            } else if let result = results.first {
                body.writeResult(result, requestID: requestID)
            }
            return body
        }
    }
}

extension IdempotencyClaim {
    /// - Parameters:
    ///   - parts: what makes the request the same as another, beside its body.
    ///   - body: one after the other.
    init(key: String, parts: [String], body: [ByteBuffer], isBulk: Bool, requestID: String) {
        var digest = SHA256()
        for part in parts { digest.update(data: Array(part.utf8) + [0]) }
        for piece in body { piece.withUnsafeReadableBytes { digest.update(bufferPointer: $0) } }
        self.init(key: key, fingerprint: Array(digest.finalize())) { $0.encoded(isBulk: isBulk, requestID: requestID) }
    }
}
