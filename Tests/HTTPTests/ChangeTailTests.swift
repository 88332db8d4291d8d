import ApusCore
import NIOCore
import Testing

@testable import ApusHTTP

@Suite struct TailBufferTests {
    private func told(_ buffer: inout TailBuffer) -> [String] {
        var told: [String] = []
        while let event = buffer.next() { told.append(String(buffer: event)) }
        return told
    }

    private func dropped(_ count: Int) -> String { "event: dropped\ndata: {\"count\":\(count)}\n\n" }

    @Test func `what does not fit is counted, and told where it is missing`() {
        var buffer = TailBuffer(bytesMax: 10)
        for text in ["aaaa", "bbbbbb", "c", "d"] { _ = buffer.offer(ByteBuffer(string: text)) }
        #expect(told(&buffer) == ["aaaa", "bbbbbb", dropped(2)])
        _ = buffer.offer(ByteBuffer(string: "e"))
        #expect(told(&buffer) == ["e"])
    }

    @Test func `after one that was dropped all are, until the reader knows`() {
        var buffer = TailBuffer(bytesMax: 4)
        for text in ["aaa", "bbb"] { _ = buffer.offer(ByteBuffer(string: text)) }
        #expect(buffer.next().map { String(buffer: $0) } == "aaa")
        _ = buffer.offer(ByteBuffer(string: "c"))
        #expect(told(&buffer) == [dropped(2)])
    }

    @Test func `one event is taken however large, if nothing else waits`() {
        var buffer = TailBuffer(bytesMax: 1)
        _ = buffer.offer(ByteBuffer(string: "large"))
        #expect(told(&buffer) == ["large"])
    }

    @Test func `a reader is woken once, when it had nothing`() {
        var buffer = TailBuffer(bytesMax: 100)
        var wakes: [Bool] = []
        for texts in [["a", "b"], ["c"]] {
            #expect(told(&buffer) == (wakes.isEmpty ? [] : ["a", "b"]))
            for text in texts { wakes.append(buffer.offer(ByteBuffer(string: text))) }
        }
        #expect(wakes == [true, false, true])
    }

    @Test func `a filter is about owner, collection and the beginning of the key`() throws {
        func filter(_ query: String) throws -> TailFilter { try TailFilter(RequestTarget("/?" + query)) }
        let address = RecordAddress(
            owner: OwnerID(stored: "u1"), collection: CollectionName(stored: "c"), key: RecordKey(stored: "a/b"))
        for query in ["", "user_id=u1", "collection=c", "prefix=a%2F", "user_id=u1&collection=c&prefix=a/b"] {
            #expect(try filter(query).contains(address), "\(query)")
        }
        for query in ["user_id=u2", "collection=d", "prefix=b", "user_id=u1&collection=c&prefix=a/b/"] {
            #expect(try !filter(query).contains(address), "\(query)")
        }
        #expect(try filter("").text == "*/*/*" && filter("user_id=u1&prefix=a").text == "u1/*/a*")
    }

    @Test func `nobody hears of what was published before or after`() {
        let stage = SocketStage()
        stage.write("before")
        let tail = stage.hub.tails.open(TailFilter(), bytesMax: 1000)
        stage.write("meanwhile")
        if let tail { stage.hub.tails.close(tail) }
        stage.write("after")
        let event = tail?.next().map { String(buffer: $0) }
        #expect(event?.contains("meanwhile") == true && tail?.next() == nil)
    }
}
