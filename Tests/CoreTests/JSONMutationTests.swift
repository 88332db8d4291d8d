import ApusCore
import ApusTesting
import Foundation
import Testing

/// Random texts, judged by Foundation as a second opinion.
@Suite struct JSONMutationTests {
    private static let documents = [
        #"{"user_id":"u1","items":[{"collection":"c","key":"k","value":{"a":[1,2.5e-3,-0]}}],"atomic":true}"#,
        #"[null,true,false,"\ud83d\ude00 \u00e9\\\"\/",[[]],{},{"":0}]"#, #""é€😀""#, "-12.75e+10", " [ 1 , 2 ] ",
    ]

    @Test(arguments: Seeds.all)
    func `what is taken, Foundation takes too, whatever was done to the text`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var taken = 0
        for _ in 0..<20_000 {
            let bytes = Self.mutated(&random)
            guard isJSON(bytes) else { continue }
            taken += 1
            if Self.isBeyondFoundation(bytes) { continue }
            #expect(
                (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil,
                "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
        }
        #expect(taken > 100, "seed \(seed)")
    }

    /// Numbers beyond `Double` are kept as they stand here, while Foundation has no type for them.
    private static func isBeyondFoundation(_ bytes: [UInt8]) -> Bool {
        let text = String(decoding: bytes, as: UTF8.self)
        return text.matches(of: /-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?/).contains { match in
            guard let number = Double(match.output.0) else { return true }
            return !number.isFinite || match.output.0.utf8.count > 15
        }
    }

    private static func mutated(_ random: inout SplitMix64) -> [UInt8] {
        var bytes = Array(documents[Int.random(in: 0..<documents.count, using: &random)].utf8)
        let interesting =
            Array("{}[],:\"\\/u0dD8ceE+-.129 \n\t\u{7f}tfn".utf8) + [0x00, 0x80, 0xC2, 0xE2, 0xED, 0xF0, 0xFF]
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let index = Int.random(in: 0...bytes.count, using: &random)
            let byte = interesting[Int.random(in: 0..<interesting.count, using: &random)]
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes.insert(byte, at: index)
            case 1 where index < bytes.count: bytes.remove(at: index)
            case 2 where index < bytes.count: bytes[index] = byte
            case 3 where index < bytes.count: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 4: bytes.removeSubrange(index...)
            default: bytes.insert(contentsOf: bytes.prefix(index).suffix(6), at: index)
            }
        }
        return bytes
    }

    @Test(arguments: Seeds.all)
    func `random bytes never stop the scanner, however they are walked`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<20_000 {
            let bytes = Self.mutated(&random)
            _ = try? Self.walk(bytes, &random)
        }
    }

    /// Walks with calls chosen at random; only what the text holds may decide whether one throws.
    private static func walk(_ bytes: [UInt8], _ random: inout SplitMix64) throws(ApusError) {
        let text = bytes.span
        var scanner = JSONScanner()
        for _ in 0..<12 {
            switch (try scanner.peek(in: text), Int.random(in: 0..<3, using: &random)) {
            case (.object, 1...):
                try scanner.beginObject(in: text)
                while try scanner.nextMember(in: text) != nil { _ = try scanner.value(in: text) }
            case (.array, 1...):
                try scanner.beginArray(in: text)
                while try scanner.nextElement(in: text) { _ = try scanner.value(in: text) }
            default: _ = try scanner.value(in: text)
            }
        }
        try scanner.end(in: text)
    }
}
