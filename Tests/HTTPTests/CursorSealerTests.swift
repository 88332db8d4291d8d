import ApusCore
import ApusTesting
import Testing

@testable import ApusHTTP

@Suite struct CursorSealerTests {
    private static let secret = Array("0123456789abcdef0123456789abcdef".utf8)
    private let sealer = CursorSealer(secret: secret, epoch: Epoch("e1"))
    private let scope = ["list", "u1", "c"]

    private static let cursors: [CursorSealer.Cursor] = [
        .key(RecordKey(stored: "k")), .key(RecordKey(stored: "e\u{301}/é😀 ")),
        .key(RecordKey(stored: String(repeating: "k", count: 256))), .user(OwnerID(stored: "u1")),
        .changes(ChangesPosition(after: .zero, baseline: .zero)), .audit(before: 1), .audit(before: .max),
        .changes(ChangesPosition(after: SequenceNumber(.max), baseline: SequenceNumber(7))),
    ]

    private func isRefused(
        _ text: String, by sealer: CursorSealer? = nil, scope: [String]? = nil, as code: ApusError.Code = .badCursor
    ) -> Bool {
        do throws(ApusError) {
            _ = try (sealer ?? self.sealer).open(text, scope: scope ?? self.scope)
            return false
        } catch {
            return error.code == code
        }
    }

    @Test(arguments: cursors) func `a cursor opens to what was sealed, and fits into a URL`(cursor: CursorSealer.Cursor)
        throws
    {
        let text = sealer.seal(cursor, scope: scope)
        #expect(try sealer.open(text, scope: scope) == cursor)
        #expect(
            text.utf8.allSatisfy {
                "-_".utf8.contains($0) || ("0"..."9").contains(Character(Unicode.Scalar($0)))
                    || ("a"..."z").contains(Character(Unicode.Scalar($0)))
                    || ("A"..."Z").contains(Character(Unicode.Scalar($0)))
            })
        let again = CursorSealer(secret: Self.secret, epoch: Epoch("e1"))
        #expect(try again.open(text, scope: scope) == cursor, "after a restart too")
    }

    @Test(arguments: cursors) func `a cursor opens in its own scope, epoch and server only`(cursor: CursorSealer.Cursor)
    {
        let text = sealer.seal(cursor, scope: scope)
        let scopes = [
            [], ["list"], ["list", "u1"], ["list", "u1", "c", ""], ["list", "u2", "c"], ["list", "u1c", ""],
            ["list", "u1", "C"],
            ["listu1c"], ["u1", "list", "c"], ["changes", "u1", "c"],
        ]
        for other in scopes { #expect(isRefused(text, scope: other), "\(other)") }
        for epoch in ["e2", "e1list", ""] {
            let other = CursorSealer(secret: Self.secret, epoch: Epoch(epoch))
            #expect(isRefused(text, by: other, as: .resyncRequired))
        }
        #expect(isRefused(text, by: CursorSealer(secret: Self.secret.dropLast() + [0], epoch: Epoch("e1"))))
        #expect(isRefused(text, by: CursorSealer(secret: [], epoch: Epoch("e1"))))
    }

    @Test(arguments: cursors) func `a cursor changed in any letter is refused, and so is one cut or drawn out`(
        cursor: CursorSealer.Cursor
    ) {
        let text = sealer.seal(cursor, scope: scope)
        for index in text.indices {
            for letter in ["A", "Q", "z", "-", "="] where String(text[index]) != letter {
                #expect(isRefused(text.replacingCharacters(at: index, with: letter)))
            }
            #expect(isRefused(String(text[..<index])))
        }
        for more in ["A", "AA", "AAAA", "=", " ", "\n"] { #expect(isRefused(text + more) && isRefused(more + text)) }
    }

    @Test func `names in a scope are told apart by their bytes and lengths`() {
        let composed = sealer.seal(.key(RecordKey(stored: "k")), scope: ["\u{e9}"])
        #expect(isRefused(composed, scope: ["e\u{301}"]))
        let split = sealer.seal(.key(RecordKey(stored: "k")), scope: ["ab", "c"])
        #expect(isRefused(split, scope: ["a", "bc"]))
    }

    @Test(arguments: [UInt64(1), 2, .random(in: 0...UInt64.max)])
    func `made-up cursors are refused`(seed: UInt64) {
        print("seed \(seed)")
        var random = SplitMix64(seed: seed)
        #expect(isRefused(""))
        #expect(isRefused(Base64.encodeURL(Array(repeating: 0, count: 16))))
        for _ in 0..<500 {
            let bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            #expect(isRefused(Base64.encodeURL([UInt8(ascii: "c")] + bytes)), "seed \(seed)")
        }
    }
}

extension String {
    fileprivate func replacingCharacters(at index: Index, with letter: String) -> String {
        self[..<index] + letter + self[self.index(after: index)...]
    }
}
