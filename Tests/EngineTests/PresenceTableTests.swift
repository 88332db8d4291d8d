import ApusCore
import Testing

@testable import ApusEngine

@Suite struct PresenceTableTests {
    private let tv = DeviceAddress("tv")

    /// A table at a time that the test moves, and what it has told.
    private struct Stage {
        var table: PresenceTable
        var told: [String] = []
        private var milliseconds: Int64 = 0

        init(_ change: (inout Limits) -> Void = { _ in }) {
            var limits = Limits()
            change(&limits)
            table = PresenceTable(limits: limits)
        }

        var now: PresenceMoment { moment(milliseconds) }

        func moment(_ milliseconds: Int64) -> PresenceMoment {
            PresenceMoment(wall: start.advanced(byMilliseconds: milliseconds), uptime: .milliseconds(milliseconds))
        }

        mutating func connect(_ device: DeviceAddress) { tell(table.connected(device, at: now)) }
        mutating func disconnect(_ device: DeviceAddress) { table.disconnected(device, at: now) }
        mutating func forget(_ device: DeviceAddress) { tell(table.forget(device, at: now)) }
        mutating func forgetAll(of owner: String) {
            for change in table.forgetAll(of: OwnerID(stored: owner), at: now) { tell(change) }
        }

        /// Lets time pass, with a tick every half second and one at the end.
        mutating func wait(_ seconds: Double) {
            let end = milliseconds + Int64(seconds * 1000)
            while milliseconds < end {
                milliseconds = min(end, milliseconds + 500)
                for change in table.tick(at: now) { tell(change) }
            }
        }

        private mutating func tell(_ change: PresenceChange?) {
            guard let change else { return }
            let at = change.at.milliseconds - start.milliseconds
            told.append("\(change.owner)/\(change.device) \(change.isOnline ? "on" : "off") \(at)")
        }

        /// Writes one part of what waits; what was written, as `device seen`.
        @discardableResult
        mutating func store() -> [String] {
            let taken = table.takeSightings()
            table.sightingsWritten()
            return taken.map { "\($0.address.id) \($0.seenAt.milliseconds - start.milliseconds)" }
        }

        func isOnline(_ device: DeviceAddress) -> Bool { table.glance(device, at: now.wall)?.isOnline ?? false }
    }

    @Test func `the first connection makes a device online, and it is told at once`() {
        var stage = Stage()
        stage.wait(1)
        stage.connect(tv)
        #expect(stage.told == ["u1/tv on 1000"] && stage.isOnline(tv))
        stage.wait(30)
        #expect(stage.told.count == 1)
    }

    @Test func `a device is offline when its last connection has been gone for 5 s, told with the time it went`() {
        var stage = Stage()
        stage.connect(tv)
        stage.wait(2)
        stage.disconnect(tv)
        stage.wait(4.999)
        #expect(stage.told.count == 1 && stage.isOnline(tv))
        stage.wait(0.001)
        #expect(stage.told == ["u1/tv on 0", "u1/tv off 2000"] && !stage.isOnline(tv))
        stage.wait(30)
        #expect(stage.told.count == 2)
    }

    @Test func `a device that comes back within 5 s, however often, is told to nobody`() {
        var stage = Stage()
        stage.connect(tv)
        for _ in 0..<20 {
            stage.disconnect(tv)
            stage.wait(4.5)
            stage.connect(tv)
            stage.wait(0.5)
        }
        #expect(stage.told == ["u1/tv on 0"])
        stage.disconnect(tv)
        stage.wait(6)
        stage.connect(tv)
        #expect(stage.told == ["u1/tv on 0", "u1/tv off 100000", "u1/tv on 106000"])
    }

    @Test func `of several connections of a device the last one counts`() {
        var stage = Stage()
        for _ in 0..<3 { stage.connect(tv) }
        for _ in 0..<2 { stage.disconnect(tv) }
        stage.wait(60)
        #expect(stage.told == ["u1/tv on 0"])
        stage.disconnect(tv)
        stage.wait(5)
        #expect(stage.told.last == "u1/tv off 60000")
    }

    @Test func `devices of the same name are each their own user's`() {
        var stage = Stage()
        let other = DeviceAddress("tv", owner: "u2")
        stage.connect(tv)
        stage.connect(other)
        stage.disconnect(tv)
        stage.wait(5)
        #expect(stage.told == ["u1/tv on 0", "u2/tv on 0", "u1/tv off 0"])
        #expect(stage.table.glances(of: other.owner, at: stage.now.wall).count == 1)
    }

    @Test func `a deleted device goes at once, and is shown again only when it connects anew`() {
        var stage = Stage()
        stage.connect(tv)
        stage.wait(1)
        stage.forget(tv)
        #expect(stage.told == ["u1/tv on 0", "u1/tv off 1000"])
        #expect(stage.table.glance(tv, at: stage.now.wall) == nil)
        stage.wait(120)
        #expect(!stage.table.hasSightings && stage.told.count == 2)
        stage.connect(tv)
        stage.disconnect(tv)
        stage.wait(9)
        // The connection of before is still there.
        #expect(stage.told == ["u1/tv on 0", "u1/tv off 1000", "u1/tv on 121000"])
        stage.disconnect(tv)
        stage.wait(5)
        #expect(stage.told.last == "u1/tv off 130000")
    }

