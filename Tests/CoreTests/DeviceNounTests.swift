import ApusCore
import Foundation
import Testing

@Suite struct DeviceNounTests {
    @Test func `addresses of devices are in the order of their owners' bytes, then of the ids'`() throws {
        let names = ["a", "e\u{301}", "\u{E9}", "a/", "b"]
        var addresses: [DeviceAddress] = []
        for owner in names {
            for id in names { addresses.append(DeviceAddress(owner: try OwnerID(owner), id: try DeviceID(id))) }
        }
        let sorted = addresses.shuffled().sorted().map { Array("\($0.owner)\u{0}\($0.id)".utf8) }
        #expect(sorted == sorted.sorted { $0.lexicographicallyPrecedes($1) })
    }

    @Test func `a commit that was encoded before there were devices is read, and has none`() throws {
        var batch = CommitBatch()
        batch.users = [User(id: try OwnerID("u1"), displayName: "é", createdAt: Timestamp(milliseconds: 1))]
        let encoded = try JSONEncoder().encode(batch)
        var members = try #require(try JSONSerialization.jsonObject(with: encoded) as? [String: Any])
        #expect(members.removeValue(forKey: "devices") != nil && members.removeValue(forKey: "forgottenDevices") != nil)
        let earlier = try JSONDecoder().decode(CommitBatch.self, from: JSONSerialization.data(withJSONObject: members))
        #expect(earlier.users == batch.users && earlier.devices.isEmpty && earlier.forgottenDevices.isEmpty)
        batch.devices = [
            Device(owner: try OwnerID("u"), id: try DeviceID("d"), registeredAt: Timestamp(milliseconds: 1))
        ]
        batch.forgottenDevices = [batch.devices[0].address]
        let again = try JSONDecoder().decode(CommitBatch.self, from: JSONEncoder().encode(batch))
        #expect(again.devices == batch.devices && again.forgottenDevices == batch.forgottenDevices)
    }
}
