import NIOCore
import Testing

@testable import ApusCore

@Suite struct NounTests {
    @Test func `a fault of an item points to where the item stands`() {
        let fault = ApusError(.invalidField, "wrong", fields: [.init(pointer: "/key", detail: "wrong")])
        #expect(fault.prefixed("/items/3").fields == [.init(pointer: "/items/3/key", detail: "wrong")])
        let bare = ApusError(.notFound, "not there")
        #expect(bare.prefixed("/items/0").fields == [.init(pointer: "/items/0", detail: "not there")])
        let whole = ApusError(.invalidField, "no object", at: "")
        #expect(whole.prefixed("/items/7").fields == [.init(pointer: "/items/7", detail: "no object")])
    }

    @Test(arguments: [
        // after, baseline, horizon, whether deletions were missed
        (0, 0, 0, false), (0, 0, 1, true), (4, 0, 5, true), (5, 0, 5, false), (6, 0, 5, false), (0, 5, 5, false),
        (3, 5, 5, false), (3, 5, 6, true), (6, 5, 6, false),
    ])
    func `a position is behind when tombstones it has not seen were purged`(
        after: Int64, baseline: Int64, horizon: Int64, isBehind: Bool
    ) {
        let position = ChangesPosition(after: SequenceNumber(after), baseline: SequenceNumber(baseline))
        #expect(position.isBehind(horizon: SequenceNumber(horizon)) == isBehind)
    }

    @Test func `a record is gone from the moment its time runs out`() throws {
        let address = RecordAddress(
            owner: try OwnerID("u"), collection: try CollectionName("c"), key: try RecordKey("k"))
        let end = Timestamp(milliseconds: 1000)
        var record = Record(
            address: address, value: try JSONText("1"), updatedAt: .init(milliseconds: 0), expiresAt: end,
            sequence: SequenceNumber(1), committedAt: .init(milliseconds: 0))
        #expect(record.isLive(at: end.advanced(byMilliseconds: -1)))
        #expect(!record.isExpired(at: end.advanced(byMilliseconds: -1)))
        #expect(!record.isLive(at: end))
        #expect(record.isExpired(at: end))
        record.deletedAt = end
        #expect(!record.isExpired(at: end) && record.isTombstone && !record.isLive(at: .init(milliseconds: 0)))
    }

    private func principal(
        user: String = "u", issuedAt: Int64? = nil, generation: Int64? = nil
    ) throws -> Principal {
        Principal(
            user: try OwnerID(user), tokenID: "t1", issuedAt: issuedAt.map { Timestamp(milliseconds: $0) },
            expiresAt: Timestamp(milliseconds: 10_000_000), generation: generation)
    }

    @Test func `tokens issued here are cut off by generation, whatever their clock says`() throws {
        let cutoff = TokenCutoff(user: try OwnerID("u"), generation: 2, issuedThrough: Timestamp(milliseconds: 5500))
        #expect(cutoff.revokes(try principal(issuedAt: 9000, generation: 1)))
        #expect(!cutoff.revokes(try principal(issuedAt: 0, generation: 2)))
        #expect(!cutoff.revokes(try principal(issuedAt: nil, generation: 3)))
    }

    @Test func `tokens signed elsewhere are cut off by the second they were issued in`() throws {
        let cutoff = TokenCutoff(user: try OwnerID("u"), generation: 2, issuedThrough: Timestamp(milliseconds: 5500))
        #expect(cutoff.revokes(try principal(issuedAt: 4000)))
        #expect(cutoff.revokes(try principal(issuedAt: 5000)))
        #expect(cutoff.revokes(try principal(issuedAt: 5999)))
        #expect(!cutoff.revokes(try principal(issuedAt: 6000)))
        #expect(cutoff.revokes(try principal(issuedAt: nil)), "a token that does not say when counts as old")
    }

    @Test func `a revocation is about its own user or token only`() throws {
        let cutoff = TokenCutoff(user: try OwnerID("\u{e9}"), generation: 9, issuedThrough: .init(milliseconds: 9000))
        #expect(!Revocation.user(cutoff).revokes(try principal(user: "e\u{301}", issuedAt: 0)))
        #expect(Revocation.user(cutoff).revokes(try principal(user: "\u{e9}", issuedAt: 0)))
        let token = TokenRevocation(tokenID: "t1", keepUntil: .init(milliseconds: 0))
        #expect(Revocation.token(token).revokes(try principal()))
        var other = try principal()
        other.tokenID = "t2"
        #expect(!Revocation.token(token).revokes(other))
        other.tokenID = nil
        #expect(!Revocation.token(token).revokes(other))
    }

    @Test func `every 3-byte and 4-byte start is judged like Swift's own decoder does`() {
        for first in UInt8(0xC0)...0xFF {
            for second in stride(from: UInt8(0x70), through: 0xC8, by: 1) {
                for tail: [UInt8] in [[], [0x80], [0xBF], [0x7F], [0x80, 0x80], [0xBF, 0xBF], [0x80, 0xC0]] {
                    let bytes = [first, second] + tail
                    let isValid = String(validating: bytes, as: UTF8.self) != nil
                    #expect(UTF8Text.isValid(ByteBuffer(bytes: bytes)) == isValid, "\(bytes)")
                }
            }
        }
        #expect(UTF8Text.isValid(ByteBuffer()))
        #expect(!UTF8Text.isValid(ByteBuffer(bytes: [0x41, 0xC3])))
    }

    @Test func `text that grows is judged as far as it goes, and refused once nothing can make it good`() {
        let text = Array("aé€😀12345678é".utf8)
        for count in 0...text.count {
            let whole = String(decoding: text[..<count], as: UTF8.self).unicodeScalars.reduce(0) {
                $1 == "\u{FFFD}" ? $0 : $0 + UTF8.width($1)
            }
            for start in [0, 1, 3, 6] where start <= whole {
                #expect(UTF8Text.validEnd(of: ByteBuffer(bytes: text[..<count]), from: start) == whole)
            }
        }
        for first in UInt8(0x80)...0xFF {
            for second in UInt8.min...0xFF {
                let continued = [[], [0x80], [0x80, 0x80]].contains { tail in
                    String(validating: [first, second] + tail, as: UTF8.self) != nil
                }
                let end = UTF8Text.validEnd(of: ByteBuffer(bytes: [first, second]), from: 0)
                #expect((end != nil) == continued, "\(first) \(second)")
            }
        }
    }
}
