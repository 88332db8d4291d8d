import ApusCore
import NIOCore
import Testing

/// Seeds of random tests: some that stay, and one that is new each time and is told, so that a failure can be repeated.
enum Seeds {
    static let all: [UInt64] = {
        let fresh = UInt64.random(in: 0...UInt64.max)
        print("this run's fresh seed is \(fresh)")
        return [1, 2, fresh]
    }()
}

extension JSONText {
    /// The value that `text` is, read as strictly as a request's.
    init(_ text: String, depthMax: Int = 128) throws(ApusError) {
        try self.init(parsing: ByteBuffer(string: text), depthMax: depthMax)
    }
}

/// Whether the scanner takes `bytes` as one JSON text; every refusal must be a `malformed-json`.
func isJSON(_ bytes: [UInt8], depthMax: Int = 128) -> Bool {
    do throws(ApusError) {
        _ = try JSONText(parsing: ByteBuffer(bytes: bytes), depthMax: depthMax)
        return true
    } catch {
        #expect(error.code == .malformedJSON)
        #expect(!error.message.isEmpty)
        return false
    }
}

func isJSON(_ text: String, depthMax: Int = 128) -> Bool { isJSON(Array(text.utf8), depthMax: depthMax) }
