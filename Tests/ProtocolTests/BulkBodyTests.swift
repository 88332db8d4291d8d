import ApusCore
import ApusTesting
import NIOCore
import Testing

@testable import ApusProtocol

@Suite struct BulkBodyTests {
    private func items(_ items: String) throws -> [Result<WriteItem, ApusError>] {
        try WriteBody.bulk(#"{"user_id":"u1","items":[\#(items)]}"#).items
    }

    private func fault(_ item: String) throws -> ApusError {
        let read = try items(item)
        try #require(read.count == 1)
        return refusal { () throws(ApusError) in try read[0].get() }
    }

    @Test func `the brief's bulk is read`() throws {
        let body = try WriteBody.bulk(
            #"{"user_id":"u1","items":[{"collection":"profile","key":"theme","value":{"mode":"dark"}}]}"#)
        #expect(body.owner == (try OwnerID("u1")))
        #expect(body.isAtomic)
        #expect(try body.item().value == #"{"mode":"dark"}"#)
    }

    @Test func `items keep their order, their own policies and every byte of their values`() throws {
        let read = try items(
            """
            {"collection":"c","key":"a","value":[1 , 2]}, {"collection":"c","key":"b","delete":true},
            {"collection":"c","key":"c","value":-0.0,"conflict_policy":"max_numeric","conflict_field":"/n"},
            {"collection":"c","key":"a","value":"\\u0041","user_id":"u1","ttl_seconds":9}
            """
        ).map { try $0.get() }
        #expect(read.map(\.key.text) == ["a", "b", "c", "a"])
        #expect(read.map(\.value) == ["[1 , 2]", nil, "-0.0", #""\u0041""#])
        #expect(read.map(\.isDelete) == [false, true, false, false])
        #expect(read[2].policy == .maxNumeric(try #require(JSONPointer("/n"))))
        #expect(read[3].expiry == .afterSeconds(9))
    }

    @Test func `the items may stand before the user`() throws {
        let body = try WriteBody.bulk(
            #"{"atomic":false,"items":[{"collection":"c","key":"k","value":1,"user_id":"u2"}],"user_id":"u1"}"#)
        #expect(!body.isAtomic)
        #expect(refusal { () throws(ApusError) in try body.items[0].get() }.pointers == ["/user_id"])
    }

    @Test func `a delete needs no value, and one that has one is still a delete`() throws {
        let read = try items(
            #"{"collection":"c","key":"k","delete":true,"value":1,"updated_at":"2024-01-01T12:34:56.789Z"}"#)
        #expect(try read[0].get().isDelete)
        #expect(try read[0].get().updatedAt == moment)
        #expect(try items(#"{"collection":"c","key":"k","delete":false,"value":1}"#)[0].get().isDelete == false)
        #expect(try fault(#"{"collection":"c","key":"k","delete":false}"#).pointers == ["/value"])
    }

    @Test(arguments: [
        ("1", [""]), ("null", [""]), ("[]", [""]), ("\"x\"", [""]), ("{}", ["/collection", "/key", "/value"]),
        (#"{"collection":"c","key":"k","value":1,"user_id":"u2"}"#, ["/user_id"]),
        (#"{"collection":"c","key":"k","value":1,"user_id":null}"#, ["/user_id"]),
        (#"{"collection":"c","key":"k","value":1,"user_id":"U1"}"#, ["/user_id"]),
        (#"{"collection":"c","key":"k","delete":1}"#, ["/delete", "/value"]),
        (#"{"collection":"c","key":"k","delete":null,"value":1}"#, ["/delete"]),
        (#"{"collection":"","key":5,"ttl_seconds":"x"}"#, ["/collection", "/key", "/ttl_seconds", "/value"]),
    ])
    func `an item at fault carries its faults and leaves its neighbours alone`(item: String, pointers: [String]) throws
    {
        let good = #"{"collection":"c","key":"good","value":1}"#
        let read = try items("\(good),\(item),\(good)")
        #expect(try read[0].get().key.text == "good")
        #expect(try read[2].get().key.text == "good")
        let error = refusal { () throws(ApusError) in try read[1].get() }
        #expect(error.code == .invalidField)
        #expect(error.pointers == pointers)
    }

    @Test func `a value too large is that item's fault`() throws {
        var limits = Limits()
        limits.valueBytesMax = 4
        let body = try WriteBody.bulk(
            #"{"user_id":"u","items":[{"collection":"c","key":"k","value":1234},"#
                + #"{"collection":"c","key":"k","value":12345}]}"#,
            limits)
        #expect(try body.items[0].get().value == "1234")
        #expect(refusal { () throws(ApusError) in try body.items[1].get() }.code == .valueTooLarge)
    }

    @Test(arguments: [
        ("{}", ["/user_id", "/items"]), (#"{"user_id":"u"}"#, ["/items"]), (#"{"items":[]}"#, ["/user_id"]),
        (#"{"user_id":"u","items":{}}"#, ["/items"]), (#"{"user_id":"u","items":null}"#, ["/items"]),
        (#"{"user_id":7,"items":"x","atomic":"yes"}"#, ["/user_id", "/items", "/atomic"]),
        (#"{"user_id":"u","items":[],"atomic":null}"#, ["/atomic"]),
        (#"{"user_id":"u","items":[],"atomic":0}"#, ["/atomic"]),
        ("[]", [""]),
    ])
    func `faults of the envelope are named at once`(text: String, pointers: [String]) {
        let error = refusal { () throws(ApusError) in try WriteBody.bulk(text) }
        #expect(error.code == .invalidField)
        #expect(error.pointers == pointers)
    }

    @Test(arguments: [
        #"{"user_id":"u","items":[],"items":[]}"#, #"{"user_id":"u","user_id":"u","items":[]}"#,
        #"{"user_id":"u","items":[{"collection":"c","key":"k","value":1,"value":1}]}"#,
        #"{"user_id":"u","items":[{"collection":"c","key":"k","value":1},]}"#, #"{"user_id":"u","items":[{]}"#,
        #"{"user_id":"u","items":[1 2]}"#, #"{"user_id":"u","items":[]"#, #"{"user_id":"u","items":[]} {}"#,
    ])
    func `broken JSON anywhere refuses the whole bulk`(text: String) {
        #expect(refusal { () throws(ApusError) in try WriteBody.bulk(text) }.code == .malformedJSON)
    }

    @Test func `an empty bulk is a bulk, and null is a value of items`() throws {
        #expect(try items("").isEmpty)
        #expect(try items(#"{"collection":"c","key":"k","value":null}"#)[0].get().value == "null")
    }

    @Test func `10,000 items are taken and 10,001 are not`() throws {
        func body(_ count: Int) -> String {
            let items = (0..<count).map { #"{"collection":"c","key":"k\#($0)","value":\#($0)}"# }
            return #"{"user_id":"u","items":[\#(items.joined(separator: ","))]}"#
        }
        let read = try WriteBody.bulk(body(10_000)).items
        #expect(read.count == 10_000)
        #expect(try read[9999].get().value == "9999")
        #expect(refusal { () throws(ApusError) in try WriteBody.bulk(body(10_001)) }.code == .tooManyItems)
    }

    @Test(arguments: [UInt64(1), 2, .random(in: 0...UInt64.max)])
    func `no change to a body stops the reader`(seed: UInt64) {
        print("seed \(seed)")
        var random = SplitMix64(seed: seed)
        let text = Array(
            #"{"user_id":"u","atomic":true,"items":[{"collection":"c","key":"k","value":[1],"delete":false}]}"#
                .utf8)
        for _ in 0..<10_000 {
            var bytes = text
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes.remove(at: index)
                case 1: bytes[index] = text[Int.random(in: 0..<text.count, using: &random)]
                default: bytes.swapAt(index, Int.random(in: 0..<bytes.count, using: &random))
                }
            }
            do throws(ApusError) {
                let body = try WriteBody.bulk(ByteBuffer(bytes: bytes), policy: .lastWriteWins, limits: Limits())
                for case .failure(let error) in body.items { #expect(error.code == .invalidField) }
            } catch {
                #expect([.malformedJSON, .invalidField].contains(error.code), "seed \(seed)")
            }
        }
    }
}
