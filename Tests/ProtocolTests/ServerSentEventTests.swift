import ApusCore
import NIOCore
import Testing

@testable import ApusProtocol

@Suite struct ServerSentEventTests {
    private let moment = Timestamp(milliseconds: 0)

    private func event(_ message: ServerMessage) -> String {
        ByteBuffer.text { bytes in
            var text = ByteBuffer()
            text.writeMessage(message)
            bytes.writeServerSentEvent(message, text: text)
        }
    }

    private func hello(isCurrent: Bool) -> ServerMessage {
        .hello(
            Hello(
                user: OwnerID(stored: "u1"), epoch: Epoch("e"), sequence: SequenceNumber(9), time: moment,
                heartbeatMilliseconds: 25_000, isCurrent: isCurrent))
    }

    @Test func `an event has its type, the position it leads to, and its JSON`() {
        #expect(
            event(.current(SequenceNumber(7), id: nil))
                == "event: current\nid: 7\ndata: {\"type\":\"current\",\"seq\":7}\n\n")
        #expect(
            event(.reset(.purged, id: nil))
                == "event: reset\ndata: {\"type\":\"reset\",\"reason\":\"purged\"}\n\n")
    }

    @Test func `hello is a place to go on from only if nothing stored follows`() {
        #expect(event(hello(isCurrent: true)).hasPrefix("event: hello\nid: 9\ndata: "))
        #expect(event(hello(isCurrent: false)).hasPrefix("event: hello\ndata: "))
    }

    @Test(arguments: ["[1,\n2]", "[1,\r2]", "[1,\r\n2]"])
    func `line ends in a client's JSON do not end the event`(value: String) {
        let record = Record(
            address: RecordAddress(
                owner: OwnerID(stored: "u1"), collection: CollectionName(stored: "c"), key: RecordKey(stored: "k")),
            value: JSONText(validated: ByteBuffer(string: value)), updatedAt: moment, sequence: SequenceNumber(1),
            committedAt: moment)
        let lines = event(.event(Change(record: record))).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "event: data.updated" && lines[1] == "id: 1")
        #expect(lines.dropFirst(2).dropLast(2).allSatisfy { $0.hasPrefix("data: ") })
        #expect(lines.suffix(2) == ["", ""])
        #expect(!event(.event(Change(record: record))).contains("\r"))
    }
}