    @Test func `a device deleted while it may still come back was gone when its connection ended`() {
        var stage = Stage()
        stage.connect(tv)
        stage.wait(1)
        stage.disconnect(tv)
        stage.wait(3)
        stage.forget(tv)
        stage.wait(60)
        #expect(stage.told == ["u1/tv on 0", "u1/tv off 1000"])
    }

    @Test func `with the user all devices go, and nobody else's`() {
        var stage = Stage()
        let devices = [tv, DeviceAddress("b"), DeviceAddress("a"), DeviceAddress("a", owner: "u2")]
        for device in devices { stage.connect(device) }
        stage.told = []
        stage.forgetAll(of: "u1")
        #expect(stage.told == ["u1/a off 0", "u1/b off 0", "u1/tv off 0"])
        #expect(stage.store() == ["a 0"])
        for device in devices { stage.disconnect(device) }
        stage.wait(6)
        stage.store()
        #expect(stage.table.count == 0)
    }

    @Test func `what is stored of a device is when it came, when it went, and each minute in between`() {
        var stage = Stage()
        stage.connect(tv)
        #expect(stage.store() == ["tv 0"])
        stage.wait(59.5)
        #expect(!stage.table.hasSightings)
        stage.wait(0.5)
        #expect(stage.store() == ["tv 60000"])
        stage.wait(60)
        #expect(stage.store() == ["tv 120000"])
        stage.wait(7)
        stage.disconnect(tv)
        stage.wait(5)
        #expect(stage.store() == ["tv 127000"])
        #expect(stage.table.count == 0)
    }

    @Test func `10,000 devices that come at once are written in parts, each once`() {
        var stage = Stage()
        for number in 0..<10_000 { stage.connect(DeviceAddress("d\(number)", owner: "u\(number % 7)")) }
        var parts: [Int] = []
        var written: Set<String> = []
        while stage.table.hasSightings {
            let part = stage.store()
            parts.append(part.count)
            written.formUnion(part)
        }
        #expect(parts == Array(repeating: 500, count: 20) && written.count == 10_000)
    }

    @Test func `what could not be written waits, and what changed meanwhile is written as it is then`() {
        var stage = Stage()
        stage.connect(tv)
        _ = stage.table.takeSightings()
        #expect(!stage.table.hasSightings)
        stage.table.sightingsFailed()
        stage.disconnect(tv)
        stage.wait(5)
        #expect(stage.table.takeSightings().map(\.seenAt) == [start])
        stage.connect(tv)
        stage.wait(1)
        stage.table.sightingsWritten()
        // It came anew while the first was being written.
        #expect(stage.store() == ["tv 5000"])
        #expect(!stage.table.hasSightings)
    }

    @Test func `a device that is not stored yet is shown, with the time it came as that of its registration`() throws {
        var stage = Stage()
        stage.wait(1)
        stage.connect(tv)
        stage.wait(1)
        let online = try #require(stage.table.glance(tv, at: stage.now.wall))
        #expect(online.isOnline && online.registeredAt == stage.moment(1000).wall)
        #expect(online.seenAt == stage.moment(2000).wall)
        stage.disconnect(tv)
        stage.wait(3)
        #expect(stage.table.glance(tv, at: stage.now.wall)?.seenAt == stage.moment(2000).wall)
        stage.wait(3)
        let gone = try #require(stage.table.glance(tv, at: stage.now.wall))
        #expect(!gone.isOnline && gone.registeredAt == online.registeredAt && gone.seenAt == stage.moment(2000).wall)
        stage.store()
        #expect(stage.table.glance(tv, at: stage.now.wall) == nil)
    }

    @Test func `at the end everything that is online is to be stored as it is`() {
        var stage = Stage()
        stage.connect(tv)
        stage.connect(DeviceAddress("gone"))
        stage.store()
        stage.wait(1)
        stage.disconnect(DeviceAddress("gone"))
        stage.wait(1)
        stage.table.finish(at: stage.now)
        #expect(stage.store().sorted() == ["gone 1000", "tv 2000"])
    }

    @Test func `no more sightings wait than may, and what did not fit is stored a minute later`() {
        var stage = Stage { $0.sightingsWaitingMax = 3 }
        for number in 0..<4 { stage.connect(DeviceAddress("d\(number)")) }
        #expect(stage.told.count == 4)
        #expect(stage.store() == ["d0 0", "d1 0", "d2 0"] && !stage.table.hasSightings)
        #expect(stage.isOnline(DeviceAddress("d3")))
        for number in 0..<3 { stage.disconnect(DeviceAddress("d\(number)")) }
        stage.wait(5)
        stage.store()
        stage.wait(55)
        #expect(stage.store() == ["d3 60000"])
    }

    @Test func `what comes and goes leaves nothing behind`() {
        var stage = Stage()
        for number in 0..<1000 {
            stage.connect(DeviceAddress("d\(number)", owner: "u\(number)"))
            stage.disconnect(DeviceAddress("d\(number)", owner: "u\(number)"))
        }
        stage.wait(6)
        while stage.table.hasSightings { stage.store() }
        #expect(stage.table.count == 0)
    }
}

extension DeviceAddress {
    init(_ id: String, owner: String = "u1") {
        self.init(owner: OwnerID(stored: owner), id: DeviceID(stored: id))
    }
}
