import ApusCore
import NIOCore
import Synchronization
import Testing

@testable import ApusHTTP

@Suite struct ConnectionListTests {
    private func glance(_ number: UInt64, bytes: Int, changes: Int64 = 0) -> ConnectionGlance {
        ConnectionGlance(
            id: ConnectionID(process: "p", lane: 0, number: number), wire: .frames, user: OwnerID(stored: "u"),
            device: nil, address: "", openedAt: Timestamp(milliseconds: 0), position: .zero,
            delay: ConnectionGlance.Delay(bytes: bytes, changes: changes))
    }

    @Test func `of very many the slowest are kept, in whatever order they come`() {
        var dice = SystemRandomNumberGenerator()
        var slowest = SlowestConnections(countMax: 10)
        for bytes in (0..<1000).shuffled(using: &dice) { slowest.insert(glance(UInt64(bytes), bytes: bytes)) }
        #expect(slowest.sorted.map(\.delay.bytes) == (990..<1000).reversed())
        var other = SlowestConnections(countMax: 10)
        for bytes in [5000, 995] { other.insert(glance(7000, bytes: bytes)) }
        slowest.insert(other)
        #expect(slowest.sorted.map(\.delay.bytes) == [5000, 999, 998, 997, 996, 995, 995, 994, 993, 992])
    }

    @Test func `bytes count before changes, and the older comes first of two alike`() {
        var slowest = SlowestConnections(countMax: 3)
        for (number, bytes, changes) in [(4, 1, 0), (3, 1, 9), (2, 2, 0), (1, 1, 0)] {
            slowest.insert(glance(UInt64(number), bytes: bytes, changes: Int64(changes)))
        }
        #expect(slowest.sorted.map(\.id.number) == [2, 3, 1])
    }

    @Test(arguments: ["", "-", "a-1", "a-1-2-3", "a-01-2", "a-1-+2", "a-1-02", "a-x-1", "a-1-18446744073709551616"])
    func `what is not written as an id is none`(text: String) {
        #expect(ConnectionID(text) == nil)
        #expect(ConnectionID("a-1-2")?.text == "a-1-2")
    }
}
