import ApusCore
import NIOCore
import Testing

@testable import ApusProtocol

@Suite struct ClientFrameTests {
    private let owner = OwnerID(stored: "u1")

    private func frame(_ text: String, _ limits: Limits = Limits()) -> ClientFrame {
        ClientFrame(ByteBuffer(string: text), owner: owner, limits: limits)
    }

    private func fault(_ text: String) -> ApusError {
        refusal { () throws(ApusError) in try frame(text).request.get() }
    }

    private func write(_ text: String) throws -> FrameWrite {
        guard case .write(let write) = try frame(text).request.get() else { throw ApusError(.notFound, "no write") }
        return write
    }

    private func subscription(_ text: String) throws -> (StreamScope, ResumePoint?) {
        guard case .subscribe(let wish) = try frame(text).request.get() else {
            throw ApusError(.notFound, "no subscription")
        }
        return (wish.scope ?? .everything, wish.resume)
    }

    @Test(arguments: ["1", "\"a\"", "null", "{\"x\":[1]}", "1.0"])
    func `a frame's id may be any JSON and is kept as it was sent`(id: String) {
        let read = frame(#"{"type":"ping","id": \#(id) ,"other":1}"#)
        #expect(read.id.map { String(buffer: $0.bytes) } == id)
        #expect(throws: Never.self) { try read.request.get() }
        #expect(read.type == "ping")
    }

    @Test func `a subscription's id has at most 1,024 bytes, and a longer one is still echoed`() {
        for (count, isTaken) in [(1022, true), (1023, false)] {
            for type in ["subscribe", "unsubscribe"] {
                let text = #"{"type":"\#(type)","id":"\#(String(repeating: "i", count: count))"}"#
                #expect(frame(text).id?.byteCount == count + 2)
                #expect(((try? frame(text).request.get()) != nil) == isTaken)
                if !isTaken { #expect(fault(text).pointers == ["/id"]) }
            }
        }
    }

    @Test func `what is wrong with a frame is said together with its id, where that could be read`() {
        for text in [#"{"id":7,"type":"fly"}"#, #"{"id":7}"#, #"{"id":7,"type":7}"#, #"{"type":null,"id":7}"#] {
            let read = frame(text)
            #expect(fault(text).code == .invalidField && fault(text).pointers == ["/type"])
            #expect(read.id.map { String(buffer: $0.bytes) } == "7")
            #expect(read.type == "frame")
        }
        for text in ["", "{", "hello", "{\"type\":\"ping\",\"type\":\"ping\"}", "{\"type\":\"ping\"} x"] {
            #expect(fault(text).code == .malformedJSON)
            #expect(frame(text).id == nil)
        }
        #expect(fault("[]").code == .invalidField)
        #expect(frame(#"{"type":"ping"}"#).id == nil)
    }

    @Test func `a subscription names everything, a collection, a key or a prefix`() throws {
        let notes = CollectionName(stored: "notes")
        #expect(try subscription(#"{"type":"subscribe"}"#).0 == .everything)
        #expect(try subscription(#"{"type":"subscribe","collection":"notes"}"#).0 == .collection(notes))
        #expect(
            try subscription(#"{"type":"subscribe","key":"k","collection":"notes"}"#).0
                == .key(notes, RecordKey(stored: "k")))
        #expect(
            try subscription(#"{"type":"subscribe","collection":"notes","prefix":"k/"}"#).0
                == .prefix(notes, KeyPrefix(stored: "k/")))
        let resumed = try subscription(#"{"type":"subscribe","since":7,"epoch":"e","user_id":"u1"}"#).1
        #expect(resumed?.since == SequenceNumber(7) && resumed?.epoch == "e")
        #expect(try subscription(#"{"type":"subscribe","since":null,"epoch":"e"}"#).1 == nil)
    }

    @Test(arguments: [
        (#""key":"k""#, "/collection"), (#""prefix":"k""#, "/collection"),
        (#""collection":"c","key":"k","prefix":"k""#, "/prefix"), (#""collection":"""#, "/collection"),
        (#""collection":7"#, "/collection"), (#""collection":"c","prefix":"""#, "/prefix"),
        (#""collection":"c","prefix":"\#(String(repeating: "p", count: 257))""#, "/prefix"),
        (#""since":-1"#, "/since"), (#""since":"7""#, "/since"), (#""since":1.5"#, "/since"),
        (#""since":9223372036854775808"#, "/since"), (#""epoch":7"#, "/epoch"),
    ])
    func `a subscription that makes no sense is told what is wrong`(members: String, pointer: String) {
        for type in ["subscribe", "unsubscribe"] {
            let error = fault(#"{"type":"\#(type)",\#(members)}"#)
            #expect(error.code == .invalidField && error.pointers == [pointer])
        }
    }

    @Test func `a frame is about the socket's user unless it names one`() throws {
        for members in [
            #""type":"subscribe""#, #""type":"unsubscribe""#, #""type":"set","collection":"c","key":"k","value":1"#,
            #""type":"delete","collection":"c","key":"k""#, #""type":"bulk","items":[]"#,
        ] {
            for (named, user) in [("", "u1"), (#","user_id":"u1""#, "u1"), (#","user_id":"u2""#, "u2")] {
                let owner: OwnerID? =
                    switch try frame("{\(members)\(named)}").request.get() {
                    case .subscribe(let wish), .unsubscribe(let wish): wish.owner
                    case .write(let write): write.body.owner
                    case .ping, .authenticate: nil
                    }
                #expect(owner?.text == user)
            }
        }
    }

    @Test func `a set has the members of an upsert, and those that REST has in headers`() throws {
        let write = try write(
            #"{"type":"set","id":1,"collection":"c","key":"k","value":{"a": 1},"updated_at":"2024-01-01T00:00:00Z","#
                + #""ttl_seconds":5,"conflict_policy":"server_time","idempotency_key":"i1","if_match":42}"#)
        #expect(write.body.owner == owner && !write.isBulk && write.idempotencyKey == "i1")
        let item = try #require(write.body.items.first).get()
        guard case .set(let value, .afterSeconds(5)) = item.operation else { throw ApusError(.notFound, "no set") }
        #expect(String(buffer: value.bytes) == #"{"a": 1}"#)
        #expect(item.policy == .serverTime && item.precondition == .sequenceIn([SequenceNumber(42)]))
        #expect(item.updatedAt == Timestamp("2024-01-01T00:00:00Z"))
    }

    @Test func `a delete needs no value, a bulk takes items of both kinds`() throws {
        let delete = try write(#"{"type":"delete","collection":"c","key":"k","if_none_match":"*"}"#)
        let item = try #require(delete.body.items.first).get()
        guard case .delete = item.operation else { throw ApusError(.notFound, "no delete") }
        #expect(item.precondition == .absent)
        let bulk = try write(
            #"{"type":"bulk","atomic":false,"conflict_policy":"max_numeric","conflict_field":"/n","items":["#
                + #"{"collection":"c","key":"a","value":1},{"collection":"c","key":"b","delete":true},7]}"#)
        #expect(bulk.isBulk && !bulk.body.isAtomic && bulk.body.items.count == 3)
        #expect(try bulk.body.items[0].get().policy == JSONPointer("/n").map { .maxNumeric($0) })
        #expect(throws: ApusError.self) { try bulk.body.items[2].get() }
    }

    @Test(arguments: [
        (#""type":"set","key":"k","value":1"#, "/collection"), (#""type":"set","collection":"c","key":"k""#, "/value"),
        (#""type":"set","collection":"c","key":"k","value":1,"if_match":"x""#, "/if_match"),
        (#""type":"set","collection":"c","key":"k","value":1,"if_match":1,"if_none_match":1"#, "/if_none_match"),
        (#""type":"set","collection":"c","key":"k","value":1,"idempotency_key":"""#, "/idempotency_key"),
        (#""type":"set","collection":"c","key":"k","value":1,"conflict_policy":"best""#, "/conflict_policy"),
        (#""type":"bulk","items":[],"conflict_policy":"best""#, "/conflict_policy"), (#""type":"bulk""#, "/items"),
        (#""type":"bulk","items":[],"if_match":1"#, "/if_match"),
        (#""type":"auth""#, "/token"), (#""type":"auth","token":7"#, "/token"),
    ])
    func `a frame that cannot be done names the member at fault`(members: String, pointer: String) {
        let error = fault("{\(members)}")
        #expect(error.code == .invalidField && error.pointers == [pointer])
    }

    @Test func `frames that differ in their id only are the same to an idempotency key`() throws {
        func fingerprint(_ text: String) throws -> String {
            try write(text).fingerprint.map { String(buffer: $0) }.joined()
        }
        let one = try fingerprint(#"{"type":"set","id":1,"collection":"c","key":"k","value":1}"#)
        #expect(try fingerprint(#"{"type":"set","id":"another","collection":"c","key":"k","value":1}"#) == one)
        #expect(try fingerprint(#"{"type":"set","id":1,"collection":"c","key":"k","value":2}"#) != one)
    }
}
